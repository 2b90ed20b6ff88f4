"""Axes of a layer: chosen by the user, or derived from its labels, or from its dimensions, scale and units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from decrappify.errors import InputError
from decrappify.movie import axis_letter
from napari_decrappify.layers.units import factor_to, unit_names

# Assumed axes of an unlabeled layer, and the alternatives.
AXES_BY_COUNT = {
    2: ("YX",),
    3: ("TYX", "ZYX", "CYX"),
    4: ("TZYX", "TCYX", "CZYX"),
    5: ("TCZYX", "TZCYX"),
}


def axes_of(data: Any, attributes: Mapping[str, Any], axes: str | None = None) -> str:
    """Return the axes of a layer: `axes`, or those of its labels, or those inferred from dimensions, scale and units.

    Without labels, the first of three axes is Z if its unit is a length, or if it has a scale and no unit: a scale is
    set far more often for the distance between slices than for time. Otherwise it is T.

    Raises
    ------
    InputError
        If the axes do not fit the data.

    Examples
    --------
    >>> import numpy as np
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
            f"{axes or 'TCZYX'}; expected any of T, C, Z, then Y and X; rename its axis labels"
        )
    return axes + "C" * is_rgb


def is_guessed_as_time(data: Any, attributes: Mapping[str, Any]) -> bool:
    """Return whether the first axis of a layer is T only because of the number of axes, so that it could be Z."""
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
