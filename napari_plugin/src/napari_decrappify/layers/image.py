"""Snapshot of an image layer, and its conversion to a movie with scale, units and axes.

Readers, writers and widgets share this conversion, without Qt, through layer data tuples (data, attributes, kind), the
exchange format of napari.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from decrappify import Movie, open_movie
from decrappify.errors import InputError
from napari_decrappify.layers.axes import axes_of
from napari_decrappify.layers.lazy import token
from napari_decrappify.layers.units import factor_to, unit_names

METADATA = "decrappify"  # key of this plugin in layer.metadata
LayerData = tuple[Any, dict[str, Any], str]


@dataclass(frozen=True)
class LayerImage:
    """Snapshot of an image layer for use in a thread, without the layer itself.

    Attributes
    ----------
    data : array-like
        The finest level of the layer's data.
    name : str
        Of the layer.
    axes : str
        One upper-case letter of ``TCZYX`` per dimension of `data`; C is last in an RGB image.
    is_rgb : bool
        Whether the last axis is red, green and blue.
    attributes : dict
        The layer's other napari attributes: scale, translate, units, colormap and so on.
    """

    data: Any
    name: str
    axes: str
    is_rgb: bool
    attributes: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, layer: Any, axes: str | None = None) -> LayerImage:
        """Create a snapshot of a napari image layer.

        Parameters
        ----------
        layer : napari.layers.Image
            The layer.
        axes : str, optional
            Its axes, if not defined by its labels; `AXES_BY_COUNT` lists the choices.

        Raises
        ------
        InputError
            If it is not an image, or the axes do not fit.
        """
        return cls.from_tuple(*layer.as_layer_data_tuple(), axes=axes)

    @classmethod
    def from_tuple(
        cls, data: Any, attributes: Mapping[str, Any], kind: str = "image", *, axes: str | None = None
    ) -> LayerImage:
        """Create a snapshot of a layer data tuple, as passed to writers; raises the errors of `of`."""
        name = str(attributes.get("name") or "image")
        if kind != "image":
            raise InputError(f"layer {name!r} is of kind {kind!r}, expected an image layer; choose another layer")
        if attributes.get("multiscale") or isinstance(data, list):
            data = data[0]
        is_rgb = bool(attributes.get("rgb"))
        return cls(data, name, axes_of(data, attributes, axes), is_rgb, dict(attributes))

    @property
    def layer_axes(self) -> str:
        """Axes of the layer for napari, which does not count the C of RGB as one."""
        return self.axes.removesuffix("C") if self.is_rgb else self.axes

    @property
    def sizes(self) -> dict[str, int]:
        """Length of each axis."""
        return dict(zip(self.axes, self.data.shape, strict=True))

    @property
    def recorded(self) -> dict[str, Any]:
        """Entry of this plugin in the layer's metadata; empty for other layers."""
        found = (self.attributes.get("metadata") or {}).get(METADATA)
        return dict(found) if isinstance(found, Mapping) else {}

    def looking_like(self, other: LayerImage) -> LayerImage:
        """Return this image with the colors and contrast of another one."""
        shown = {
            name: other.attributes[name]
            for name in ("colormap", "contrast_limits", "gamma", "blending")
            if other.attributes.get(name) is not None
        }
        return replace(self, attributes={**self.attributes, **shown})

    def movie(self) -> Movie:
        """Open the layer as a lazy movie (T, C, Z, Y, X).

        An unmodified layer of this plugin's readers is reopened from its file, so that a thread can read it
        independently; scale and units are always those of the layer. Close the movie when done.

        Raises
        ------
        DecrappifyError
            If the file no longer exists, or the data is not an image.
        """
        recorded = self.recorded
        is_untouched = recorded.get("array") is not None and recorded["array"] == token(self.data)
        if is_untouched and recorded.get("path") and Path(recorded["path"]).exists():
            movie = open_movie(recorded["path"], scene=recorded.get("scene", 0), channel=recorded.get("channel"))
        else:
            movie = Movie.from_array(self.data, self.axes, provenance=recorded.get("provenance"))
        names = movie.channel_names
        if self.is_rgb:
            movie, names = movie.select(channels=slice(0, 3)), ("R", "G", "B")  # without opacity
        elif movie.shape[1] == 1:
            names = (str(recorded.get("channel_name") or self.name),)
        return movie.replace(
            name=self.name,
            pixel_size_um=self.pixel_size_um,
            frame_interval_s=self.frame_interval_s,
            unitless_spacing=self.unitless_spacing,
            channel_names=names,
        )

    @property
    def pixel_size_um(self) -> tuple[float | None, float | None, float | None]:
        """Pixel size (z, y, x) in micrometers; None if the layer's unit is not a length."""
        sizes = [self._physical(axis, "micrometer") for axis in "ZYX"]
        return sizes[0], sizes[1], sizes[2]

    @property
    def frame_interval_s(self) -> float | None:
        """Seconds between frames; None if the layer's unit is not a time."""
        return self._physical("T", "second")

    @property
    def unitless_spacing(self) -> dict[str, float]:
        """Scale of axes whose unit is neither a length nor a time; a scale of 1 means unknown."""
        physical = dict(zip("TZYX", (self.frame_interval_s, *self.pixel_size_um), strict=True))
        found = {axis: self._scale_and_unit(axis)[0] for axis, value in physical.items() if value is None}
        return {axis: scale for axis, scale in found.items() if scale is not None and scale != 1}

    def _physical(self, axis: str, unit: str) -> float | None:
        scale, own_unit = self._scale_and_unit(axis)
        factor = factor_to(own_unit, unit)
        return None if scale is None or factor is None else scale * factor

    def _scale_and_unit(self, axis: str) -> tuple[float | None, str]:
        """Return the distance between pixels, positive for a mirrored layer, too, and its unit."""
        axes = self.layer_axes
        scale = self.attributes.get("scale")
        if axis not in axes or scale is None:
            return None, "pixel"
        number = axes.index(axis)
        return abs(float(scale[number])), unit_names(self.attributes.get("units"), len(axes))[number]
