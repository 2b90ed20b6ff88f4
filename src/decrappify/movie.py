"""Movie: a lazy (T, C, Z, Y, X) array with its physical scale, which every reader gives and every writer takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from decrappify.errors import InputError

Shape5 = tuple[int, int, int, int, int]
PixelSize = tuple[float | None, float | None, float | None]
Array = NDArray[Any]

AXES = "TCZYX"

T = TypeVar("T")


class FrameSource(Protocol):
    """Where a movie's pixels come from: one small class per file format, read from one thread at a time."""

    shape: Shape5
    dtype: np.dtype[Any]

    def read(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
        """Return the region ``(rows, columns)`` of one plane as (Y, X) of `dtype`; the slices are in range, step 1."""
        ...

    def close(self) -> None:
        """Release the file."""
        ...


class Movie:
    """A movie (or stack, or still) that is read one frame at a time.

    Parameters
    ----------
    source : FrameSource
        Gives shape (T, C, Z, Y, X), dtype and the pixels.
    name : str
        Short name for messages and layers, usually the file's.
    pixel_size_um : tuple of (float or None)
        Pixel size (z, y, x) in micrometres; None where unknown.
    frame_interval_s : float or None
        Seconds between frames; None where unknown.
    channel_names : sequence of str, optional
        One per channel; ``"C0", "C1", ...`` by default.
    channel_colors : sequence of (str or None), optional
        Display colours as ``"RRGGBB"``, one per channel; None where unknown.
    provenance : mapping, optional
        What was done to the movie (strings, numbers, lists; JSON-serialisable).

    Examples
    --------
    >>> movie = Movie.from_array(np.zeros((4, 8, 9), np.uint16), frame_interval_s=2.0)
    >>> movie.shape, movie[1:3].shape, movie.frame(0).shape
    ((4, 1, 1, 8, 9), (2, 1, 1, 8, 9), (8, 9))
    """

    def __init__(
        self,
        source: FrameSource,
        *,
        name: str = "movie",
        pixel_size_um: PixelSize = (None, None, None),
        frame_interval_s: float | None = None,
        channel_names: Sequence[str] | None = None,
        channel_colors: Sequence[str | None] | None = None,
        provenance: Mapping[str, Any] | None = None,
    ) -> None:
        self._source = source
        self.name = name
        self.shape: Shape5 = tuple(int(n) for n in source.shape)  # type: ignore[assignment]
        self.dtype: np.dtype[Any] = np.dtype(source.dtype)
        if len(self.shape) != 5 or min(self.shape) < 1:
            raise InputError(f"{name} has shape {self.shape}, needs five axes (T, C, Z, Y, X) of at least 1 each")
        n_channels = self.shape[1]
        self.pixel_size_um = _checked_pixel_size(pixel_size_um)
        self.frame_interval_s = _positive_or_none(frame_interval_s)
        self.channel_names: tuple[str, ...] = _per_channel(
            channel_names, n_channels, [f"C{i}" for i in range(n_channels)], f"channel_names of {name}"
        )
        self.channel_colors: tuple[str | None, ...] = _per_channel(
            channel_colors, n_channels, [None] * n_channels, f"channel_colors of {name}"
        )
        self.provenance: dict[str, Any] = dict(provenance or {})

    @classmethod
    def from_array(cls, array: Any, axes: str | None = None, **metadata: Any) -> Self:
        """Wrap a numpy, dask or zarr array; nothing is copied or computed until a frame is read.

        Parameters
        ----------
        array : array-like
            (Y, X), (T, Y, X) or (T, C, Z, Y, X); other orders when `axes` says so.
        axes : str, optional
            One letter of ``TCZYX`` per dimension, in any order, such as ``"ZYX"`` or ``"YXC"``.
        **metadata
            As for `Movie`.
        """
        return cls(ArraySource(array, axes), **metadata)

    def frame(self, t: int, c: int = 0, z: int = 0) -> Array:
        """One whole plane as a (Y, X) array of the movie's dtype."""
        return self.region(t, c, z, slice(0, self.shape[3]), slice(0, self.shape[4]))

    def region(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
        """Read a rectangle of one plane as a (Y, X) array; negative indices count from the end as in numpy."""
        t, c, z = (
            _in_range(index, size, axis, self.name)
            for index, size, axis in zip((t, c, z), self.shape[:3], ("frame", "channel", "slice"), strict=True)
        )
        rows = slice(*rows.indices(self.shape[3])[:2])
        columns = slice(*columns.indices(self.shape[4])[:2])
        return self._source.read(t, c, z, rows, columns)

    def select(
        self, frames: slice | int | None = None, channels: slice | int | None = None, slices: slice | int | None = None
    ) -> Movie:
        """Pick a lazy part of the movie along T, C and Z; an int keeps the axis with length 1.

        A step in `frames` or `slices` is carried into `frame_interval_s` and the z pixel size.
        """
        picks = tuple(
            _pick(index, size, axis, self.name)
            for index, size, axis in zip(
                (frames, channels, slices), self.shape[:3], ("frame", "channel", "slice"), strict=True
            )
        )
        interval, (size_z, size_y, size_x) = self.frame_interval_s, self.pixel_size_um
        return self.derived(
            _SelectedSource(self._source, picks),
            frame_interval_s=None if interval is None else interval * _step(picks[0]),
            pixel_size_um=(None if size_z is None else size_z * _step(picks[2]), size_y, size_x),
            channel_names=[self.channel_names[i] for i in picks[1]],
            channel_colors=[self.channel_colors[i] for i in picks[1]],
        )

    def crop(self, rows: slice | None = None, columns: slice | None = None) -> Movie:
        """Cut a lazy rectangle out of every plane; negative indices count from the end as in numpy.

        Examples
        --------
        >>> Movie.from_array(np.zeros((5, 64, 80))).crop(rows=slice(-16, None)).shape
        (5, 1, 1, 16, 80)
        """
        height, width = self.shape[3:]
        picks = (
            _pick(_unstepped(rows), height, "row", self.name),
            _pick(_unstepped(columns), width, "column", self.name),
        )
        return self.derived(_CroppedSource(self._source, *picks))

    def z_as_time(self) -> Movie:
        """Swap Z and T, so that a Z-stack can play a movie; swapping twice gives the original."""
        return self.derived(
            _SwappedSource(self._source),
            frame_interval_s=None,
            provenance=self.provenance | {"z_as_time": not self.provenance.get("z_as_time", False)},
        )

    def derived(self, source: FrameSource, **changes: Any) -> Movie:
        """Make a movie with other pixels and this one's metadata, changed where `changes` says so."""
        metadata: dict[str, Any] = {
            "name": self.name,
            "pixel_size_um": self.pixel_size_um,
            "frame_interval_s": self.frame_interval_s,
            "channel_names": self.channel_names,
            "channel_colors": self.channel_colors,
            "provenance": self.provenance,
        }
        return Movie(source, **(metadata | changes))

    def planes(self) -> Iterator[tuple[int, int, int]]:
        """Every (t, c, z), in the order in which files are written: T slowest, Z fastest."""
        n_t, n_c, n_z = self.shape[:3]
        return ((t, c, z) for t in range(n_t) for c in range(n_c) for z in range(n_z))

    @property
    def nbytes(self) -> int:
        """Size of all pixels in bytes."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    def close(self) -> None:
        """Release the file; reading afterwards is an error of the reader."""
        self._source.close()

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, frames: slice | int) -> Movie:
        if not isinstance(frames, slice | int | np.integer):
            raise InputError(
                f"a movie is indexed by frames, such as movie[10:20], not by {frames!r}; use movie.select()"
            )
        return self.select(frames=frames if isinstance(frames, slice) else int(frames))

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        whole = np.empty(self.shape, self.dtype)
        for t, c, z in self.planes():
            whole[t, c, z] = self.frame(t, c, z)
        return whole if dtype is None else whole.astype(dtype, copy=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return (
            f"Movie({self.name!r}, shape={self.shape}, dtype={self.dtype}, pixel_size_um={self.pixel_size_um}, "
            f"frame_interval_s={self.frame_interval_s}, channels={list(self.channel_names)})"
        )


class ArraySource:
    """Frames of an in-memory or lazy (dask, zarr) array."""

    def __init__(self, array: Any, axes: str | None = None) -> None:
        if not hasattr(array, "shape") or not hasattr(array, "dtype"):
            array = np.asarray(array)
        self._array = array
        self._axes = _array_axes(array.shape, axes)
        sizes = dict(zip(self._axes, array.shape, strict=True))
        self.shape: Shape5 = tuple(sizes.get(axis, 1) for axis in AXES)
        self.dtype = np.dtype(array.dtype)
        if self.dtype.kind not in "uifb":
            raise InputError(f"array of dtype {self.dtype} is not an image; needs integers or real floats")
        if self.dtype.kind == "b":
            self.dtype = np.dtype(np.uint8)

    def read(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
        """Read one region; only its own chunks of a lazy array are computed."""
        index = {"T": t, "C": c, "Z": z, "Y": rows, "X": columns}
        plane = np.asarray(self._array[tuple(index[axis] for axis in self._axes)])
        if self._axes.index("Y") > self._axes.index("X"):
            plane = plane.T
        return plane.astype(self.dtype, copy=False)

    def close(self) -> None:
        """Nothing to release."""


class _SelectedSource:
    def __init__(self, source: FrameSource, picks: tuple[range, ...]) -> None:
        self._source, self._picks = source, picks
        self.shape: Shape5 = (len(picks[0]), len(picks[1]), len(picks[2]), *source.shape[3:])
        self.dtype = source.dtype

    def read(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
        return self._source.read(self._picks[0][t], self._picks[1][c], self._picks[2][z], rows, columns)

    def close(self) -> None:
        self._source.close()


class _CroppedSource:
    def __init__(self, source: FrameSource, rows: range, columns: range) -> None:
        self._source, self._top, self._left = source, rows.start, columns.start
        self.shape: Shape5 = (*source.shape[:3], len(rows), len(columns))
        self.dtype = source.dtype

    def read(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
        below, right = self._top, self._left
        return self._source.read(
            t, c, z, slice(rows.start + below, rows.stop + below), slice(columns.start + right, columns.stop + right)
        )

    def close(self) -> None:
        self._source.close()


class _SwappedSource:
    def __init__(self, source: FrameSource) -> None:
        self._source = source
        n_t, n_c, n_z, n_y, n_x = source.shape
        self.shape: Shape5 = (n_z, n_c, n_t, n_y, n_x)
        self.dtype = source.dtype

    def read(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
        return self._source.read(z, c, t, rows, columns)

    def close(self) -> None:
        self._source.close()


def _array_axes(shape: tuple[int, ...], axes: str | None) -> str:
    if axes is None:
        axes = {2: "YX", 3: "TYX", 5: "TCZYX"}.get(len(shape), "")
        if not axes:
            raise InputError(
                f"array of shape {shape} has {len(shape)} axes; needs (Y, X), (T, Y, X) or (T, C, Z, Y, X), "
                "or say what they are, such as axes='TCYX'"
            )
    axes = axes.upper()
    if len(axes) != len(shape) or len(set(axes)) != len(axes) or not set("YX") <= set(axes) <= set(AXES):
        raise InputError(
            f"axes={axes!r} does not fit an array of shape {shape}; "
            "needs one letter of TCZYX per axis, Y and X among them"
        )
    return axes


def _in_range(index: int, size: int, axis: str, name: str) -> int:
    if not -size <= index < size:
        raise InputError(f"{axis} {index} is not in {name}, which has {axis}s 0 to {size - 1}")
    return int(index) % size


def _pick(index: slice | int | None, size: int, axis: str, name: str) -> range:
    if index is None:
        return range(size)
    if isinstance(index, slice):
        picked = range(size)[index]
        if not picked:
            raise InputError(
                f"{axis}s {index.start}:{index.stop} pick nothing from {name}, which has {axis}s 0 to {size - 1}"
            )
        return picked
    index = _in_range(index, size, axis, name)
    return range(index, index + 1)


def _unstepped(part: slice | None) -> slice:
    if part is None:
        return slice(None)
    if part.step not in (None, 1):
        raise InputError(f"a crop with step {part.step} would change the pixel size, needs step 1")
    return part


def _step(picked: range) -> int:
    return abs(picked.step) if len(picked) > 1 else 1


def _positive_or_none(value: float | None) -> float | None:
    if value is None or not np.isfinite(value) or value <= 0:
        return None  # files say 0 or NaN where they mean "unknown"
    return float(value)


def _checked_pixel_size(sizes: PixelSize) -> PixelSize:
    if len(sizes) != 3:
        raise InputError(f"pixel_size_um is {sizes!r}, needs three values (z, y, x) in micrometres, None where unknown")
    return tuple(_positive_or_none(size) for size in sizes)  # type: ignore[return-value]


def _per_channel(given: Sequence[T] | None, count: int, default: list[T], what: str) -> tuple[T, ...]:
    if given is None:
        return tuple(default)
    if len(given) != count:
        raise InputError(f"{what} has {len(given)} entries, needs {count}, one per channel")
    return tuple(given)
