"""Preparation of frames for a network: read, normalized, NaN filled, outliers replaced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from decrappify.movie import Array, Movie
from decrappify.normalization import finite_frame
from decrappify.restoration.measurement.channels import Channel
from decrappify.restoration.measurement.flashes import Brightness, sampled_patches
from decrappify.restoration.measurement.outliers import OutlierLimits, find_outliers, replaced
from decrappify.restoration.measurement.repair import filled

_POSITIONS = 16  # recorded outlier positions per frame
_LARGEST_WHOLE = 1 << 24  # pixels: of larger frames only a part is read, with some context
_CONTEXT = 64

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
        Rows and columns to return; outliers and brightness are computed for the whole frame.
    """

    def __init__(
        self, movie: Movie, channels: Sequence[Channel], *, nan: str, compares: bool, part: Part | None = None
    ) -> None:
        self._movie, self._channels, self._nan, self._compares, self._part = movie, channels, nan, compares, part
        height, width = movie.shape[3:]
        self._window = (slice(0, height), slice(0, width))
        if part is not None and height * width > _LARGEST_WHOLE:
            rows, columns = part
            self._window = (_with_context(rows, height), _with_context(columns, width))

    def read(self, t: int, z: int, channels: Sequence[int]) -> Frame:
        """Read one frame of the channels `channels`."""
        planes, unknown, positions, count = [], None, [], 0
        brightness = []
        for c in channels:
            plane, holes = self._plane(t, c, z)
            if plane is None:
                return Frame(None)
            if holes is not None:
                unknown = holes if unknown is None else unknown | holes
            limits = self._limits(c)
            outliers = None if limits is None else find_outliers(plane, limits)
            if outliers is not None:
                count += int(np.count_nonzero(outliers))
                top, left = self._window[0].start, self._window[1].start
                positions += [(c, int(y) + top, int(x) + left) for y, x in np.argwhere(outliers)[:_POSITIONS]]
                plane = replaced(plane, outliers)
            if self._compares:
                brightness.append(self._brightness(t, c, z, plane))
            planes.append(plane)
        values = planes[0][None] if len(planes) == 1 else np.stack(planes)
        if self._part is not None:
            rows, columns = (
                slice(part.start - window.start, part.stop - window.start)
                for part, window in zip(self._part, self._window, strict=True)
            )
            values = values[:, rows, columns]
            unknown = None if unknown is None else unknown[rows, columns]
        return Frame(values, unknown, tuple(brightness), count, tuple(positions[:_POSITIONS]))

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
