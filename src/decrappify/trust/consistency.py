"""Consistency: the residual of a restoration as maps of normal scores at several sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decrappify.trust.camera import PlaneNoise
from decrappify.trust.filters import MatchedFilter
from decrappify.trust.significance import normal_score

Array = NDArray[Any]
# Relative error of the result that is not reported: calibration and linearity of cameras are not more accurate.
TOLERANCE = 0.02


@dataclass(frozen=True, slots=True)
class Deviation:
    """Standard deviation of the filtered noise of one plane, and its skewness.

    Attributes
    ----------
    sd : array (Y, X)
        In gray levels.
    skewness : (array, array)
        For deviations below and above the expected value.
    tolerance : array (Y, X)
        Deviation in gray levels that is accepted.
    """

    sd: Array
    skewness: tuple[Array, Array]
    tolerance: Array


def deviation(filter_: MatchedFilter, variance: Array, noise: PlaneNoise) -> Deviation:
    """Compute the distribution of the filtered noise from the variance of the pixels (Y, X)."""
    white = filter_.sum_of_variances(variance)
    ratio = filter_.gain_in_variance(noise.correlation)
    local = white / np.float32(filter_.power)
    scale = np.float32(filter_.skewness * noise.gain) / local**1.5
    low, high = noise.read_variance
    # With correlated noise, of which the skewness is not known, the safe limit is used on each side.
    below = scale * np.maximum(local - np.float32(high), 0) * np.float32(noise.correlation is None)
    above = scale * np.maximum(local - np.float32(low), 0) * np.float32(np.sqrt(ratio))
    return Deviation(np.sqrt(white * np.float32(ratio)), (below, above), np.float32(TOLERANCE / noise.gain) * local)


def scores(filter_: MatchedFilter, residual: Array, expected: Deviation) -> Array:
    """Return the normal scores of a filtered residual ``measured - restored`` (Y, X).

    They are at most standard normal if the result is the expected image: a restoration follows the noise of its input
    to some extent, which makes the residual smaller.
    """
    filtered = filter_.smooth(residual)
    excess = np.copysign(np.maximum(np.abs(filtered) - expected.tolerance, 0), filtered) / expected.sd
    below, above = expected.skewness
    return np.asarray(normal_score(excess, np.where(excess < 0, below, above)), np.float32)


def residual_of(measured: Array, restored: Array, noise: PlaneNoise, evaluated: Array) -> Array:
    """Return ``measured - restored`` as float32, 0 in pixels that are not evaluated, without offsets of lines."""
    residual = np.subtract(measured, restored, dtype=np.float32)
    residual = np.where(evaluated, residual, np.float32(0))
    if noise.has_row_noise:
        residual -= np.median(residual, axis=1, keepdims=True)
    if noise.has_column_noise:
        residual -= np.median(residual, axis=0, keepdims=True)
    return np.where(evaluated, residual, np.float32(0))
