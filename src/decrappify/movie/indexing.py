"""Indices of frames, channels, slices and pixels: integers and slices as in numpy, resolved to ranges."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from decrappify._common.checks import short
from decrappify.errors import InputError
from decrappify.limits.memory import check_memory
from decrappify.movie.sources import Array, Shape5


class Indexed(Protocol):
    """Attributes of a movie that are required to index it; `Movie` itself imports this module."""

    name: str
    shape: Shape5
    dtype: np.dtype[Any]

    def select(self, frames: slice | int | None = None) -> Any:
        """Select a lazy part along T."""

    def region(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
        """Read a rectangle of one plane as a (Y, X) array."""

    def __array__(self) -> Array:
        """Read all pixels."""


def in_range(index: int, size: int, axis: str, name: str) -> int:
    """Return a non-negative index; raise InputError if `index` is outside the axis."""
    try:
        index = operator.index(index)
    except TypeError:
        raise InputError(f"{axis} {short(index)} is not an index of {name}, expected an integer or a slice") from None
    if not -size <= index < size:
        raise InputError(f"{axis} {index} is not in {name}, which has {_numbers(axis, size)}")
    return index % size


def picked(index: slice | int | None, size: int, axis: str, name: str) -> range:
    """Return the indices that a slice, an integer (one index) or None (all) selects; raise InputError if none."""
    if index is None:
        return range(size)
    if isinstance(index, slice):
        picked = range(size)[index]
        if not picked:
            raise InputError(
                f"{axis}s {slice_text(index)} select nothing from {name}, which has {_numbers(axis, size)}"
            )
        return picked
    index = in_range(index, size, axis, name)
    return range(index, index + 1)


def slice_text(index: slice) -> str:
    """Return a slice as it is written, such as ``2:`` or ``::2``."""
    parts = [index.start, index.stop] if index.step is None else [index.start, index.stop, index.step]
    return ":".join("" if part is None else str(part) for part in parts)


def unstepped(part: slice | None) -> slice:
    """Return the slice of a crop, all for None; raise InputError if it has a step other than 1."""
    if part is None:
        return slice(None)
    if part.step not in (None, 1):
        raise InputError(f"a crop with step {part.step} would change the pixel size, expected step 1")
    return part


def indexed(movie: Indexed, index: Any) -> Any:
    """Return a lazy part of a movie for an integer or a slice of frames, and pixels for a tuple or an ellipsis."""
    if isinstance(index, int | np.integer) and not isinstance(index, bool):
        return movie.select(frames=int(index))
    if isinstance(index, slice):
        return movie.select(frames=index)
    if index is Ellipsis:
        return np.asarray(movie)
    if isinstance(index, tuple):
        ranges, dropped = basic_index(index, movie.shape, movie.name)
        check_reading(math.prod(map(len, ranges)), movie.dtype, f"reading this part of {movie.name}")
        return read_ranges(movie.region, ranges, movie.dtype)[tuple(0 if drop else slice(None) for drop in dropped)]
    raise InputError(
        "a movie is indexed by frames, such as movie[10:20], or by up to five integers and slices, "
        f"found {index!r}; use movie.select() for channels and slices"
    )


def check_reading(n_pixels: int, dtype: np.dtype[Any], what: str) -> None:
    """Raise an error if the pixels to read exceed the free memory."""
    check_memory(n_pixels * dtype.itemsize, what, "read a smaller part, such as by crop() or select()")


def basic_index(
    index: tuple[Any, ...], shape: tuple[int, ...], name: str
) -> tuple[tuple[range, ...], tuple[bool, ...]]:
    """Resolve a tuple of integers, slices and at most one ellipsis to a range per axis and a flag per dropped axis."""
    if Ellipsis in index:
        at = index.index(Ellipsis)
        index = index[:at] + (slice(None),) * (len(shape) - len(index) + 1) + index[at + 1 :]
    index += (slice(None),) * (len(shape) - len(index))
    if len(index) != len(shape):
        raise InputError(f"{name} has 5 axes (T, C, Z, Y, X), found an index of {len(index)} entries: {index!r}")
    ranges = []
    for entry, size, axis in zip(index, shape, ("frame", "channel", "slice", "row", "column"), strict=True):
        if isinstance(entry, slice) and (entry.step is None or entry.step > 0):
            ranges.append(range(size)[entry])
        elif isinstance(entry, int | np.integer) and not isinstance(entry, bool):
            at = in_range(int(entry), size, axis, name)
            ranges.append(range(at, at + 1))
        else:
            raise InputError(f"{name} is indexed by integers and slices with a step of at least 1, found {entry!r}")
    return tuple(ranges), tuple(not isinstance(entry, slice) for entry in index)


def read_ranges(region: Callable[..., Array], ranges: tuple[range, ...], dtype: np.dtype[Any]) -> Array:
    """Return the pixels at ranges along T, C, Z, Y and X, read by ``region(t, c, z, rows, columns)``."""
    rows, columns = ranges[3:]
    whole = np.empty([len(indices) for indices in ranges], dtype)
    if whole.size:
        spans = [slice(indices.start, indices[-1] + 1) for indices in (rows, columns)]
        for i, t in enumerate(ranges[0]):
            for j, c in enumerate(ranges[1]):
                for k, z in enumerate(ranges[2]):
                    whole[i, j, k] = region(t, c, z, *spans)[:: rows.step, :: columns.step]
    return whole


def _numbers(axis: str, size: int) -> str:
    return f"only {axis} 0" if size == 1 else f"{axis}s 0 to {size - 1}"
