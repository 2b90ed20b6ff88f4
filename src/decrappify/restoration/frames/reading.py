"""Preparation of frames for a network: read, normalized, NaN filled, outliers replaced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from decrappify.movie import Array, Movie, Plane
from decrappify.normalization import finite_frame
from decrappify.restoration.measurement.channels import Channel
from decrappify.restoration.measurement.flashes import Brightness, sampled_patches
from decrappify.restoration.measurement.outliers import OutlierLimits, find_outliers, replaced
from decrappify.restoration.measurement.repair import filled

_POSITIONS = 16  # recorded outlier positions per frame
LARGEST_WHOLE = 1 << 24  # pixels: of larger frames only a part is read, with some context
_CONTEXT = 64
_MOST_REPAIRS = 20_000  # pixels of a plane, which are sent to workers
_NOWHERE = np.empty(0, np.intp), np.empty(0, np.intp)

Part = tuple[slice, slice]


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a channel group in network units.

    Attributes
    ----------
    values : ndarray of float32, (C, Y, X), or None
        None if the frame contains only NaN.
    unknown : ndarray of bool, (Y, X), or None
        Pixels with NaN in any channel.
    brightness : tuple of Brightness
        One per channel; empty if frames are not compared.
    outliers : int
        Number of replaced pixels.
    positions : list of [c, y, x]
        Positions of the first replaced pixels.
    """

    values: Array | None
    unknown: NDArray[np.bool_] | None = None
    brightness: tuple[Brightness, ...] = ()
    outliers: int = 0
    positions: tuple[tuple[int, int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Repairs:
    """Replaced outliers and brightness of a plane without NaN, with which a part of it can be read alone.

    Attributes
    ----------
    rows, columns : ndarray of int
        The outliers, row by row.
    values : ndarray of float32
        Their replacements, in network units.
    brightness : Brightness or None
        None if frames are not compared.
    version : str or None
        `Movie.version` of the plane before it was read.
    """

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    values: Array
    brightness: Brightness | None
    version: str | None


@dataclass(frozen=True, slots=True)
class _Prepared:
    """One plane in network units, or a part of it, and what was found in the whole one (`Frame`)."""

    values: Array
    unknown: NDArray[np.bool_] | None
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    brightness: Brightness | None


class FrameReader:
    """Reader of the frames of a movie, prepared for a network.

    Parameters
    ----------
    movie : Movie
        The input.
    channels : sequence of Channel
        Measurements, one per channel.
    nan : {"error", "fill", "zero"}
        Raise an error on NaN and infinite pixels, or fill them.
    compares : bool
        Whether frames are compared with neighboring frames.
    part : tuple of slice, optional
        Rows and columns to return; outliers and brightness are computed for the whole frame, or of a very large one for
        the surroundings of the part.
    known : mapping of (t, c, z) to Repairs, optional
        What was found in planes, of which only the part is then read. All others are read as a whole, also large ones,
        so that the values are always those of the whole frame.
    """

    def __init__(
        self,
        movie: Movie,
        channels: Sequence[Channel],
        *,
        nan: str,
        compares: bool,
        part: Part | None = None,
        known: Mapping[Plane, Repairs] | None = None,
    ) -> None:
        self._movie, self._channels, self._nan, self._compares, self._part = movie, channels, nan, compares, part
        self._known = known or {}
        height, width = movie.shape[3:]
        self._window = (slice(0, height), slice(0, width))
        if part is not None and known is None and height * width > LARGEST_WHOLE:
            rows, columns = part
            self._window = (_with_context(rows, height), _with_context(columns, width))

    def read(self, t: int, z: int, channels: Sequence[int]) -> Frame:
        """Read one frame of the channels `channels`."""
        planes, unknown, positions, count = [], None, [], 0
        brightness = []
        for c in channels:
            found = self._known_part(t, c, z) or self._prepared(t, c, z)
            if found is None:
                return Frame(None)
            if found.unknown is not None:
                unknown = found.unknown if unknown is None else unknown | found.unknown
            count += len(found.rows)
            top, left = self._window[0].start, self._window[1].start
            places = zip(found.rows[:_POSITIONS].tolist(), found.columns[:_POSITIONS].tolist(), strict=True)
            positions += [(c, y + top, x + left) for y, x in places]
            if found.brightness is not None:
                brightness.append(found.brightness)
            planes.append(found.values)
        values = planes[0][None] if len(planes) == 1 else np.stack(planes)
        return Frame(values, unknown, tuple(brightness), count, tuple(positions[:_POSITIONS]))

    def repairs(self, t: int, c: int, z: int) -> Repairs | None:
        """Read a whole plane, and return what was found in it; None if a part of it must not be read alone."""
        version = self._movie.version(t, c, z)
        found = self._prepared(t, c, z)
        if found is None or found.unknown is not None or len(found.rows) > _MOST_REPAIRS:
            return None
        values = found.values[found.rows, found.columns]
        return Repairs(found.rows, found.columns, values, found.brightness, version)

    def _prepared(self, t: int, c: int, z: int) -> _Prepared | None:
        """Read a plane, or the part of it; None if it contains only NaN."""
        plane, unknown = self._plane(t, c, z)
        if plane is None:
            return None
        limits = self._limits(c)
        outliers = None if limits is None else find_outliers(plane, limits)
        rows, columns = _NOWHERE if outliers is None else np.nonzero(outliers)
        if outliers is not None:
            plane = replaced(plane, outliers)
        brightness = self._brightness(t, c, z, plane) if self._compares else None
        if self._part is not None:
            inside = tuple(
                slice(part.start - window.start, part.stop - window.start)
                for part, window in zip(self._part, self._window, strict=True)
            )
            plane, unknown = plane[inside], None if unknown is None else unknown[inside]
        return _Prepared(plane, unknown, rows, columns, brightness)

    def _known_part(self, t: int, c: int, z: int) -> _Prepared | None:
        """Read the part of a plane whose repairs are known; None if they are not, or its file has changed since."""
        known = self._known.get((t, c, z))
        if known is None or self._part is None:
            return None
        rows, columns = self._part
        values = self._channels[c].normalization.apply(self._movie.region(t, c, z, rows, columns))
        if self._movie.version(t, c, z) != known.version:
            return None
        inside = (known.rows >= rows.start) & (known.rows < rows.stop)
        inside &= (known.columns >= columns.start) & (known.columns < columns.stop)
        values[known.rows[inside] - rows.start, known.columns[inside] - columns.start] = known.values[inside]
        return _Prepared(values, None, known.rows, known.columns, known.brightness)

    def _plane(self, t: int, c: int, z: int) -> tuple[Array | None, NDArray[np.bool_] | None]:
        movie = self._movie
        if self._is_cut:
            movie = movie.crop(*self._window)
        frame = finite_frame(movie, t, c, z, nan=self._nan)
        normalization = self._channels[c].normalization
        if frame.dtype.kind != "f" or not np.isnan(frame).any():
            return normalization.apply(frame), None
        if np.isnan(frame).all():
            return None, None
        frame, unknown = filled(frame)
        return normalization.apply(frame), unknown

    @property
    def _is_cut(self) -> bool:
        return tuple(part.stop - part.start for part in self._window) != self._movie.shape[3:]

    def _limits(self, c: int) -> OutlierLimits | None:
        limits = self._channels[c].limits
        if limits is None or not limits.static or not self._is_cut:
            return limits
        rows, columns = self._window
        inside = [
            (y - rows.start, x - columns.start)
            for y, x in limits.static
            if rows.start <= y < rows.stop and columns.start <= x < columns.stop
        ]
        return replace(limits, static=tuple(inside))

    def _brightness(self, t: int, c: int, z: int, plane: Array) -> Brightness:
        patches = sampled_patches((self._movie.shape[3], self._movie.shape[4]))
        if not self._is_cut:
            return Brightness.of([plane[patch] for patch in patches])
        normalization = self._channels[c].normalization
        whole = [self._movie.region(t, c, z, *patch) for patch in patches]
        return Brightness.of([np.nan_to_num(normalization.apply(patch)) for patch in whole])


def _with_context(part: slice, size: int) -> slice:
    return slice(max(0, part.start - _CONTEXT), min(size, part.stop + _CONTEXT))
