"""Data types of images."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from decrappify._common.argument_names import setting
from decrappify._common.checks import nearest
from decrappify.errors import InputError

_NAMES = ("uint8", "uint16", "uint32", "int16", "int32", "float16", "float32", "float64")
LARGEST_ITEM = 8  # bytes; the longer floats of some systems have no portable form
_EXPECTED = "; expected one such as 'uint8', 'uint16' or 'float32'"


def native(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return a dtype in native byte order, and of several C types of equal size the one that other packages know.

    >>> native(np.dtype("longlong")).char == np.dtype("int64").char, native(np.dtype(">u2"))
    (True, dtype('uint16'))
    """
    return np.dtype(dtype.newbyteorder("=").str)


def image_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """Return a dtype in native byte order; the byte order of a file is chosen by its format.

    Raises
    ------
    InputError
        If it is unknown, with the most similar name, or not of integers or real floats.

    Examples
    --------
    >>> image_dtype(">u2")
    dtype('uint16')
    """
    try:
        found = native(np.dtype(dtype))
    except (TypeError, ValueError) as error:  # ValueError: a name that is not Unicode, or a damaged structure
        hint = nearest(str(dtype), _NAMES, _EXPECTED)
        raise InputError(f"{setting('dtype', dtype)} is not known{hint}") from error
    if found.kind not in "uif" or found.itemsize > LARGEST_ITEM:
        raise InputError(f"{setting('dtype', found.name)} cannot store an image{_EXPECTED}")
    return found
