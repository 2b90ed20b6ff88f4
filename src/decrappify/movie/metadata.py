"""Checks of a movie's metadata, and its spacing after a selection with steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from decrappify._common.checks import short
from decrappify._common.counting import counted
from decrappify.errors import InputError
from decrappify.movie.sources import PixelSize

T = TypeVar("T")


def positive_or_none(value: float | None) -> float | None:
    """Return a positive number; None for 0, NaN and infinity, which files use for unknown values."""
    if value is None:
        return None
    try:
        number = float("no number" if isinstance(value, str) else value)
    except (TypeError, ValueError):
        text = f"a pixel size or frame interval is {short(value)}, expected a number, or None if it is unknown"
        raise InputError(text) from None
    return number if np.isfinite(number) and number > 0 else None


def check_spacing(changes: Mapping[str, Any]) -> None:
    """Raise InputError if a frame interval or pixel size in `changes` is neither None nor positive and finite."""
    sizes = changes.get("pixel_size_um", ())
    given = [("frame_interval_s", "seconds", changes.get("frame_interval_s"))]
    given += [("pixel_size_um", "micrometers", size) for size in sizes]
    for name, unit, value in given:
        if value is not None and positive_or_none(value) is None:
            raise InputError(f"{name} is {short(value)}, expected a number of {unit} above 0, or None if it is unknown")


def checked_pixel_size(sizes: PixelSize) -> PixelSize:
    """Return the pixel size (z, y, x), None for each unknown value."""
    if len(sizes) != 3:
        raise InputError(
            f"pixel_size_um is {sizes!r}, expected three values (z, y, x) in micrometers, None where unknown"
        )
    return tuple(positive_or_none(size) for size in sizes)  # type: ignore[return-value]


def per_channel(given: Sequence[T] | None, count: int, default: Sequence[T], what: str) -> tuple[T, ...]:
    """Return one entry per channel, by default `default`."""
    if given is None:
        return tuple(default)
    if len(given) != count:
        raise InputError(f"{what} has {counted(len(given), 'entry', 'entries')}, expected {count}, one per channel")
    return tuple(given)


def spacing_of(
    frame_interval_s: float | None,
    pixel_size_um: PixelSize,
    unitless: Mapping[str, float],
    factors: Mapping[str, float],
) -> dict[str, Any]:
    """Return `frame_interval_s`, `pixel_size_um` and `unitless_spacing`, multiplied by a factor per axis.

    >>> spacing_of(2.0, (None, 0.1, 0.1), {"Z": 0.5}, {"T": 3, "Z": 2})
    {'frame_interval_s': 6.0, 'pixel_size_um': (None, 0.1, 0.1), 'unitless_spacing': {'Z': 1.0}}
    """
    known = dict(zip("TZYX", (frame_interval_s, *pixel_size_um), strict=True))
    scaled = {axis: None if value is None else value * factors.get(axis, 1) for axis, value in known.items()}
    return {
        "frame_interval_s": scaled["T"],
        "pixel_size_um": (scaled["Z"], scaled["Y"], scaled["X"]),
        "unitless_spacing": {axis: value * factors.get(axis, 1) for axis, value in unitless.items()},
    }


def step_of(picked: range) -> int:
    """Return the distance between selected frames or slices, 1 for a single one."""
    return abs(picked.step) if len(picked) > 1 else 1
