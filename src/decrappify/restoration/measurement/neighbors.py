"""Comparison of pixels with their eight neighbors, in bands of rows that fit into the caches of the processor."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from decrappify._common.planes.bands import bands
from decrappify.movie import Array


def highest_neighbor(plane: Array) -> Array:
    """Return the maximum of the eight neighbors of every pixel, mirrored at the borders."""
    highest = np.empty_like(plane)
    for rows in bands(plane.shape):
        _highest(_with_border(plane, rows), highest[rows])
    return highest


def excess_by_bands(plane: Array, sign: int) -> Iterator[tuple[int, Array]]:
    """Yield the first row of each band and the excess of its pixels (Y, X) over their highest neighbor.

    Parameters
    ----------
    plane : ndarray of float, (Y, X)
        Without NaN.
    sign : {1, -1}
        -1 for the excess of the negated plane: of dark pixels below their lowest neighbor.
    """
    for rows in bands(plane.shape):
        band = _with_border(plane, rows)
        if sign < 0:
            np.negative(band, out=band)
        excess = np.empty_like(band[1:-1, 1:-1])
        _highest(band, excess)
        np.subtract(band[1:-1, 1:-1], excess, out=excess)
        yield rows.start, excess


def _with_border(plane: Array, rows: slice) -> Array:
    """Copy rows of a plane with a border of one pixel, mirrored at the borders of the plane; repeated if it is thin."""
    height, width = plane.shape
    step = 2 if min(plane.shape) > 1 else 1
    band = np.empty((rows.stop - rows.start + 2, width + 2), plane.dtype)
    band[1:-1, 1:-1] = plane[rows]
    band[0, 1:-1] = plane[rows.start - 1 if rows.start else step - 1]
    band[-1, 1:-1] = plane[rows.stop if rows.stop < height else height - step]
    band[:, 0], band[:, -1] = band[:, step], band[:, -1 - step]
    return band


def _highest(band: Array, highest: Array) -> None:
    """Fill `highest` with the maximum of the eight neighbors of the inner pixels of a band."""
    beside = np.maximum(band[:-2], band[2:])
    column = np.maximum(beside, band[1:-1])
    np.maximum(column[:, :-2], column[:, 2:], out=highest)
    np.maximum(highest, beside[:, 1:-1], out=highest)
