"""Frame sources, which provide the pixels of a movie."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from decrappify.errors import InputError
from decrappify.movie.axes import AXES, array_axes, named_axes

Shape5 = tuple[int, int, int, int, int]
PixelSize = tuple[float | None, float | None, float | None]
Plane = tuple[int, int, int]
Array = NDArray[Any]


class FrameSource(Protocol):
    """Interface to the pixels of a movie: one small class per file format, read from one thread at a time.

    A source may also have ``missing``, a frozenset of the planes (t, c, z) that were never recorded; reading such a
    plane returns zeros. It may have ``version(t, c, z)``, a short text that differs whenever the stored pixels of the
    plane may have changed, such as size and times of its file; None or no such method if changes cannot be detected.
    It may have ``files``, the paths that it reads.
    """

    shape: Shape5
    dtype: np.dtype[Any]

    def read(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
        """Return the region ``(rows, columns)`` of one plane as (Y, X) of `dtype`; the slices are in range, step 1."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


class ArraySource:
    """Frames of an in-memory or lazy (dask, zarr) array.

    Parameters
    ----------
    array : array-like
        Any subset of the axes, in any order.
    axes : str, optional
        One letter of ``TCZYX`` per dimension, as for `array_axes`; by default from the dimension names of the array
        (``dims`` of xarray, ``dimension_names`` of zarr), else from their number.
    """

    def __init__(self, array: Any, axes: str | None = None) -> None:
        name = array.filename if isinstance(array, np.memmap) else None
        self.files = () if name is None else (Path(name),)
        if not hasattr(array, "shape") or not hasattr(array, "dtype"):
            array = np.asarray(array)
        self._array = array
        self._axes = array_axes(tuple(array.shape), axes or named_axes(_dimension_names(array), len(array.shape)))
        sizes = dict(zip(self._axes, array.shape, strict=True))
        self.shape: Shape5 = tuple(sizes.get(axis, 1) for axis in AXES)
        self.dtype = _numpy_dtype(array)
        if np.ma.is_masked(array):
            raise InputError("array has masked pixels; fill them, such as by array.astype('float32').filled(np.nan)")
        if self.dtype.kind not in "uifb":
            raise InputError(f"array of dtype {self.dtype} is not an image; needs integers or real floats")
        if self.dtype.kind == "b":
            self.dtype = np.dtype(np.uint8)

    def read(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
        """Read one region; only the chunks of a lazy array that contain it are computed."""
        index = {"T": t, "C": c, "Z": z, "Y": rows, "X": columns}
        plane = np.asarray(self._array[tuple(index[axis] for axis in self._axes)])
        if self._axes.index("Y") > self._axes.index("X"):
            plane = plane.T
        return plane.astype(self.dtype, copy=False)

    def close(self) -> None:
        """Do nothing: arrays need no closing."""


def _numpy_dtype(array: Any) -> np.dtype[Any]:
    try:
        dtype: np.dtype[Any] = np.dtype(array.dtype)
    except TypeError as error:
        raise InputError(
            f"a {type(array).__name__} of dtype {array.dtype} is no array that NumPy can read; convert it first, such "
            "as by numpy.asarray"
        ) from error
    return dtype


def _dimension_names(array: Any) -> Any:
    if hasattr(array, "metadata"):
        return stored_dimension_names(array)
    names = getattr(array, "dims", None)
    return names if isinstance(names, tuple | list) else None


def stored_dimension_names(array: Any) -> Any:
    """Return the dimension names of a zarr array, from its format (version 3) or as xarray stores them; or None.

    A name may be None.
    """
    names = getattr(array.metadata, "dimension_names", None) or dict(array.attrs).get("_ARRAY_DIMENSIONS")
    return names if isinstance(names, tuple | list) else None
