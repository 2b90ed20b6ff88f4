"""Significance of filtered residuals: skewness of photon noise, the number of tests, and the false discovery rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]


def normal_score(x: ArrayLike, skewness: ArrayLike) -> Array:
    """Convert a standardized sum of photon noise to the standard normal score with the same tail probability.

    The sum is approximated by a shifted gamma distribution of equal variance and skewness, and this by the cube root of
    Wilson and Hilferty (1931). A normal approximation would be too strict above the mean and too lenient below it.

    Parameters
    ----------
    x : array-like
        Deviation from the mean in standard deviations.
    skewness : array-like
        Skewness of the distribution, at least 0.

    Examples
    --------
    >>> np.round(normal_score([-3.0, 0.0, 3.0], 0.4), 2)
    array([-3.88,  0.07,  2.61])
    """
    x, skewness = np.asarray(x), np.maximum(skewness, 1e-3)
    root = np.cbrt(np.maximum(1 + x * skewness / 2, 0))
    return np.asarray(6 / skewness * (root - 1) + skewness / 6)


def tail_probability(height: ArrayLike, area: float, sigmas: Sequence[float]) -> Array:
    """Return an upper limit of the probability that noise exceeds a height, of either sign, anywhere in a region.

    The expected number of local maxima of smooth Gaussian fields above the height (Worsley et al. 1992), summed over
    the filters; at most 1.

    Parameters
    ----------
    height : array-like
        Largest absolute normal score in the region.
    area : float
        Pixels of the region.
    sigmas : sequence of float
        Widths of the filters in pixels.

    Examples
    --------
    >>> float(tail_probability(5.0, 256, [1.0]).round(4))
    0.0003
    """
    height = np.maximum(np.asarray(height, np.float64), 1.0)
    density = sum(1 / (2 * sigma**2) for sigma in sigmas) / (2 * math.pi) ** 1.5
    return np.asarray(np.minimum(2 * area * density * height * np.exp(-np.square(height) / 2), 1.0))


def upper_tail(score: ArrayLike) -> Array:
    """Return the probability that a standard normal variable exceeds a score.

    >>> float(upper_tail(1.645).round(3))
    0.05
    """
    from scipy.special import ndtr

    return np.asarray(ndtr(-np.asarray(score, np.float64)))


def quantile(probability: float) -> float:
    """Return the score below which a standard normal variable is with a probability.

    >>> round(quantile(0.95), 3)
    1.645
    """
    from scipy.special import ndtri

    return float(ndtri(probability))


def height_of(probability: float, area: float, sigmas: Sequence[float]) -> float:
    """Return the height at which `tail_probability` has a value.

    >>> round(height_of(float(tail_probability(5.0, 256, [1.0, 2.0])), 256, [1.0, 2.0]), 3)
    5.0
    """
    from scipy.optimize import brentq

    def excess(height: float) -> float:
        return math.log(float(tail_probability(height, area, sigmas)) / probability)

    return float(brentq(excess, 1.0, 38.0)) if excess(1.0) > 0 else 1.0


def rejected(probabilities: ArrayLike, rate: float) -> Array:
    """Return which hypotheses are rejected with a limited false discovery rate (Benjamini and Hochberg 1995).

    >>> rejected([0.001, 0.2, 0.015, 0.9], 0.05)
    array([ True, False,  True, False])
    """
    values = np.asarray(probabilities, np.float64)
    ordered = np.sort(values, axis=None)
    passed = np.flatnonzero(ordered <= rate * np.arange(1, ordered.size + 1) / ordered.size)
    return values <= ordered[passed[-1]] if passed.size else np.zeros(values.shape, bool)
