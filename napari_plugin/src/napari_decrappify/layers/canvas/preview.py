"""Preview layers: a computed region at its position in the input."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from decrappify import Crappifier
from napari_decrappify.layers.attributes import displayed_alone, restored_attributes, translation_of
from napari_decrappify.layers.canvas.region import Region, current_position
from napari_decrappify.layers.canvas.single_layer import SingleLayer
from napari_decrappify.layers.canvas.split_outline import SplitOutline
from napari_decrappify.layers.files.scenes import layer_of
from napari_decrappify.layers.image import METADATA, LayerImage

_LINKED = ("contrast_limits", "gamma")


class RestoredPreview(SingleLayer):
    """At most one layer with a restored region, and a split for comparison, outlined and labeled.

    Each preview replaces it. Its contrast is that of the input: a change of one changes the other.

    Parameters
    ----------
    viewer : napari.Viewer
        Viewer of the layer.
    """

    def __init__(self, viewer: Any) -> None:
        super().__init__(viewer)
        self._pixels: NDArray[Any] = np.zeros(0)
        self._attributes: dict[str, Any] = {}
        self._outline = SplitOutline(viewer)
        self._source: Any = None
        self._image: LayerImage | None = None
        self._region: Region | None = None
        self._scale = 1
        self.split = 0.0

    @property
    def is_current(self) -> bool:
        """Whether the previewed plane is the displayed one."""
        return self._image is None or self._region is None or self.is_displayed(self._image, self._region)

    def is_displayed(self, image: LayerImage, region: Region) -> bool:
        """Return whether the plane of a region of a layer is displayed."""
        source = self._layer_of(image)
        position = {} if source is None else current_position(self._viewer, source, image.layer_axes)
        return all(position.get(axis, region.start[axis]) == region.start[axis] for axis in "TCZ")

    def remove(self) -> None:
        """Remove the layer, its outline, and the link of the contrast."""
        self._outline.remove()
        if self.is_shown and self._source is not None and self._source in self._viewer.layers:
            self._viewer.layers.unlink_layers([self._source, self._layer], _LINKED)
        self._source = self._image = self._region = None
        super().remove()

    def _layer_of(self, image: LayerImage) -> Any:
        return layer_of(self._viewer.layers, image)

    def show(self, image: LayerImage, region: Region, pixels: NDArray[Any], *, scale: int, model_name: str) -> None:
        """Show a preview on the canvas.

        Parameters
        ----------
        image : LayerImage
            The input.
        region : Region
            The restored region of the input.
        pixels : ndarray
            Its restoration (C, Y, X).
        scale : int
            Upsampling factor.
        model_name : str
            Name of the model, for the name of the layer.
        """
        self.remove()
        self._scale = scale
        axes = image.layer_axes
        is_rgb = image.is_rgb and len(pixels) == 3
        plane = np.moveaxis(pixels, 0, -1) if is_rgb else pixels[0]
        # Axes other than Y and X have length 1, so that the layer is shown on its frame only.
        self._pixels = plane.reshape((1,) * (len(axes) - 2) + plane.shape)
        self._attributes = displayed_alone(restored_attributes(image, axes=axes, scale=scale, start=region.start))
        self._layer = self._viewer.add_image(
            self._pixels,
            name=f"{image.name} [preview {model_name}]",
            rgb=is_rgb,
            metadata={METADATA: {"preview_of": image.name, "model": model_name}},
            **self._attributes,
        )
        self._source, self._image, self._region = self._layer_of(image), image, region
        if not is_rgb and self._source is not None:
            self._viewer.layers.link_layers([self._source, self._layer], _LINKED)
        shape = self._pixels.shape[:-1] if is_rgb else self._pixels.shape
        self._outline.show(shape, self._attributes, ("input", model_name), self._cut)
        if self.split:
            self.move_split(self.split)

    @property
    def _cut(self) -> int:
        """Column of the preview at which it begins to be shown; its width if it is hidden."""
        width = int(self._region.shape[1] * self._scale) if self._region is not None else 0
        return width if self.split >= 1 else int(self.split * width)

    def move_split(self, split: float) -> None:
        """Show the input left of the split and the preview right of it.

        Parameters
        ----------
        split : float
            Share of the region that shows the input, 0 to 1.
        """
        self.split = split
        if not self.is_shown:
            return
        axis = self._layer.ndim - 1
        cut = min(self._cut, self._pixels.shape[axis] - 1)
        translate = translation_of(self._attributes, [0] * axis + [cut])
        self._layer.data = self._pixels[(slice(None),) * axis + (slice(cut, None),)]
        self._layer.translate = translate
        self._layer.opacity = 0.0 if split >= 1 else 1.0
        self._outline.move(self._cut)


class CrappifiedPreview(SingleLayer):
    """At most one layer with a crappified region."""

    def show(self, image: LayerImage, region: Region, pixels: NDArray[Any], crappifier: Crappifier) -> None:
        """Show a region crappified with seed 0 on the canvas, replacing the previous one."""
        axes = image.layer_axes
        pixels = pixels.reshape((1,) * (len(axes) - 2) + pixels.shape)
        attributes = displayed_alone(
            restored_attributes(image, axes=axes, scale=1 / crappifier.scale, start=region.start)
        )
        name = f"{image.name} [crappified: {crappifier.name}]"
        metadata = {METADATA: {"crappified_from": image.name, "crappifier": crappifier.to_dict(), "seed": 0}}
        is_same = self.is_shown and self._layer.metadata[METADATA]["crappified_from"] == image.name
        if not is_same or self._layer.ndim != len(axes):  # contrast, color and units are those of a layer
            self.remove()
            self._layer = self._viewer.add_image(pixels, name=name, metadata=metadata, **attributes)
            return
        self._layer.data = pixels
        self._layer.scale, self._layer.translate = attributes["scale"], attributes["translate"]
        self._layer.name, self._layer.metadata = name, metadata
