"""Gaussian matched filters, the variance that they leave, and its change at the border."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decrappify.noise.measurement.kernels import response

Array = NDArray[Any]
_TRUNCATE = 3.5  # half width of a filter in sigmas


@dataclass(frozen=True, slots=True)
class MatchedFilter:
    """A Gaussian of sum 1, separable along Y and X.

    Attributes
    ----------
    sigma : float
        Width in pixels.
    kernel : array
        Weights along one axis.
    """

    sigma: float
    kernel: Array

    @property
    def power(self) -> float:
        """Sum of the squared weights: the variance after filtering white noise of variance 1."""
        return float(np.square(self.kernel).sum() ** 2)

    @property
    def skewness(self) -> float:
        """Skewness of filtered white noise of variance 1 and skewness 1."""
        return float((self.kernel**3).sum() ** 2 / self.power**1.5)

    @property
    def peak_share(self) -> float:
        """Response at the center of a spot with the shape of the filter and peak 1."""
        return self.power / float(self.kernel.max() ** 2)

    def smooth(self, image: Array) -> Array:
        """Filter an image (Y, X) as float32, reflected at the border."""
        return _separable(image, self.kernel)

    def sum_of_variances(self, variance: Array) -> Array:
        """Return the variance after filtering white noise of a variance that differs between pixels."""
        return _separable(variance, np.square(self.kernel)) * _border(self.kernel.tobytes(), variance.shape)

    def gain_in_variance(self, correlation: Array | None) -> float:
        """Return the ratio of the variances after filtering noise of this autocorrelation and white noise."""
        if correlation is None:
            return 1.0
        kernel = np.outer(self.kernel, self.kernel)
        return max(response(kernel, correlation), 1e-3 * self.power) / self.power


@cache
def matched_filter(sigma: float) -> MatchedFilter:
    """Create the filter of a width in pixels."""
    reach = max(1, int(np.ceil(_TRUNCATE * sigma)))
    kernel = np.exp(-0.5 * np.square(np.arange(-reach, reach + 1) / sigma))
    kernel /= kernel.sum()
    kernel.setflags(write=False)
    return MatchedFilter(sigma, kernel)


def _separable(image: Array, kernel: Array) -> Array:
    from scipy.ndimage import correlate1d

    once = correlate1d(np.asarray(image, np.float32), kernel, axis=0, mode="reflect")
    return np.asarray(correlate1d(once, kernel, axis=1, mode="reflect"))


@cache
def _border(kernel: bytes, shape: tuple[int, int]) -> Array:
    """Return the factor by which reflection at the border raises the variance, (Y, X): 1 inside."""
    weights = np.frombuffer(kernel)
    rows, columns = (_border_along(weights, length) for length in shape)
    factor = np.outer(rows, columns).astype(np.float32)
    factor.setflags(write=False)
    return factor


def _border_along(weights: Array, length: int) -> Array:
    from scipy.ndimage import correlate1d

    reach = len(weights) // 2
    near = min(length, 4 * reach + 2)
    squares = np.square(correlate1d(np.eye(near), weights, axis=0, mode="reflect")).sum(1)
    squares /= np.square(weights).sum()
    if near == length:
        return np.asarray(squares)
    factor = np.ones(length)
    half = near // 2
    factor[:half], factor[-half:] = squares[:half], squares[-half:]
    return factor
