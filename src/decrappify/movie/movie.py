"""Lazy (T, C, Z, Y, X) image sequence with its physical scale."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import DTypeLike

from decrappify.errors import InputError
from decrappify.limits.files import check_extent
from decrappify.limits.memory import check_memory
from decrappify.movie.sources import Array, ArraySource, FrameSource, PixelSize, Plane, Shape5
from decrappify.movie.views import (
    CroppedSource,
    SelectedSource,
    SwappedSource,
    missing_planes,
    plane_version,
    source_files,
)

T = TypeVar("T")


class Movie:
    """A movie (or stack, or still) that is read one frame at a time.

    Parameters
    ----------
    source : FrameSource
        Provides shape (T, C, Z, Y, X), dtype and the pixels.
    name : str
        Short name for messages and layers, usually the file's.
    pixel_size_um : tuple of (float or None)
        Pixel size (z, y, x) in micrometers; None if unknown.
    frame_interval_s : float or None
        Seconds between frames; None if unknown.
    channel_names : sequence of str, optional
        One per channel; ``"C0", "C1", ...`` by default.
    channel_colors : sequence of (str or None), optional
        Display colors as ``"RRGGBB"``, one per channel; None if unknown.
    provenance : mapping, optional
        Processing history of the movie (strings, numbers, lists; JSON-serializable).
    unitless_spacing : mapping, optional
        Distance between samples along ``"T"``, ``"Z"``, ``"Y"`` or ``"X"`` if a file has a number without a unit,
        such as ``{"Y": 0.3, "X": 0.3}``. Ignored for axes with a known pixel size or interval.
    missing : iterable of (t, c, z), optional
        Planes that were never recorded; by default those of the source. They are read as zeros.

    Attributes
    ----------
    origin : Path or None
        File or folder read by `open_movie`, also for the movies derived from it.
    files : frozenset of Path
        All files and folders that are read, such as those of a set of OME-TIFF, as far as known to the reader.

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
        unitless_spacing: Mapping[str, float] | None = None,
        missing: Iterable[Plane] | None = None,
    ) -> None:
        self._source = source
        self.origin: Path | None = None
        self.files = source_files(source)
        self.name = name
        self.shape: Shape5 = tuple(int(n) for n in source.shape)  # type: ignore[assignment]
        self.dtype: np.dtype[Any] = np.dtype(source.dtype)
        if len(self.shape) != 5 or min(self.shape) < 1:
            raise InputError(f"{name} has shape {self.shape}, needs five axes (T, C, Z, Y, X) of at least 1 each")
        check_extent(name, self.shape)
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
        self._unitless_spacing = dict(unitless_spacing or {})
        self.missing: frozenset[Plane] = missing_planes(source) if missing is None else frozenset(missing)

    @property
    def unitless_spacing(self) -> dict[str, float]:
        """Distance between samples of the axes with a spacing without a unit."""
        known = dict(zip("TZYX", (self.frame_interval_s, *self.pixel_size_um), strict=True))
        return {axis: float(value) for axis, value in self._unitless_spacing.items() if known[axis] is None}

    @unitless_spacing.setter
    def unitless_spacing(self, spacing: Mapping[str, float]) -> None:
        self._unitless_spacing = dict(spacing)

    @property
    def ndim(self) -> int:
        """Number of axes, always 5."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of pixels."""
        return int(np.prod(self.shape, dtype=np.int64))

    @classmethod
    def from_array(cls, array: Any, axes: str | None = None, **metadata: Any) -> Self:
        """Create a movie from a numpy, dask or zarr array; no data are copied or computed until a frame is read.

        Parameters
        ----------
        array : array-like
            (Y, X), (T, Y, X) or (T, C, Z, Y, X); other orders with `axes`.
        axes : str, optional
            One letter of ``TCZYX`` per dimension, in any order, such as ``"ZYX"`` or ``"YXC"``.
        **metadata
            As for `Movie`.
        """
        return cls(ArraySource(array, axes), **metadata)

    def frame(self, t: int, c: int = 0, z: int = 0) -> Array:
        """Read one whole plane as a (Y, X) array of the movie's dtype."""
        return self.region(t, c, z, slice(0, self.shape[3]), slice(0, self.shape[4]))

    def region(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
        """Read a rectangle of one plane as a (Y, X) array; negative indices count from the end as in numpy."""
        t, c, z = (
            _in_range(index, size, axis, self.name)
            for index, size, axis in zip((t, c, z), self.shape[:3], ("frame", "channel", "slice"), strict=True)
        )
        rows = slice(*rows.indices(self.shape[3])[:2])
        columns = slice(*columns.indices(self.shape[4])[:2])
        size = (rows.stop - rows.start, columns.stop - columns.start)
        self._check_memory(size[0] * size[1], f"frame {t} (channel {c}, slice {z}) of {self.name}")
        return self._source.read(t, c, z, rows, columns)

    def select(
        self, frames: slice | int | None = None, channels: slice | int | None = None, slices: slice | int | None = None
    ) -> Movie:
        """Select a lazy part of the movie along T, C and Z; an int keeps the axis with length 1.

        A step in `frames` or `slices` is included in `frame_interval_s` and the z pixel size.
        """
        picks = tuple(
            _pick(index, size, axis, self.name)
            for index, size, axis in zip(
                (frames, channels, slices), self.shape[:3], ("frame", "channel", "slice"), strict=True
            )
        )
        interval, (size_z, size_y, size_x) = self.frame_interval_s, self.pixel_size_um
        steps = {"T": _step(picks[0]), "Z": _step(picks[2])}
        return self.derived(
            SelectedSource(self._source, picks),
            missing=_missing_of(self.missing, picks),
            unitless_spacing={axis: value * steps.get(axis, 1) for axis, value in self._unitless_spacing.items()},
            frame_interval_s=None if interval is None else interval * _step(picks[0]),
            pixel_size_um=(None if size_z is None else size_z * _step(picks[2]), size_y, size_x),
            channel_names=[self.channel_names[i] for i in picks[1]],
            channel_colors=[self.channel_colors[i] for i in picks[1]],
        )

    def crop(self, rows: slice | None = None, columns: slice | None = None) -> Movie:
        """Crop every plane lazily to a rectangle; negative indices count from the end as in numpy.

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
        return self.derived(CroppedSource(self._source, *picks))

    def z_as_time(self) -> Movie:
        """Swap Z and T, so that a Z-stack is processed like a movie; swapping twice restores the original."""
        return self.derived(
            SwappedSource(self._source),
            frame_interval_s=None,
            missing={(z, c, t) for t, c, z in self.missing},
            unitless_spacing={
                {"T": "Z", "Z": "T"}.get(axis, axis): value for axis, value in self._unitless_spacing.items()
            },
            provenance=self.provenance | {"z_as_time": not self.provenance.get("z_as_time", False)},
        )

    def derived(self, source: FrameSource, **changes: Any) -> Movie:
        """Create a movie with other pixels and the metadata of this one, except for `changes`.

        The missing planes are kept if the numbers of frames, channels and slices stay the same.
        """
        metadata: dict[str, Any] = {
            "name": self.name,
            "pixel_size_um": self.pixel_size_um,
            "frame_interval_s": self.frame_interval_s,
            "channel_names": self.channel_names,
            "channel_colors": self.channel_colors,
            "provenance": self.provenance,
            "unitless_spacing": self._unitless_spacing,
            "missing": self.missing if tuple(source.shape[:3]) == self.shape[:3] else None,
        }
        movie = Movie(source, **(metadata | changes))
        movie.origin = self.origin
        movie.files = movie.files or self.files
        return movie

    def version(self, t: int, c: int = 0, z: int = 0) -> str | None:
        """Return a text that differs whenever the stored pixels of a plane may have changed; None if unknown."""
        return plane_version(self._source, t, c, z)

    def planes(self) -> Iterator[tuple[int, int, int]]:
        """Iterate over every (t, c, z) in the order in which files are written: T slowest, Z fastest."""
        n_t, n_c, n_z = self.shape[:3]
        return ((t, c, z) for t in range(n_t) for c in range(n_c) for z in range(n_z))

    @property
    def nbytes(self) -> int:
        """Size of all pixels in bytes."""
        return self.size * self.dtype.itemsize

    def close(self) -> None:
        """Close the file; reading afterwards raises an error of the reader."""
        self._source.close()

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[Movie]:
        return (self[t] for t in range(len(self)))

    def __getitem__(self, index: Any) -> Any:
        """Index frames lazily, or read pixels as numpy does.

        ``movie[10:20]`` and ``movie[3]`` are lazy movies (a single frame keeps its axis). A tuple of integers, slices
        of step 1 or more and ``...`` reads the pixels of (T, C, Z, Y, X) into a numpy array; an integer drops its axis,
        so ``movie[0, 0, 0]`` is the first plane.

        >>> movie = Movie.from_array(np.zeros((4, 8, 9)))
        >>> movie[1:3].shape, movie[0, 0, 0].shape, movie[..., :5].shape
        ((2, 1, 1, 8, 9), (8, 9), (4, 1, 1, 8, 5))
        """
        if isinstance(index, int | np.integer) and not isinstance(index, bool):
            return self.select(frames=int(index))
        if isinstance(index, slice):
            return self.select(frames=index)
        if index is Ellipsis:
            return np.asarray(self)
        if isinstance(index, tuple):
            return self._read_indexed(index)
        raise InputError(
            "a movie is indexed by frames, such as movie[10:20], or by up to five integers and slices, "
            f"found {index!r}; use movie.select() for channels and slices"
        )

    def _check_memory(self, n_pixels: int, what: str) -> None:
        check_memory(n_pixels * self.dtype.itemsize, what, "read a smaller part, such as by crop() or select()")

    def _read_indexed(self, index: tuple[Any, ...]) -> Array:
        ranges, dropped = _basic_index(index, self.shape, self.name)
        (rows, columns) = ranges[3:]
        self._check_memory(math.prod(len(picked) for picked in ranges), f"the part of {self.name}")
        whole = np.empty([len(picked) for picked in ranges], self.dtype)
        if whole.size:
            spans = [slice(picked.start, picked[-1] + 1) for picked in (rows, columns)]
            for i, t in enumerate(ranges[0]):
                for j, c in enumerate(ranges[1]):
                    for k, z in enumerate(ranges[2]):
                        whole[i, j, k] = self.region(t, c, z, *spans)[:: rows.step, :: columns.step]
        return whole[tuple(0 if drop else slice(None) for drop in dropped)]

    def __dask_tokenize__(self) -> str:
        """Return a name for dask, different for every movie, as its files may differ or change."""
        from uuid import uuid4

        return uuid4().hex

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        self._check_memory(math.prod(self.shape), f"the whole of {self.name}")
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


def _missing_of(missing: frozenset[Plane], picks: tuple[range, ...]) -> set[Plane]:
    return {
        (picks[0].index(t), picks[1].index(c), picks[2].index(z))
        for t, c, z in missing
        if t in picks[0] and c in picks[1] and z in picks[2]
    }


def _basic_index(
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
            at = _in_range(int(entry), size, axis, name)
            ranges.append(range(at, at + 1))
        else:
            raise InputError(f"{name} is indexed by integers and slices with a step of at least 1, found {entry!r}")
    return tuple(ranges), tuple(not isinstance(entry, slice) for entry in index)


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
        return None  # files use 0 or NaN for "unknown"
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
