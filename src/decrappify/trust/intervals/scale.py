"""Expected size of the error of a result, up to a factor: from its noise and its local contrast.

The weights were chosen among combinations of noise, residual, gradient and local contrast by the mean width at equal
coverage, on fields of benchmarks/noise_and_trust/intervals.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from decrappify.movie import Array

_BINS = 12  # of gray levels, with equal numbers of pixels
_CONTRAST_SIGMA = 2.0  # px
_CONTRAST_WEIGHT = 0.3  # exponent; that of the noise is the rest to 1
_LEAST_CONTRAST = 0.1  # of the noise
_LEAST_NOISE = 1e-3  # of the range of the result
_TINY = 1e-9  # gray levels, so that no scale is 0


@dataclass(frozen=True, slots=True)
class Noise:
    """Noise of a channel by brightness: ``variance = intercept + slope * gray level``, at least `least` squared."""

    intercept: float
    slope: float
    least: float

    def deviation(self, gray_level: Array) -> Array:
        """Return the standard deviation at gray levels of the result."""
        variance = np.float32(self.slope) * gray_level + np.float32(self.intercept)
        return np.asarray(np.sqrt(np.maximum(variance, np.float32(self.least**2)), dtype=np.float32))


def measure_noise(measured: Sequence[Array], restored: Sequence[Array]) -> Noise:
    """Fit the variance of measured minus restored, as a line over the gray level of the result.

    Parameters
    ----------
    measured, restored : sequences of arrays
        Finite gray levels of the same pixels.

    Examples
    --------
    >>> restored = np.tile(np.linspace(100, 300, 400), (100, 1))
    >>> noisy = np.random.default_rng(0).normal(restored, np.sqrt(restored - 50))
    >>> noise = measure_noise([noisy], [restored])
    >>> round(noise.slope, 1), round(noise.intercept, -1)
    (1.0, -50.0)
    """
    level = np.concatenate([plane.ravel() for plane in restored]).astype(np.float64)
    squares = np.square(np.concatenate([plane.ravel() for plane in measured]).astype(np.float64) - level)
    least = max(_LEAST_NOISE * float(np.ptp(level)), _TINY)
    inner = np.unique(np.quantile(level, np.arange(1, _BINS) / _BINS))
    bins = np.searchsorted(inner, level, side="right")
    count = np.bincount(bins)
    used = count > 0
    mean = np.bincount(bins, level)[used] / count[used]
    variance = np.bincount(bins, squares)[used] / count[used]
    floor = max(least, float(np.sqrt(variance.min() / 2)))
    overall = Noise(float(squares.mean()), 0.0, floor)
    if len(mean) < 2 or not variance.any():
        return overall
    weight = np.sqrt(count[used]) / np.maximum(variance, 1e-3 * variance.max() + least**2)
    slope, intercept = np.polyfit(mean - mean[0], variance, 1, w=weight)
    return overall if slope <= 0 else Noise(float(intercept - slope * mean[0]), float(slope), floor)


def error_scale(restored: Array, noise: Noise) -> Array:
    """Return the scale of the error of each pixel of a plane (Y, X), in gray levels."""
    from scipy.ndimage import gaussian_filter

    finite = np.isfinite(restored)
    center = float(restored[finite].mean()) if finite.any() else 0.0
    level = np.where(finite, restored, center).astype(np.float32)
    deviation = noise.deviation(level)
    level -= np.float32(center)
    mean = gaussian_filter(level, _CONTRAST_SIGMA, mode="reflect")
    variance = gaussian_filter(np.square(level), _CONTRAST_SIGMA, mode="reflect") - np.square(mean)
    contrast = np.sqrt(np.maximum(variance, 0) + np.square(_LEAST_CONTRAST * deviation))
    return np.asarray(deviation ** (1 - _CONTRAST_WEIGHT) * contrast**_CONTRAST_WEIGHT)
