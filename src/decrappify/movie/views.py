"""Lazy views of a frame source: planes by index (selection, crop, exchange of Z and T), and computed planes.

Missing planes are tracked by `Movie`, which may be passed others than those of the source.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from decrappify.movie.sources import Array, FrameSource, Plane, Shape5

PlaneFunction = Callable[[int, int, int], Array]
RegionFunction = Callable[[int, int, int, slice, slice], Array]


class IndexView(FrameSource):
    """Planes and pixels of a source by index; a view of a view reads its source directly.

    Parameters
    ----------
    source : FrameSource
        The source.
    picks : tuple of range
        Indices along each of T, C, Z, Y and X of the view; the last two have step 1.
    is_swapped : bool
        Whether T and Z of the view are Z and T of the source.
    """

    def __init__(self, source: FrameSource, picks: tuple[range, ...], *, is_swapped: bool = False) -> None:
        self._source, self._picks, self._is_swapped = source, picks, is_swapped
        self._top, self._left = picks[3].start, picks[4].start
        self._is_shifted = self._top > 0 or self._left > 0
        self.shape: Shape5 = tuple(len(pick) for pick in picks)  # type: ignore[assignment]
        self.dtype = source.dtype

    @classmethod
    def whole(cls, source: FrameSource) -> IndexView:
        """Return a view of a complete source; the source itself if it is a view."""
        return source if isinstance(source, cls) else cls(source, tuple(map(range, source.shape)))

    def select(self, picks: tuple[range, ...]) -> IndexView:
        """Return a view of a part of this view."""
        composed = tuple(_composed(own, pick) for own, pick in zip(self._picks, picks, strict=True))
        return IndexView(self._source, composed, is_swapped=self._is_swapped)

    def swap(self) -> IndexView:
        """Return a view with T and Z exchanged."""
        t, c, z, y, x = self._picks
        return IndexView(self._source, (z, c, t, y, x), is_swapped=not self._is_swapped)

    def read(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
        """Read one region of the view."""
        t, c, z = self._plane(t, c, z)
        if self._is_shifted:
            top, left = self._top, self._left
            rows, columns = slice(rows.start + top, rows.stop + top), slice(columns.start + left, columns.stop + left)
        return self._source.read(t, c, z, rows, columns)

    @property
    def files(self) -> Collection[Path]:
        """Files of the source."""
        return self._source.files

    def version(self, t: int, c: int, z: int) -> str | None:
        """Return the version of the source's plane."""
        return self._source.version(*self._plane(t, c, z))

    def close(self) -> None:
        """Close the source."""
        self._source.close()

    def _plane(self, t: int, c: int, z: int) -> Plane:
        picks = self._picks
        first, channel, last = picks[0][t], picks[1][c], picks[2][z]
        return (last, channel, first) if self._is_swapped else (first, channel, last)


class ComputedView(FrameSource):
    """Regions computed on reading, by default of the shape and dtype of a source.

    Parameters
    ----------
    source : FrameSource
        The source that the function reads.
    compute : callable
        ``compute(t, c, z, rows, columns)`` returns a region of a plane, read from one thread at a time.
    shape : tuple of int, optional
        Other (T, C, Z, Y, X).
    dtype : dtype, optional
        Other dtype of the regions.
    others : sequence of FrameSource
        Further sources that the function reads; closed with the first.
    keeps_versions : bool
        Whether a plane is computed only from the same plane of `source`, identically in every run.
    """

    def __init__(
        self,
        source: FrameSource,
        compute: RegionFunction,
        *,
        shape: Shape5 | None = None,
        dtype: DTypeLike | None = None,
        others: Sequence[FrameSource] = (),
        keeps_versions: bool = False,
    ) -> None:
        self._source, self._others, self.compute, self._keeps_versions = source, others, compute, keeps_versions
        self.shape = source.shape if shape is None else shape
        self.dtype = np.dtype(source.dtype if dtype is None else dtype)

    def read(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
        """Compute one region."""
        return self.compute(t, c, z, rows, columns)

    @property
    def files(self) -> Collection[Path]:
        """Files of all sources."""
        return {file for source in (self._source, *self._others) for file in source.files}

    def version(self, t: int, c: int, z: int) -> str | None:
        """Return the version of the source's plane; None unless `keeps_versions`."""
        return self._source.version(t, c, z) if self._keeps_versions else None

    def close(self) -> None:
        """Close all sources."""
        for source in (self._source, *self._others):
            source.close()


class WholePlanes:
    """Region function that computes complete planes and caches the latest for further regions of it."""

    def __init__(self, compute: PlaneFunction, dtype: DTypeLike) -> None:
        self._latest, self._dtype = Latest(compute), dtype

    def __call__(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
        """Return a copy of a region."""
        return self._latest(t, c, z)[rows, columns].astype(self._dtype)


class Latest:
    """Function that caches its latest result; unlike one of `functools.lru_cache`, it can be pickled."""

    def __init__(self, compute: Callable[..., Array]) -> None:
        self._compute = compute
        self._latest: tuple[Any, Array] | None = None

    def __call__(self, *key: Any) -> Array:
        """Return the result for `key`, computed unless it was the key of the latest call."""
        latest = self._latest
        if latest is None or latest[0] != key:
            self._latest = latest = key, self._compute(*key)
        return latest[1]


def planes_in(planes: Iterable[Plane], picks: Sequence[range]) -> frozenset[Plane]:
    """Return the planes (t, c, z) that are in a selection, as indices of the selection.

    >>> sorted(planes_in({(0, 0, 0), (4, 1, 0), (5, 1, 0)}, (range(4, 9, 2), range(2), range(1))))
    [(0, 1, 0)]
    """
    return frozenset(
        (picks[0].index(t), picks[1].index(c), picks[2].index(z))
        for t, c, z in planes
        if t in picks[0] and c in picks[1] and z in picks[2]
    )


def _composed(own: range, pick: range) -> range:
    """Return the elements of a range at the indices of another range, as a range."""
    start, step = own.start, own.step
    return range(start + step * pick.start, start + step * pick.stop, step * pick.step)
