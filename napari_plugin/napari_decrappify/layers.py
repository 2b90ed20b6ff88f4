"""Conversion between layers and movies, with scale, units, axes and colors.

All functions use layer data tuples (data, attributes, kind), napari's exchange format, so that readers, writers and
widgets share them, without Qt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from decrappify import Movie, open_movie
from decrappify.errors import InputError
from decrappify.movie import axis_letter
from napari_decrappify.lazy import MovieArray, as_dask, token
from napari_decrappify.units import factor_to, unit_names

METADATA = "decrappify"  # our key in layer.metadata
LayerData = tuple[Any, dict[str, Any], str]

# Assumed axes of an unlabeled layer, and the alternatives.
AXES_BY_COUNT = {
    2: ("YX",),
    3: ("TYX", "ZYX", "CYX"),
    4: ("TZYX", "TCYX", "CZYX"),
    5: ("TCZYX", "TZCYX"),
}
_COPIED = ("rotate", "shear", "affine")
_SHOWN = ("colormap", "contrast_limits", "gamma", "interpolation2d")


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
        """Create a snapshot of a layer data tuple, as passed to writers; errors are those of `of`."""
        name = str(attributes.get("name") or "image")
        if kind != "image":
            raise InputError(f"layer {name!r} is of kind {kind!r}, needs an image layer; choose another layer")
        if attributes.get("multiscale") or isinstance(data, list):
            data = data[0]
        is_rgb = bool(attributes.get("rgb"))
        return cls(data, name, axes_of(data, attributes, axes), is_rgb, dict(attributes))

    @property
    def sizes(self) -> dict[str, int]:
        """Length of each axis."""
        return dict(zip(self.axes, self.data.shape, strict=True))

    @property
    def recorded(self) -> dict[str, Any]:
        """Entry of this plugin in the layer's metadata; empty for other layers."""
        found = (self.attributes.get("metadata") or {}).get(METADATA)
        return dict(found) if isinstance(found, Mapping) else {}

    def movie(self) -> Movie:
        """Open the layer as a lazy movie (T, C, Z, Y, X).

        An unmodified layer of this plugin's readers is opened again from its file, so that a thread can read it
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
        if movie.shape[1] == 1:
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
        axes = self.axes.replace("C", "") if self.is_rgb else self.axes
        scale = self.attributes.get("scale")
        if axis not in axes or scale is None:
            return None, "pixel"
        number = axes.index(axis)
        return float(scale[number]), unit_names(self.attributes.get("units"), len(axes))[number]


def axes_of(data: Any, attributes: Mapping[str, Any], axes: str | None = None) -> str:
    """Return the axes of a layer: `axes`, or by its labels, or by their number, scale and units.

    Without labels, the first of three axes is Z if its unit is a length, or if it has a scale and no unit: a scale is
    set far more often for the distance of slices than for time. Otherwise it is T.

    Raises
    ------
    InputError
        If the axes do not fit the data.

    Examples
    --------
    >>> axes_of(np.zeros((5, 8, 9)), {"axis_labels": ("z", "y", "x")}), axes_of(np.zeros((5, 8, 9)), {})
    ('ZYX', 'TYX')
    """
    is_rgb = bool(attributes.get("rgb"))
    count = len(data.shape) - is_rgb
    if axes is None:
        axes = _labeled_axes(attributes, count) or _unlabeled_axes(attributes, count)
    if len(axes) != count or not axes.endswith("YX") or (is_rgb and "C" in axes):
        raise InputError(
            f"layer {attributes.get('name', 'image')!r} of shape {tuple(data.shape)} does not fit the axes "
            f"{axes or 'TCZYX'}; needs some of T, C, Z, then Y and X; rename its axis labels"
        )
    return axes + "C" * is_rgb


def is_guessed_as_time(data: Any, attributes: Mapping[str, Any]) -> bool:
    """Return whether the first axis of a layer is T only by the number of axes, so that it may also be Z."""
    count = len(data.shape) - bool(attributes.get("rgb"))
    if count != 3 or _labeled_axes(attributes, count) or _unlabeled_axes(attributes, count) != "TYX":
        return False
    return factor_to(unit_names(attributes.get("units"), count)[0], "second") is None


def _labeled_axes(attributes: Mapping[str, Any], count: int) -> str | None:
    letters = [axis_letter(label) for label in attributes.get("axis_labels") or ()]
    axes = "".join(letters)
    return axes if len(axes) == len(letters) == len(set(axes)) == count else None


def _unlabeled_axes(attributes: Mapping[str, Any], count: int) -> str:
    scale = attributes.get("scale")
    if count == 3 and scale is not None:
        unit = unit_names(attributes.get("units"), count)[0]
        has_no_unit = factor_to(unit, "micrometer") is None and factor_to(unit, "second") is None
        if factor_to(unit, "micrometer") is not None or (has_no_unit and float(scale[0]) != 1):
            return "ZYX"
    return AXES_BY_COUNT.get(count, ("",))[0]


def layers_of(pyramid: Sequence[Movie], **recorded: Any) -> list[LayerData]:
    """Convert the resolution levels of a movie to lazy layers: one per channel, or one RGB layer.

    Parameters
    ----------
    pyramid : sequence of Movie
        From full to lowest resolution; usually one.
    **recorded
        Added to the metadata of every layer, such as ``path`` and ``scene``.
    """
    movie = pyramid[0]
    n_t, n_c, n_z = movie.shape[:3]
    axes = "T" * (n_t > 1) + "Z" * (n_z > 1) + "YX"
    if is_rgb(movie):
        return [_layer(pyramid, axes, None, movie.name, recorded)]
    names = [movie.name if n_c == 1 else f"{movie.name} · {channel}" for channel in movie.channel_names]
    return [_layer(pyramid, axes, c, name, recorded) for c, name in enumerate(names)]


def is_rgb(movie: Movie) -> bool:
    """Return whether a movie is a color image or film: 8-bit channels named R, G and B."""
    return movie.channel_names == ("R", "G", "B") and movie.dtype == np.uint8


def calibration(movie: Movie, axes: str) -> dict[str, Any]:
    """Return scale, units and axis labels of a layer with these axes (no C)."""
    size_z, size_y, size_x = movie.pixel_size_um
    known = {
        "T": (movie.frame_interval_s, "second"),
        "Z": (size_z, "micrometer"),
        "Y": (size_y, "micrometer"),
        "X": (size_x, "micrometer"),
    }
    return {
        "scale": [known[axis][0] or movie.unitless_spacing.get(axis, 1.0) for axis in axes],
        "units": [known[axis][1] if known[axis][0] else "pixel" for axis in axes],
        "axis_labels": [axis.lower() for axis in axes],
    }


def restored_attributes(
    image: LayerImage, *, axes: str, scale: float = 1, start: Mapping[str, int] | None = None
) -> dict[str, Any]:
    """Return the attributes of a layer computed from `image`: position, scale, units, axes, colors and contrast.

    Parameters
    ----------
    image : LayerImage
        The input.
    axes : str
        Axes of the new layer, a part of the input's, without C.
    scale : float
        Upsampling factor in Y and X, below 1 for larger pixels; the new pixels cover the same area.
    start : mapping of str to int, optional
        Start of the used part on each axis, in pixels of the input; 0 by default.
    """
    old_axes = image.axes.replace("C", "") if image.is_rgb else image.axes
    count = len(old_axes)
    old = {
        "scale": list(image.attributes.get("scale", np.ones(count))),
        "translate": list(image.attributes.get("translate", np.zeros(count))),
        "units": unit_names(image.attributes.get("units"), count),
    }
    place = {name: dict(zip(old_axes, values, strict=True)) for name, values in old.items()}
    for axis, first in (start or {}).items():
        if axis in place["scale"]:
            place["translate"][axis] += first * place["scale"][axis]
    for axis in "YX":
        size = place["scale"][axis]
        place["scale"][axis] = size / scale
        place["translate"][axis] += (size / scale - size) / 2  # napari's position is the center of the first pixel
    new: dict[str, Any] = {name: [values[axis] for axis in axes] for name, values in place.items()}
    new["axis_labels"] = [axis.lower() for axis in axes]
    kept = (*(() if image.is_rgb else _SHOWN), *(_COPIED if axes == old_axes else ()))
    return new | {name: image.attributes[name] for name in kept if image.attributes.get(name) is not None}


def _layer(pyramid: Sequence[Movie], axes: str, channel: int | None, name: str, recorded: dict[str, Any]) -> LayerData:
    movie = pyramid[0]
    views = [MovieArray(level, axes + ("C" if channel is None else ""), channel or 0) for level in pyramid]
    attributes: dict[str, Any] = {"name": name, "rgb": channel is None, "multiscale": len(views) > 1}
    attributes |= calibration(movie, axes)
    details = recorded | {"array": views[0].name, "provenance": movie.provenance}
    if channel is not None:
        details |= {"channel": channel, "channel_name": movie.channel_names[channel]}
        color = movie.channel_colors[channel]
        if color is not None:
            attributes["colormap"] = f"#{color}"
        if movie.shape[1] > 1:
            attributes["blending"] = "additive"
    attributes["metadata"] = {METADATA: details}
    data = [as_dask(view) for view in views]
    return (data if len(data) > 1 else data[0], attributes, "image")
