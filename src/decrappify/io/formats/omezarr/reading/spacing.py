"""Axes and spacing of an OME-Zarr image, from its axes and coordinate transformations."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from decrappify._common.caller_warning import warn_caller
from decrappify._common.checks import short
from decrappify.errors import FormatError
from decrappify.io.remote.path import Location
from decrappify.io.units import to_micrometers, to_seconds
from decrappify.movie import PixelSize, are_axes, axis_letter

_WITHOUT_SPACING = frozenset({"identity", "translation"})  # a translation only shifts the origin


class Spacing(NamedTuple):
    """Distance between samples of one level.

    Attributes
    ----------
    pixel_size_um : tuple of (float or None)
        (z, y, x) in micrometers.
    frame_interval_s : float or None
        Seconds.
    unitless : dict
        Values of axes without a unit of length or time.
    """

    pixel_size_um: PixelSize
    frame_interval_s: float | None
    unitless: dict[str, float]


def image_axes(image: dict[str, Any], ndim: int, path: Location) -> tuple[str, dict[str, str | None]]:
    """Return the axes of an image, one letter per dimension, and the unit of each axis.

    Raises
    ------
    FormatError
        If an axis is not one of T, C, Z, Y, X, or the axes do not match `ndim` dimensions.
    """
    named: list[Any] = image.get("axes") or list("tczyx")[-ndim:]  # before 0.4 names only, before 0.3 always TCZYX
    axes: list[dict[str, Any]] = [axis if isinstance(axis, dict) else {"name": axis} for axis in named]
    letters = ""
    spatial = [axis["name"] for axis in axes if axis.get("type") == "space"]
    for axis in axes:
        letter = axis_letter(axis["name"])
        if not letter:
            kind = str(axis.get("type"))
            letter = {"time": "T", "channel": "C"}.get(kind, "")
            if kind == "space":
                letter = "ZYX"[-len(spatial) :][spatial.index(axis["name"])]
        if not letter or letter in letters:
            raise FormatError(f"{path} has an unsupported axis {short(axis['name'])}; supported: T, C, Z, Y, X")
        letters += letter
    if not are_axes(letters, ndim):
        raise FormatError(
            f"{path} has axes {letters} for {ndim} dimensions, expected Y and X among them; its metadata are damaged"
        )
    units = [unit if isinstance(unit := axis.get("unit"), str) else None for axis in axes]
    return letters, dict(zip(letters, units, strict=True))


def level_spacing(
    image: dict[str, Any], level: int, axes: str, units: dict[str, str | None], path: Location
) -> Spacing:
    """Return the spacing of one level of a pyramid.

    A factor is the product of the ``scale`` transformations of the level and of the whole image. An invalid
    transformation (too short, not numbers, of an unknown type) is skipped with a warning; a factor of exactly 1 next to
    it is a placeholder, and that spacing is unknown. Without any scale, all spacings are unknown.

    Parameters
    ----------
    image : dict
        One entry of ``multiscales``.
    level : int
        Number of the dataset.
    axes : str
        One letter per dimension.
    units : dict
        Unit of each axis.
    path : Path or RemotePath
        For the warning, issued for the finest level only.

    References
    ----------
    NGFF 0.4 and 0.5, section "multiscales" metadata.
    """
    datasets = image["datasets"]
    own, shared = _factors(datasets[level], axes), _factors(image, axes)
    # The scales of the levels may be relative to the finest one, which then has a factor of 1.
    finest = _factors(datasets[0], axes).values
    factors: dict[str, float] = {}
    for axis in axes.replace("C", ""):
        values = [part.values[axis] for part in (own, shared) if axis in part.values]
        placeholder = axis in shared.invalid and finest.get(axis, 1.0) == 1.0
        if values and axis not in own.invalid and not placeholder:
            factors[axis] = math.prod(values)
            if not _is_spacing(factors[axis]):
                del factors[axis]
    faults = [*own.faults, *shared.faults]
    if faults and level == 0:
        known = ", ".join(f"{axis} {value:g}" for axis, value in factors.items()) or "none"
        warn_caller(
            f"{path.name} has {', '.join(dict.fromkeys(faults))}; {'this is' if len(faults) == 1 else 'these are'} "
            f"ignored, known spacing: {known}",
        )
    sizes = [to_micrometers(factors.get(axis), units.get(axis)) for axis in "ZYX"]
    interval = to_seconds(factors.get("T"), units.get("T"))
    known_axes = dict(zip("TZYX", (interval, *sizes), strict=True))
    unitless = {axis: value for axis, value in factors.items() if known_axes[axis] is None and value != 1}
    return Spacing((sizes[0], sizes[1], sizes[2]), interval, unitless)


class _Factors(NamedTuple):
    """Spacing by axis from scale transformations, the axes of invalid ones, and a description of the errors."""

    values: dict[str, float]
    invalid: set[str]
    faults: list[str]


def _factors(owner: Any, axes: str) -> _Factors:
    stated = owner.get("coordinateTransformations") if isinstance(owner, dict) else None
    found = _Factors({}, set(), [])
    if stated is not None and not isinstance(stated, list):
        found.faults.append("coordinate transformations that are not a list")
        found.invalid.update(axes)
    for transformation in stated if isinstance(stated, list) else []:
        kind = transformation.get("type") if isinstance(transformation, dict) else None
        if isinstance(kind, str) and kind in _WITHOUT_SPACING:
            continue
        scale = transformation.get("scale") if kind == "scale" else None
        if not isinstance(scale, list) or len(scale) != len(axes):
            found.faults.append(_fault(kind, scale, len(axes)))
            found.invalid.update(axes)
            continue
        for axis, value in zip(axes, scale, strict=True):
            if _is_spacing(value) and _is_spacing(product := found.values.get(axis, 1.0) * float(value)):
                found.values[axis] = product
            elif axis != "C":
                found.faults.append(f"a scale of {short(value)} along {axis}")
                found.invalid.add(axis)
    for axis in found.invalid & set(found.values):
        del found.values[axis]
    return found


def _fault(kind: Any, scale: Any, n_axes: int) -> str:
    if kind != "scale":
        return f"a coordinate transformation of type {short(kind)}"
    count = f"{len(scale)} numbers" if isinstance(scale, list) else "no list of numbers"
    return f"a scale of {count} for {n_axes} axes"


def _is_spacing(value: Any) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value) and value > 0
    except OverflowError:  # an integer beyond the largest float
        return False
