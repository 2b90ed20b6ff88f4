"""Image orientation: the values 1 to 8 of TIFF and EXIF, applied to pixels, shapes and regions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from decrappify.movie import Array

T = TypeVar("T")

# Per value: whether rows and columns are exchanged, and then which of them are reversed.
_STEPS = {
    1: (False, False, False),
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}
_BY_ROTATION = {0: 1, 90: 6, 180: 3, 270: 8}


def upright(pixels: Array, orientation: int) -> Array:
    """Return stored pixels in their display orientation.

    Parameters
    ----------
    pixels : ndarray, (Y, X, ...)
        As stored.
    orientation : int
        Value of the tag 274 of TIFF and EXIF, 1 to 8; any other value is treated as 1 (unchanged).

    Returns
    -------
    ndarray
        A view of `pixels`.

    References
    ----------
    TIFF 6.0, section "Baseline tags", Orientation.

    Examples
    --------
    >>> import numpy as np
    >>> upright(np.array([[1, 2], [3, 4]]), 6).tolist()  # a quarter turn clockwise
    [[3, 1], [4, 2]]
    """
    swapped, reverse_rows, reverse_columns = _STEPS.get(orientation, _STEPS[1])
    if swapped:
        pixels = pixels.swapaxes(0, 1)
    return pixels[:: -1 if reverse_rows else 1, :: -1 if reverse_columns else 1]


def upright_pair(pair: Sequence[T], orientation: int) -> tuple[T, T]:
    """Return a (Y, X) pair, such as a shape or pixel size, of the displayed image.

    >>> upright_pair((480, 640), 6), upright_pair((480, 640), 3)
    ((640, 480), (480, 640))
    """
    first, second = pair
    return (second, first) if _STEPS.get(orientation, _STEPS[1])[0] else (first, second)


def stored_region(rows: slice, columns: slice, shape: Sequence[int], orientation: int) -> tuple[slice, slice]:
    """Return the region of the stored image that corresponds to a region of the displayed image.

    ``upright(stored[stored_region(rows, columns, stored.shape, o)], o)`` is ``upright(stored, o)[rows, columns]``.

    Parameters
    ----------
    rows, columns : slice
        In range and of step 1, in the displayed image.
    shape : (int, int)
        Shape (Y, X) of the stored image.
    orientation : int
        As for `upright`.
    """
    swapped, reverse_rows, reverse_columns = _STEPS.get(orientation, _STEPS[1])
    height, width = upright_pair(shape, orientation)
    rows = slice(height - rows.stop, height - rows.start) if reverse_rows else rows
    columns = slice(width - columns.stop, width - columns.start) if reverse_columns else columns
    return (columns, rows) if swapped else (rows, columns)


def orientation_of_rotation(degrees: float) -> int:
    """Return the orientation value of an image displayed rotated clockwise by a multiple of 90 degrees.

    >>> orientation_of_rotation(90), orientation_of_rotation(-90), orientation_of_rotation(45)
    (6, 8, 1)
    """
    return _BY_ROTATION.get(round(degrees) % 360, 1)
