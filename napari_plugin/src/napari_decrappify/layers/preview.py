"""Preview layer: a restored region at its position in the input, with a split for comparison."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_decrappify.layers.image import METADATA, restored_attributes
from napari_decrappify.workers.restore import Previewed


class PreviewLayer:
    """At most one layer, replaced by each preview.

    Parameters
    ----------
    viewer : napari.Viewer
        Viewer of the layer.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._previewed: Previewed | None = None
        self._layer: Any = None
        self.split = 0.0

    def show(self, previewed: Previewed, model_name: str) -> None:
        """Show a preview on the canvas."""
        self.remove()
        request = previewed.request
        self._previewed = previewed
        self._layer = self._viewer.add_image(
            self._pixels(),
            name=f"{request.image.name} [preview {model_name}]",
            rgb=self._is_rgb,
            metadata={METADATA: {"preview_of": request.image.name, "model": model_name}},
            **self._attributes(0),
        )
        if self.split:
            self.move_split(self.split)

    def move_split(self, split: float) -> None:
        """Show the input left of the split and the preview right of it.

        Parameters
        ----------
        split : float
            Share of the region that shows the input, 0 to 1.
        """
        self.split = split
        if self._previewed is None or self._layer not in self._viewer.layers:
            return
        pixels = self._pixels()
        axis = self._layer.ndim - 1
        cut = min(int(split * pixels.shape[axis]), pixels.shape[axis] - 1)
        self._layer.data = pixels[(slice(None),) * axis + (slice(cut, None),)]
        self._layer.translate = self._attributes(cut)["translate"]
        self._layer.opacity = 0.0 if split >= 1 else 1.0

    def remove(self) -> None:
        """Remove the preview."""
        if self._layer is not None and self._layer in self._viewer.layers:
            self._viewer.layers.remove(self._layer)
        self._layer = self._previewed = None

    @property
    def _is_rgb(self) -> bool:
        return self._previewed is not None and self._previewed.request.image.is_rgb and len(self._previewed.pixels) == 3

    def _axes(self) -> str:
        return self._shown().request.image.axes.replace("C", "")

    def _shown(self) -> Previewed:
        if self._previewed is None:
            raise RuntimeError("no preview is shown")
        return self._previewed

    def _pixels(self) -> np.ndarray[Any, Any]:
        """Return the region with the layer's axes, of length 1 except Y and X, to be shown on its frame only."""
        shown = self._shown()
        plane = np.moveaxis(shown.pixels, 0, -1) if self._is_rgb else shown.pixels[0]
        return plane.reshape((1,) * (len(self._axes()) - 2) + plane.shape)

    def _attributes(self, cut: int) -> dict[str, Any]:
        shown = self._shown()
        request = shown.request
        start = {"T": request.t, "Z": request.z, "Y": request.rows.start, "X": request.columns.start}
        attributes = restored_attributes(request.image, axes=self._axes(), scale=shown.scale, start=start)
        attributes["translate"][-1] += cut * attributes["scale"][-1]
        return attributes
