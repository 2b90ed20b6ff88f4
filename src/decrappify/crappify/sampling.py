"""Sampling of detectors and scanners: coarser grids, and line jitter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from decrappify._common.checks import short
from decrappify.crappify.part import AnyNumber, Limits, NonNegative, Part, Signal, Times
from decrappify.crappify.registry import register_part
from decrappify.errors import InputError


@dataclass(frozen=True, slots=True)
class _Down(Part):
    """Base of the parts that return a coarser grid."""

    factor: int = 2

    def __post_init__(self) -> None:
        if not Limits(minimum=2, whole=True).allows(self.factor) or not isinstance(self.factor, int):
            raise InputError(f"{self.name}: factor is {short(self.factor)}, expected an integer of at least 2")
        Part.__post_init__(self)

    @property
    def scale(self) -> int:
        """Down-sampling factor along Y and X."""
        return self.factor


@register_part("bin_down")
@dataclass(frozen=True, slots=True)
class BinDown(_Down):
    """Down-sampling of a camera with larger pixels: each new pixel integrates a whole block.

    The signal is the mean of the block, so `photons` of a noise part that follows are counted per large pixel.

    Attributes
    ----------
    factor : int
        Pixels per new pixel along Y and X.
    """

    def apply(self, signal: Signal, rng: np.random.Generator, times: Times) -> Signal:
        """Average blocks."""
        n_t, rows, columns = signal.shape
        blocks = signal.reshape(n_t, rows // self.factor, self.factor, columns // self.factor, self.factor)
        return np.asarray(blocks.mean(axis=(2, 4), dtype=np.float32))


@register_part("sample_down")
@dataclass(frozen=True, slots=True)
class SampleDown(_Down):
    """Down-sampling of a point scanner: fewer dwell positions, each of which samples a point, not an area.

    The dwell position is the center of the block, so that the new grid is that of `BinDown`. For an even factor the
    center is between pixels, and the four nearest along each axis are interpolated (cubic; Keys 1981).

    Attributes
    ----------
    factor : int
        Pixels per dwell position along Y and X.
    """

    def apply(self, signal: Signal, rng: np.random.Generator, times: Times) -> Signal:
        """Sample the block centers."""
        start, between = divmod(self.factor - 1, 2)
        if not between:
            return signal[:, start :: self.factor, start :: self.factor].copy()
        for axis in (1, 2):
            signal = self._centers(signal, axis, start)
        return signal

    def _centers(self, signal: Signal, axis: int, start: int) -> Signal:
        size = signal.shape[axis]
        left = np.arange(start, size, self.factor)
        outer = signal.take(np.maximum(left - 1, 0), axis) + signal.take(np.minimum(left + 2, size - 1), axis)
        inner = signal.take(left, axis) + signal.take(left + 1, axis)
        return np.asarray(inner * np.float32(9 / 16) - outer * np.float32(1 / 16))


@register_part("line_jitter")
@dataclass(frozen=True, slots=True)
class LineJitter(Part):
    """Random sub-pixel shifts of the rows of a scanned image along X, independent in every frame.

    Attributes
    ----------
    sigma : float or range
        Standard deviation of the shift of one row, in pixels.
    bidirectional : float or range
        Offset in pixels between odd and even rows of a bidirectional scanner; each is shifted by half of it.
    """

    sigma: NonNegative = 0.3
    bidirectional: AnyNumber = 0.0

    def apply(self, signal: Signal, rng: np.random.Generator, times: Times) -> Signal:
        """Shift rows by cubic interpolation; the border pixel is repeated."""
        n_t, rows, _ = signal.shape
        shift = rng.standard_normal((n_t, rows), dtype=np.float32) * np.float32(self.value("sigma"))
        shift += np.where(np.arange(rows) % 2, 0.5, -0.5).astype(np.float32) * np.float32(self.value("bidirectional"))
        return shift_rows(signal, shift)


def shift_rows(signal: Signal, shift: NDArray[np.float32]) -> Signal:
    """Shift row (t, y) of a (T, Y, X) signal by ``shift[t, y]`` pixels to the right (cubic; Keys 1981)."""
    whole = np.floor(-shift)
    part = (-shift - whole)[..., None]
    weights = (
        ((2 - part) * part - 1) * part / 2,
        ((3 * part - 5) * part * part + 2) / 2,
        ((4 - 3 * part) * part + 1) * part / 2,
        (part - 1) * part * part / 2,
    )
    columns = signal.shape[2]
    first = np.arange(columns) + whole[..., None].astype(np.int64)
    moved = np.zeros_like(signal)
    for tap, weight in enumerate(weights):
        moved += weight * np.take_along_axis(signal, np.clip(first + (tap - 1), 0, columns - 1), axis=2)
    return moved
