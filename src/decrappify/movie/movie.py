"""Lazy (T, C, Z, Y, X) image sequence with its physical scale."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

import numpy as np
from numpy.typing import DTypeLike

from decrappify.errors import InputError, ReadOnlyError
from decrappify.limits.files import check_extent
from decrappify.movie.dtypes import native
from decrappify.movie.indexing import check_reading, in_range, indexed, picked, unstepped
from decrappify.movie.metadata import (
    check_spacing,
    checked_pixel_size,
    per_channel,
    positive_or_none,
    spacing_of,
    step_of,
)
from decrappify.movie.sources import Array, ArraySource, FrameSource, PixelSize, Plane, Shape5
from decrappify.movie.views import ComputedView, IndexView, PlaneFunction, RegionFunction, WholePlanes, planes_in


class Movie:
    """A movie (or stack, or still) that is read one frame at a time.

    A movie is immutable: its attributes cannot be assigned, and the methods that change it return another movie.

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
        Distance between samples along ``"T"``, ``"Z"``, ``"Y"`` or ``"X"`` if a file states it without a unit, such
        as ``{"Y": 0.3, "X": 0.3}``. Ignored for axes with a known pixel size or interval.
    missing : iterable of (t, c, z), optional
        Planes that were never recorded; by default those of the source. They are read as zeros.
    origin : path, optional
        File, folder or remote store read by `open_movie`, also for the movies derived from it.
    files : iterable of Path, optional
        All files and folders that are read, such as those of a set of OME-TIFF; by default those of the source.

    Examples
    --------
    >>> movie = Movie.from_array(np.zeros((4, 8, 9), np.uint16), frame_interval_s=2.0)
    >>> movie.shape, movie[1:3].shape, movie.frame(0).shape
    ((4, 1, 1, 8, 9), (2, 1, 1, 8, 9), (8, 9))
    >>> movie.replace(frame_interval_s=0.5).frame_interval_s
    0.5
    """

    _is_complete = False

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
        origin: os.PathLike[str] | None = None,
        files: Iterable[Path] | None = None,
    ) -> None:
        if not isinstance(source, FrameSource):
            raise InputError(
                f"source of {name} is a {type(source).__name__}, expected a subclass of decrappify.movie.FrameSource"
            )
        self._source = source
        self.name = name
        self.shape: Shape5 = tuple(int(n) for n in source.shape)  # type: ignore[assignment]
        self.dtype: np.dtype[Any] = native(np.dtype(source.dtype))
        if len(self.shape) != 5 or min(self.shape) < 1:
            raise InputError(f"{name} has shape {self.shape}, expected five axes (T, C, Z, Y, X) of at least 1 each")
        check_extent(name, self.shape)
        n_channels = self.shape[1]
        self.pixel_size_um = checked_pixel_size(pixel_size_um)
        self.frame_interval_s = positive_or_none(frame_interval_s)
        self.channel_names: tuple[str, ...] = per_channel(
            channel_names, n_channels, [f"C{i}" for i in range(n_channels)], f"channel_names of {name}"
        )
        self.channel_colors: tuple[str | None, ...] = per_channel(
            channel_colors, n_channels, [None] * n_channels, f"channel_colors of {name}"
        )
        self._provenance = dict(provenance or {})
        self._unitless_spacing = dict(unitless_spacing or {})
        self.missing: frozenset[Plane] = frozenset(source.missing if missing is None else missing)
        self.origin = origin
        self.files: frozenset[Path] = frozenset(source.files if files is None else files)
        self._is_complete = True

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

    def __setattr__(self, name: str, value: Any) -> None:
        if self._is_complete:
            self._raise_read_only(name)
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        self._raise_read_only(name)

    def _raise_read_only(self, name: str) -> NoReturn:
        method = f"replace({name}=...)" if name in self._metadata() else "derived(source)"
        raise ReadOnlyError(f"a movie is immutable, {name} cannot be assigned or deleted; use movie.{method} instead")

    @property
    def provenance(self) -> dict[str, Any]:
        """Processing history of the movie, as a copy."""
        return deepcopy(self._provenance)

    @property
    def unitless_spacing(self) -> dict[str, float]:
        """Distance between samples along the axes with a unitless spacing, as a copy."""
        known = dict(zip("TZYX", (self.frame_interval_s, *self.pixel_size_um), strict=True))
        return {axis: float(value) for axis, value in self._unitless_spacing.items() if known[axis] is None}

    @property
    def ndim(self) -> int:
        """Number of axes, always 5."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of pixels."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """Size of all pixels in bytes."""
        return self.size * self.dtype.itemsize

    def frame(self, t: int, c: int = 0, z: int = 0) -> Array:
        """Read one plane as a (Y, X) array of the movie's dtype."""
        return self.region(t, c, z, slice(0, self.shape[3]), slice(0, self.shape[4]))

    def region(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
        """Read a rectangle of one plane as a (Y, X) array; negative indices count from the end as in numpy."""
        n_t, n_c, n_z, n_y, n_x = self.shape
        t, c, z = (
            in_range(t, n_t, "frame", self.name),
            in_range(c, n_c, "channel", self.name),
            in_range(z, n_z, "slice", self.name),
        )
        rows, columns = slice(*rows.indices(n_y)[:2]), slice(*columns.indices(n_x)[:2])
        size = (rows.stop - rows.start, columns.stop - columns.start)
        check_reading(size[0] * size[1], self.dtype, f"frame {t} (channel {c}, slice {z}) of {self.name}")
        return self._source.read(t, c, z, rows, columns)

    def version(self, t: int, c: int = 0, z: int = 0) -> str | None:
        """Return a string that changes whenever the stored pixels of a plane may have changed; None if unknown."""
        return self._source.version(t, c, z)

    def planes(self) -> Iterator[Plane]:
        """Iterate over every (t, c, z) in the order in which files are written: T slowest, Z fastest."""
        n_t, n_c, n_z = self.shape[:3]
        return ((t, c, z) for t in range(n_t) for c in range(n_c) for z in range(n_z))

    def select(
        self, frames: slice | int | None = None, channels: slice | int | None = None, slices: slice | int | None = None
    ) -> Movie:
        """Select a lazy part of the movie along T, C and Z; an int keeps the axis with length 1.

        A step in `frames` or `slices` is included in `frame_interval_s` and the z pixel size.
        """
        t, c, z = (
            picked(index, size, axis, self.name)
            for index, size, axis in zip(
                (frames, channels, slices), self.shape[:3], ("frame", "channel", "slice"), strict=True
            )
        )
        steps = {"T": step_of(t), "Z": step_of(z)}
        return self.derived(
            IndexView.whole(self._source).select((t, c, z, range(self.shape[3]), range(self.shape[4]))),
            missing=planes_in(self.missing, (t, c, z)),
            channel_names=[self.channel_names[i] for i in c],
            channel_colors=[self.channel_colors[i] for i in c],
            **spacing_of(self.frame_interval_s, self.pixel_size_um, self._unitless_spacing, steps),
        )

    def crop(self, rows: slice | None = None, columns: slice | None = None) -> Movie:
        """Crop every plane lazily to a rectangle; negative indices count from the end as in numpy.

        Examples
        --------
        >>> Movie.from_array(np.zeros((5, 64, 80))).crop(rows=slice(-16, None)).shape
        (5, 1, 1, 16, 80)
        """
        y = picked(unstepped(rows), self.shape[3], "row", self.name)
        x = picked(unstepped(columns), self.shape[4], "column", self.name)
        return self.derived(IndexView.whole(self._source).select((*map(range, self.shape[:3]), y, x)))

    def z_as_time(self) -> Movie:
        """Swap Z and T, so that a Z-stack is processed like a movie; swapping twice restores the original."""
        axes = {"T": "Z", "Z": "T"}
        return self.derived(
            IndexView.whole(self._source).swap(),
            frame_interval_s=None,
            missing={(z, c, t) for t, c, z in self.missing},
            unitless_spacing={axes.get(axis, axis): value for axis, value in self._unitless_spacing.items()},
            provenance=self.provenance | {"z_as_time": not self.provenance.get("z_as_time", False)},
        )

    def map_planes(
        self,
        function: PlaneFunction,
        *,
        shape: Shape5 | None = None,
        dtype: DTypeLike | None = None,
        others: Sequence[Movie] = (),
        **changes: Any,
    ) -> Movie:
        """Create a movie of planes computed on reading; the latest plane is cached for further regions of it.

        Parameters
        ----------
        function : callable
            ``function(t, c, z)`` returns a plane (Y, X), which is converted to `dtype`.
        shape : tuple of int, optional
            (T, C, Z, Y, X) of the result, by default that of this movie.
        dtype : dtype, optional
            By default that of this movie.
        others : sequence of Movie
            Further movies that the function reads; closed with the result.
        **changes
            Metadata that differs, as for `Movie`.

        Examples
        --------
        >>> movie = Movie.from_array(np.arange(12.0).reshape(3, 2, 2))
        >>> movie.map_planes(lambda t, c, z: movie.frame(t, c, z).mean(keepdims=True), shape=(3, 1, 1, 1, 1)).frame(1)
        array([[5.5]])
        """
        read = WholePlanes(function, self.dtype if dtype is None else dtype)
        return self.map_regions(read, shape=shape, dtype=dtype, others=others, **changes)

    def map_regions(
        self,
        function: RegionFunction,
        *,
        shape: Shape5 | None = None,
        dtype: DTypeLike | None = None,
        others: Sequence[Movie] = (),
        keeps_versions: bool = False,
        **changes: Any,
    ) -> Movie:
        """Create a movie of regions computed on reading.

        Parameters
        ----------
        function : callable
            ``function(t, c, z, rows, columns)`` returns a region of a plane, of the `dtype` of the result.
        shape, dtype, others
            As for `map_planes`.
        keeps_versions : bool
            Whether a plane is computed only from the same plane of this movie, identically in every run, so that its
            `version` is valid.
        **changes
            As for `map_planes`.
        """
        sources = [other._source for other in others]
        view = ComputedView(
            self._source, function, shape=shape, dtype=dtype, others=sources, keeps_versions=keeps_versions
        )
        files = self.files.union(*(other.files for other in others))
        return self.derived(view, **({"files": files} | changes))

    def derived(self, source: FrameSource, **changes: Any) -> Movie:
        """Create a movie with other pixels and the metadata of this one, except for `changes`.

        The missing planes are kept if the numbers of frames, channels and slices stay the same.
        """
        same = {} if tuple(source.shape[:3]) == self.shape[:3] else {"missing": None}
        return Movie(source, **(self._metadata() | {"files": source.files or self.files} | same | changes))

    def replace(self, **changes: Any) -> Movie:
        """Create a movie with the same pixels and other metadata, such as `pixel_size_um`; arguments of `Movie`.

        Raises
        ------
        InputError
            If a name is unknown, or a pixel size or frame interval is neither None nor positive and finite. `Movie`
            itself sets such values to None, since files use them for unknown values.
        """
        metadata = self._metadata()
        for field in changes:
            if field not in metadata:
                raise InputError(f"a movie has no metadata {field!r}; replace() changes {', '.join(metadata)}")
        check_spacing(changes)
        return Movie(self._source, **(metadata | changes))

    def _metadata(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "pixel_size_um": self.pixel_size_um,
            "frame_interval_s": self.frame_interval_s,
            "channel_names": self.channel_names,
            "channel_colors": self.channel_colors,
            "provenance": self._provenance,
            "unitless_spacing": self._unitless_spacing,
            "missing": self.missing,
            "origin": self.origin,
            "files": self.files,
        }

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
        return indexed(self, index)

    def __dask_tokenize__(self) -> str:
        """Return a token for dask, different for every movie object, as its files may change."""
        from uuid import uuid4

        return uuid4().hex

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        check_reading(self.size, self.dtype, f"reading all of {self.name}")
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

    def _repr_html_(self) -> str:
        """Return metadata and a thumbnail of the first recorded frame for notebooks."""
        from decrappify.movie.display import movie_html

        return movie_html(self)
