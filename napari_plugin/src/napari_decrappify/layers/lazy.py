"""Lazy arrays for layers: the pixels of a movie are read plane by plane when they are displayed."""

from __future__ import annotations

import threading
from itertools import product
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import DTypeLike, NDArray

from decrappify import Movie

Array = NDArray[Any]

_WHOLE_PLANE = 64 * 2**20  # bytes; larger planes are read in squares
_SQUARE = 2048


class MovieArray:
    """Array-like view of a movie with chosen axes, indexed by integers and slices.

    Reads are serialized, since a movie can be read from one thread at a time. Nothing is cached, so the newest pixels
    of a growing store are shown.

    Parameters
    ----------
    movie : Movie
        Shape (T, C, Z, Y, X).
    axes : str
        Axes of the view, such as ``"TYX"``; omitted axes have length 1, or are fixed by `channel`.
    channel : int
        The channel, if the view has no axis C.

    Attributes
    ----------
    name : str
        Unique; distinguishes this array from derived ones.

    Examples
    --------
    >>> view = MovieArray(Movie.from_array(np.arange(24).reshape(2, 3, 4)), "TYX")
    >>> view.shape, view[1, 0].tolist(), view[:, -1, ::2].tolist()
    ((2, 3, 4), [12, 13, 14, 15], [[8, 10], [20, 22]])
    """

    def __init__(self, movie: Movie, axes: str, channel: int = 0) -> None:
        sizes = dict(zip("TCZYX", movie.shape, strict=True))
        self.axes, self._channel = axes, channel
        self.shape = tuple(sizes[axis] for axis in axes)
        self.dtype = movie.dtype
        self.ndim = len(axes)
        self.size = int(np.prod(self.shape, dtype=np.int64))
        self.name = f"decrappify-{uuid4().hex}"
        self._movie = movie
        self._lock = threading.Lock()

    def show(self, movie: Movie) -> None:
        """Switch to another movie of the same shape, such as the finished one."""
        with self._lock:
            self._movie.close()
            self._movie = movie

    def close(self) -> None:
        """Release the movie."""
        with self._lock:
            self._movie.close()

    def __getitem__(self, key: Any) -> Array:
        picks = _picks(key, self.shape)
        ranges = {"T": range(1), "C": range(self._channel, self._channel + 1), "Z": range(1)}
        ranges |= {axis: pick for axis, (pick, _) in zip(self.axes, picks, strict=True)}
        block = self._read(*(ranges[axis] for axis in "TCZYX"))
        left_out = tuple(i for i, axis in enumerate("TCZYX") if axis not in self.axes)
        kept = [axis for axis in "TCZYX" if axis in self.axes]
        ordered = block.squeeze(axis=left_out).transpose([kept.index(axis) for axis in self.axes])
        return np.asarray(ordered[tuple(0 if is_single else slice(None) for _, is_single in picks)])

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        whole = self[...]
        return whole if dtype is None else whole.astype(dtype, copy=False)

    def __len__(self) -> int:
        return self.shape[0]

    def _read(self, frames: range, channels: range, slices: range, rows: range, columns: range) -> Array:
        block = np.empty((len(frames), len(channels), len(slices), len(rows), len(columns)), self.dtype)
        if not block.size:
            return block
        (y, within_y), (x, within_x) = _span(rows), _span(columns)
        with self._lock:
            for (i, t), (j, c), (k, z) in product(enumerate(frames), enumerate(channels), enumerate(slices)):
                block[i, j, k] = self._movie.region(t, c, z, y, x)[within_y, within_x]
        return block


def as_dask(view: MovieArray) -> Any:
    """Wrap a view in dask, one plane (or one square of a very large one) per chunk; nothing is read.

    napari reads only the visible part of dask arrays, and caches recent planes; it would read plain arrays with several
    resolution levels in full.
    """
    import dask.array

    from_array: Any = dask.array.from_array
    sizes = dict(zip(view.axes, view.shape, strict=True))
    is_huge = sizes["Y"] * sizes["X"] * view.dtype.itemsize > _WHOLE_PLANE
    chunk = {
        "C": sizes.get("C", 1),
        "Y": min(sizes["Y"], _SQUARE) if is_huge else sizes["Y"],
        "X": min(sizes["X"], _SQUARE) if is_huge else sizes["X"],
    }
    chunks = tuple(chunk.get(axis, 1) for axis in view.axes)
    return from_array(view, chunks=chunks, name=view.name, meta=np.empty((0,) * view.ndim, view.dtype))


def token(data: Any) -> str | None:
    """Return the name of the lazy array of a layer; None for other data, including arrays computed from it."""
    name = getattr(data, "name", None)
    return name if isinstance(name, str) and name.startswith("decrappify-") else None


def _picks(key: Any, shape: tuple[int, ...]) -> list[tuple[range, bool]]:
    """Return one (range, is an integer index) per axis."""
    keys = list(key) if isinstance(key, tuple) else [key]
    if Ellipsis in [part for part in keys if not isinstance(part, np.ndarray)]:
        at = next(i for i, part in enumerate(keys) if part is Ellipsis)
        keys[at : at + 1] = [slice(None)] * (len(shape) - len(keys) + 1)
    if len(keys) > len(shape):
        raise IndexError(f"{len(keys)} indices for an image with {len(shape)} axes")
    keys += [slice(None)] * (len(shape) - len(keys))
    return [_pick(part, size) for part, size in zip(keys, shape, strict=True)]


def _pick(part: Any, size: int) -> tuple[range, bool]:
    if isinstance(part, slice):
        return range(size)[part], False
    index = range(size)[int(part)]
    return range(index, index + 1), True


def _span(picked: range) -> tuple[slice, slice]:
    """Find the smallest slice that contains the selected pixels, and their slice within it."""
    low, high = min(picked[0], picked[-1]), max(picked[0], picked[-1])
    return slice(low, high + 1), slice(None, None, picked.step if len(picked) > 1 else 1)
