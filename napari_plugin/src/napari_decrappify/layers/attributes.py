"""Attributes of layers: position, scale, units, axis labels and colors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from decrappify import Movie
from napari_decrappify.layers.image import LayerImage
from napari_decrappify.layers.units import unit_names

_COPIED = ("rotate", "shear", "affine")
_SHOWN = ("colormap", "contrast_limits", "gamma", "interpolation2d", "blending")


def displayed_alone(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a layer that is displayed alone, not added to the gray levels of the layers below it.

    >>> displayed_alone({"blending": "additive"}), displayed_alone({"blending": "translucent"})
    ({'blending': 'translucent_no_depth'}, {'blending': 'translucent'})
    """
    is_mixed = attributes.get("blending") not in (None, "opaque", "translucent", "translucent_no_depth")
    return {**attributes, **({"blending": "translucent_no_depth"} if is_mixed else {})}


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


def translation_of(attributes: Mapping[str, Any], first: Sequence[float]) -> list[float]:
    """Return the translation of a part of a layer whose first pixel is `first` of the layer, which may be rotated.

    Parameters
    ----------
    attributes : mapping
        Attributes of the layer: scale, translate, and if it is rotated or sheared, rotate and shear.
    first : sequence of float
        The pixel, one number for each axis.

    Examples
    --------
    >>> translation_of({"scale": [2, 0.5], "translate": [1, 0]}, [3, 4])
    [7.0, 2.0]
    """
    offset = np.asarray(attributes["scale"], dtype=float) * np.asarray(first, dtype=float)
    turned = {name: attributes[name] for name in ("rotate", "shear") if attributes.get(name) is not None}
    if turned:
        from napari.utils.transforms import Affine  # napari is not loaded by an import of the readers

        offset = Affine(ndim=len(offset), **turned).linear_matrix @ offset
    return [float(value) for value in np.asarray(attributes["translate"], dtype=float) + offset]


def restored_attributes(
    image: LayerImage, *, axes: str, scale: float = 1, start: Mapping[str, int] | None = None
) -> dict[str, Any]:
    """Return the attributes of a layer computed from `image`: position, scale, units, axes, colors and contrast.

    Parameters
    ----------
    image : LayerImage
        The input.
    axes : str
        Axes of the new layer, a subset of those of the input, without the C of RGB.
    scale : float
        Upsampling factor in Y and X, below 1 for larger pixels; the new pixels cover the same area.
    start : mapping of str to int, optional
        First pixel of the used part on each axis, in the input; 0 by default.
    """
    old_axes = image.layer_axes
    count = len(old_axes)
    old = {
        "scale": list(image.attributes.get("scale", np.ones(count))),
        "translate": list(image.attributes.get("translate", np.zeros(count))),
        "units": unit_names(image.attributes.get("units"), count),
    }
    edge = (1 / scale - 1) / 2  # napari's translate is the center of the first pixel
    first = [(start or {}).get(axis, 0) + (edge if axis in "YX" else 0) for axis in old_axes]
    old["translate"] = translation_of({**image.attributes, **old}, first)
    old["scale"] = [size / scale if axis in "YX" else size for axis, size in zip(old_axes, old["scale"], strict=True)]
    place = {name: dict(zip(old_axes, values, strict=True)) for name, values in old.items()}
    new: dict[str, Any] = {name: [values[axis] for axis in axes] for name, values in place.items()}
    new["axis_labels"] = [axis.lower() for axis in axes]
    kept = (*(() if image.is_rgb else _SHOWN), *(_COPIED if axes == old_axes else ()))
    return new | {name: image.attributes[name] for name in kept if image.attributes.get(name) is not None}
