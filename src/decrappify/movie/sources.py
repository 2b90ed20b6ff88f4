"""Frame sources, which provide the pixels of a movie."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decrappify.errors import InputError
from decrappify.movie.axes import AXES, parse_axes
from decrappify.movie.dtypes import LARGEST_ITEM

Shape5 = tuple[int, int, int, int, int]
PixelSize = tuple[float | None, float | None, float | None]
Plane = tuple[int, int, int]
Array = NDArray[Any]


class FrameSource(ABC):
    """Base class of the pixels of a movie: one small class per file format, read from one thread at a time.

    A subclass sets `shape` and `dtype` and implements `read`; the other members are optional.

    Attributes
    ----------
    shape : tuple of int
        (T, C, Z, Y, X).
    dtype : numpy.dtype
        Data type of the planes.
    missing : collection of (t, c, z)
        Planes that were never recorded, none by default; they are read as zeros.
    """

    shape: Shape5
    dtype: np.dtype[Any]
    missing: Collection[Plane] = frozenset()

    @abstractmethod
    def read(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
        """Return the region ``(rows, columns)`` of one plane as (Y, X) of `dtype`; the slices are in range, step 1."""

    @property
    def files(self) -> Collection[Path]:
        """Files and folders that are read, as far as known."""
        return ()

    def version(self, t: int, c: int, z: int) -> str | None:
        """Return a short string that changes whenever the stored pixels of a plane may have changed.

        For example, the size and times of its file; None if changes cannot be detected.
        """
        return None

    def close(self) -> None:  # noqa: B027 - optional
        """Close the file."""


class ArraySource(FrameSource):
    """Frames of an in-memory or lazy (dask, zarr) array.

    Parameters
    ----------
    array : array-like
        Any subset of the axes, in any order.
    axes : str, optional
        One letter of ``TCZYX`` per dimension, as for `parse_axes`; by default from the dimension names of the array
        (``dims`` of xarray, ``dimension_names`` of zarr), else from their number.
    """

    def __init__(self, array: Any, axes: str | None = None) -> None:
        self._file = array.filename if isinstance(array, np.memmap) else None
        if not hasattr(array, "shape") or not hasattr(array, "dtype"):
            array = np.asarray(array)
        self._array = array
        self._axes = parse_axes(tuple(array.shape), axes or None, names=dimension_names(array))
        sizes = dict(zip(self._axes, array.shape, strict=True))
        self.shape: Shape5 = tuple(sizes.get(axis, 1) for axis in AXES)
        self.dtype = _numpy_dtype(array)
        if np.ma.is_masked(array):
            raise InputError("array has masked pixels; fill them, such as by array.astype('float32').filled(np.nan)")
        if self.dtype.kind not in "uifb" or self.dtype.itemsize > LARGEST_ITEM:
            raise InputError(
                f"array of dtype {self.dtype} is not an image, expected integers or real floats of up to 64 bits"
            )
        if self.dtype.kind == "b":
            self.dtype = np.dtype(np.uint8)

    def read(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
        """Read one region; only the chunks of a lazy array that contain it are computed."""
        index = {"T": t, "C": c, "Z": z, "Y": rows, "X": columns}
        plane = np.asarray(self._array[tuple(index[axis] for axis in self._axes)])
        if self._axes.index("Y") > self._axes.index("X"):
            plane = plane.T
        return plane.astype(self.dtype, copy=False)

    @property
    def files(self) -> tuple[Path, ...]:
        """File of a memory-mapped array."""
        return () if self._file is None else (Path(self._file),)


def _numpy_dtype(array: Any) -> np.dtype[Any]:
    try:
        dtype: np.dtype[Any] = np.dtype(array.dtype)
    except TypeError as error:
        raise InputError(
            f"a {type(array).__name__} of dtype {array.dtype} is not an array that NumPy can read; convert it first, "
            "such as by numpy.asarray"
        ) from error
    return dtype


def dimension_names(array: Any) -> Sequence[Any] | None:
    """Return the dimension names of an xarray or zarr array (of version 3, or as xarray stores them); None if absent.

    A name of a zarr array may be None.
    """
    if hasattr(array, "metadata"):
        names = getattr(array.metadata, "dimension_names", None) or dict(array.attrs).get("_ARRAY_DIMENSIONS")
    else:
        names = getattr(array, "dims", None)
    return names if isinstance(names, tuple | list) else None
