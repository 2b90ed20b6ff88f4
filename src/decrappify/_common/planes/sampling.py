"""Evenly spaced indices and windows, for measurements on a part of a long movie."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def evenly_spaced(count: int, at_most: int, *, ends: bool = True) -> NDArray[np.int64]:
    """Return at most `at_most` evenly spaced indices of `count` items, ascending and without duplicates.

    Parameters
    ----------
    count : int
        Number of items; the indices are in ``range(count)``.
    at_most : int
        Largest number of indices.
    ends : bool
        Whether the first and the last item are included.

    Examples
    --------
    >>> evenly_spaced(10, 4).tolist(), evenly_spaced(10, 2, ends=False).tolist(), evenly_spaced(2, 5).tolist()
    ([0, 3, 6, 9], [3, 6], [0, 1])
    """
    number = min(at_most, count)
    points = np.linspace(0, count - 1, number) if ends else np.linspace(0, count - 1, number + 2)[1:-1]
    return np.unique(points.round().astype(np.int64))


def spaced_windows(
    shape: tuple[int, int],
    side: int,
    grid: tuple[int, int],
    *,
    ends: tuple[bool, bool] = (True, True),
    even: bool = False,
) -> list[tuple[slice, slice]]:
    """Return evenly spaced windows of a plane, row by row; they overlap if the plane is too small for them.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of the plane.
    side : int
        Rows and columns of a window, at most those of the plane.
    grid : tuple of int
        Largest number of windows along Y and X.
    ends : tuple of bool
        Whether the first and the last window along Y and X touch the border.
    even : bool
        Whether all windows start at even rows, as odd and even rows of a bidirectional scan differ.

    Examples
    --------
    >>> spaced_windows((400, 1000), 300, (2, 1), ends=(True, False))
    [(slice(0, 300, None), slice(350, 650, None)), (slice(100, 400, None), slice(350, 650, None))]
    """
    starts = [
        evenly_spaced(length - min(side, length) + 1, count, ends=touches).tolist()
        for length, count, touches in zip(shape, grid, ends, strict=True)
    ]
    rows = sorted({y - y % 2 for y in starts[0]}) if even else starts[0]
    height, width = min(side, shape[0]), min(side, shape[1])
    return [(slice(y, y + height), slice(x, x + width)) for y in rows for x in starts[1]]
