"""Fourier ring correlation against a reference, or against independent photons.

The threshold depends on the pair. Two independent noisy images of one object: 1/7. A restored image against a clean
reference: 0.5, since a noisy image with halves that correlate by F correlates with the reference by ``sqrt(2 F / (1 +
F))`` (Rosenthal and Henderson 2003), and F = 1/7 yields 0.5.

Two restored halves must not be compared with each other: a network adds the same texture to both, which correlates
without being correct. `cross_frc` compares a restored half with the raw other half, so that only detail confirmed by
independent photons counts.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.signal import savgol_filter

from decrappify._common.argument_names import argument
from decrappify.errors import InputError
from decrappify.metrics.sums.pairs import checked_stack
from decrappify.metrics.sums.spectrum import RingSums, ring_sums
from decrappify.movie import Array

AGAINST_REFERENCE = 0.5
BETWEEN_HALVES = 1 / 7
FINEST_DETAIL = 0.42  # cycles per pixel; at higher frequencies, sampled images have little structure
_SMOOTHED_RINGS = 7
# The innermost rings contain few modes, and the shading that remains after the window.
_FIRST_RING = 2


class RingCorrelation(NamedTuple):
    """Fourier ring correlation: `frequency` in cycles per pixel (0 to 0.5) and `correlation` (-1 to 1)."""

    frequency: Array
    correlation: Array

    def smoothed(self) -> Array:
        """Return the correlation after a Savitzky-Golay filter over 7 rings, of order 2."""
        if len(self.correlation) < _SMOOTHED_RINGS:
            return self.correlation
        return np.asarray(savgol_filter(self.correlation, _SMOOTHED_RINGS, 2))

    def resolution_px(self, threshold: float) -> float:
        """Return the period, in pixels, at which the smoothed curve first falls below `threshold`.

        2.0 if it never does: the pixels, not the image, are the limit. Infinite if it is below from the start.
        """
        if not 0 < threshold < 1:
            raise InputError(f"threshold is {threshold!r}, expected a correlation between 0 and 1, such as 0.5")
        curve, frequency = self.smoothed()[_FIRST_RING:], self.frequency[_FIRST_RING:]
        below = np.flatnonzero(curve < threshold)
        if below.size == 0:
            return 2.0
        i = int(below[0])
        if i == 0:
            return math.inf
        step = (curve[i - 1] - threshold) / (curve[i - 1] - curve[i])
        return float(1 / (frequency[i - 1] + step * (frequency[i] - frequency[i - 1])))


def frc(first: ArrayLike, second: ArrayLike) -> RingCorrelation:
    """Compute the Fourier ring correlation of two images, or of two movies from the sums over all frames.

    ``Re sum(F1 F2*) / sqrt(sum|F1|² sum|F2|²)`` on rings one Fourier pixel wide, of the largest centered square with
    its mean subtracted and a Hann window (van Heel 1982; Nieuwenhuizen et al. 2013). For two images with independent
    white noise the expected value is ``SNR / (1 + SNR)`` at each frequency, for a noisy and a clean one its root. It is
    invariant to gain, offset and isotropic blur.

    Parameters
    ----------
    first, second : array-like
        (Y, X) or (T, Y, X), equal shapes, at least 16 × 16 pixels, any gray levels.

    Returns
    -------
    RingCorrelation
        With ``resolution_px(threshold)``; see the module docstring for the threshold.

    Raises
    ------
    InputError
        If shapes differ, frames are smaller, or a value is NaN.

    Examples
    --------
    >>> image = np.random.default_rng(0).random((64, 64))
    >>> frc(image, 3 * image + 7).resolution_px(AGAINST_REFERENCE)
    2.0
    """
    return correlation_from(ring_sums(first, second, ("first", "second")))


def correlation_from(sums: RingSums) -> RingCorrelation:
    """Compute `frc` from running sums; a ring without power has correlation 0."""
    norm = np.sqrt(sums.first * sums.second)
    correlation = np.divide(sums.cross, norm, out=np.zeros_like(norm), where=norm > 0)
    return RingCorrelation(sums.frequency, correlation)


def finest_correlation(first: ArrayLike, second: ArrayLike) -> float:
    """Compute the mean ring correlation of the finest detail, which is 0 for independent noise.

    Examples
    --------
    >>> one, two = np.random.default_rng(0).normal(size=(2, 64, 64))
    >>> round(finest_correlation(one + two, one), 1), abs(finest_correlation(one, two)) < 0.1
    (0.7, True)
    """
    curve = frc(first, second)
    return float(curve.correlation[curve.frequency > FINEST_DETAIL].mean())


def cross_frc(restored_half: ArrayLike, other_half: ArrayLike) -> RingCorrelation:
    """Correlate a restored half of the data with the raw other half: detail confirmed by independent photons.

    Needs no reference. Its threshold is 1/7, as for two raw halves, so that the unrestored half yields the classical
    FRC resolution for comparison. Detail invented by a network does not correlate with the noise of the other half and
    does not count. An isotropic filter has no effect either: only a restoration with detail at the correct position
    exceeds the raw half, at most up to the root of its curve.

    Parameters
    ----------
    restored_half : array-like
        (Y, X) or (T, Y, X): the restoration of one half; if its grid is an integer number of times finer, it is
        averaged in blocks to the raw grid.
    other_half : array-like
        (Y, X) or (T, Y, X): the raw other half, or other frames of a static specimen.

    Raises
    ------
    InputError
        If the shapes do not fit, or a value is NaN.
    """
    restored, raw = checked_stack(restored_half, "restored_half"), checked_stack(other_half, "other_half")
    return frc(block_mean(restored, raw.shape[1:]), raw)


def block_mean(stack: Array, shape: tuple[int, ...]) -> Array:
    """Average (T, Y, X) frames in blocks to `shape` (Y, X); their size must be an integer multiple of it."""
    height, width = shape
    scale = stack.shape[1] // height
    if scale < 1 or stack.shape[1:] != (height * scale, width * scale):
        raise InputError(f"frames of {stack.shape[1:]} pixels are not a whole multiple of {tuple(shape)}")
    if scale == 1:
        return stack
    blocks = stack.reshape(len(stack), height, scale, width, scale)
    return np.asarray(blocks.mean(axis=(2, 4), dtype=np.float64))


def check_camera(gain: float, offset: float, read_noise: float) -> None:
    """Raise InputError if gain, offset or read noise is not possible for a camera."""
    if not 0 < gain < math.inf or not math.isfinite(offset) or not 0 <= read_noise < math.inf:
        raise InputError(
            f"{argument('gain')} is {gain!r}, {argument('offset')} {offset!r} and {argument('read_noise')} "
            f"{read_noise!r}, expected a gain above 0, a finite offset and a read noise of at least 0"
        )
