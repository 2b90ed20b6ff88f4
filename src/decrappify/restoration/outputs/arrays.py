"""Conversion of a restored movie to an array with the axes of the input array."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from decrappify.errors import InputError
from decrappify.movie import AXES, Array, Movie, parse_axes


def given_axes(source: Any, axes: str | None) -> str | None:
    """Return the axes of an array, one letter per dimension; None for other inputs.

    >>> given_axes(np.zeros((4, 8, 9)), None), given_axes("cells.czi", None)
    ('TYX', None)
    """
    if isinstance(source, str | os.PathLike | Movie):
        return None
    shape = getattr(source, "shape", None)
    if not isinstance(shape, tuple):
        return None
    names = getattr(source, "dims", None)
    return parse_axes(shape, axes, names=names if isinstance(names, tuple) else None)


def in_axes(array: Array, axes: str | None) -> Array:
    """Return an array (T, C, Z, Y, X) with the axes `axes`, in that order; all five if None.

    Raises
    ------
    InputError
        If an axis to remove has more than one entry.

    Examples
    --------
    >>> in_axes(np.zeros((1, 3, 1, 8, 9)), "YXC").shape
    (8, 9, 3)
    """
    if axes is None:
        return array
    left = [axis for axis in AXES if axis not in axes]
    for axis in left:
        if array.shape[AXES.index(axis)] > 1:
            raise InputError(
                f"the result has {array.shape[AXES.index(axis)]} entries along {axis}, an axis that the array "
                f"({axes!r}) does not have; use restore instead of restore_array"
            )
    order = [AXES.index(axis) for axis in (*left, *axes)]
    return np.ascontiguousarray(array.transpose(order).reshape([array.shape[AXES.index(axis)] for axis in axes]))
