"""Axes of the pages of a TIFF file that distinguish scenes: positions and mosaic tiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

_SCENE_AXES = {"R": "position", "M": "tile", "P": "position", "J": "column", "K": "row"}


def scene_axes(axes: str, kind: str) -> str:
    """Return the axes of a series that distinguish scenes: positions and mosaic tiles.

    >>> scene_axes("TRCYX", "mmstack"), scene_axes("PTYX", "ome")
    ('R', '')
    """
    return "".join(axis for axis in axes if axis in _SCENE_AXES and (axis != "P" or kind == "lsm"))


def scene_indices(axes: str, shape: Sequence[int], kind: str) -> list[dict[str, int]]:
    """Return the indices along the scene axes of every scene of a series; one empty entry without scene axes."""
    letters = scene_axes(axes, kind)
    sizes = dict(zip(axes, shape, strict=True))
    return [dict(zip(letters, index, strict=True)) for index in product(*(range(sizes[axis]) for axis in letters))]


def scene_label(fixed: Mapping[str, int]) -> str | None:
    """Return a name for the indices of a scene, such as ``"position 3"``."""
    return ", ".join(f"{_SCENE_AXES[axis]} {number}" for axis, number in fixed.items()) or None
