"""Comparison of a model with the best Gaussian filter on held-out photons, with its uncertainty, and the verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from decrappify.checking.scores import Thinning
from decrappify.movie import Array

Verdict = Literal["better", "similar", "worse", "untested"]

_CERTAIN = 2.0  # standard errors
_NOTICEABLE = 0.05  # difference of the errors relative to that of the filter: about 0.2 dB
_UNDECIDED = 0.25  # uncertainty of the difference, relative to the error of the filter, from which nothing is stated
_LARGEST_ERROR_DB = 0.75  # or half of the gain, up to which it is stated
MOST_SHARED = 0.3  # noise that both parts share, relative to that of the movie


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Errors on held-out photons.

    Attributes
    ----------
    gain_db, gain_error_db : float or None
        By how many dB the squared error of the model is below that of the best Gaussian filter, and its standard
        error, over regions and by the uncertainty of the calibration; None if the data do not determine it.
    least_db : float
        Least absolute gain that the uncertainty permits.
    change, change_error : float
        Squared error of the filter minus that of the model, relative to the variance of the noise of the movie, and its
        standard error. Above 0, the model is better.
    gaussian : float
        Squared error of the filter, in the same units; below 0 if it is smaller than its uncertainty.
    model, model_error : float
        Squared error of the model, in the same units, and its standard error over regions. Models that were checked on
        the same movie with the same noise are compared by it: the filter for a model of several frames is another one
        than that for a model of single frames, so that their gains are not on the same scale. A wrong gain changes the
        errors of all models by about the same value.
    shared : float
        Noise or structure that both parts share at the finest detail, relative to the noise of the movie.
    sigma_space, sigma_time : float
        Widths of the Gaussian filter, in pixels and frames.
    n_regions : int
        Regions that were compared.
    bm3d_db, bm3d_error_db : float or None
        By how many dB the error of BM3D is below that of the model, if the package bm3d is installed.
    example : tuple of arrays (Y, X)
        One region: 80 % of the light, restored by the model, and by the Gaussian filter.
    """

    gain_db: float | None
    gain_error_db: float | None
    least_db: float
    change: float
    change_error: float
    gaussian: float
    shared: float
    sigma_space: float
    sigma_time: float
    n_regions: int
    model: float = math.nan
    model_error: float = math.nan
    bm3d_db: float | None = None
    bm3d_error_db: float | None = None
    example: tuple[Array, ...] = field(default=(), repr=False, compare=False)

    @property
    def is_certain(self) -> bool:
        """Whether the difference is larger than two standard errors."""
        return abs(self.change) > _CERTAIN * self.change_error

    @property
    def verdict(self) -> Verdict:
        """The verdict by the difference alone."""
        filter_error = max(self.gaussian, 0.0)
        if self.shared > MOST_SHARED or self.shared < -MOST_SHARED:
            return "untested"
        if self.is_certain and abs(self.change) >= _NOTICEABLE * filter_error:
            return "better" if self.change > 0 else "worse"
        return "untested" if _CERTAIN * self.change_error > _UNDECIDED * filter_error else "similar"


def compared(thinning: Thinning, gain_error: float, *, is_white: bool = True) -> HeldOut:
    """Compare the errors of a thinning test.

    Parameters
    ----------
    thinning : Thinning
        Differences from the held-out part.
    gain_error : float
        Relative standard error of the gain. A larger share of common noise at the finest detail takes its place.
    is_white : bool
        Whether the noise is independent between pixels; otherwise, its share at the finest detail is not evaluated.
    """
    model, gaussian, variance = thinning.model, thinning.gaussian, thinning.variance
    shared = thinning.shared if is_white else 0.0
    wrong = max(gain_error, abs(shared)) * variance
    gains = gaussian.differences - model.differences
    systematic = 2 * wrong / variance * abs(model.sensitivity - gaussian.sensitivity)
    pair = np.stack([model.differences - thinning.noise, gaussian.differences - thinning.noise])
    slopes = np.array([1 - 2 * one.sensitivity / variance for one in (model, gaussian)])
    decibels, error, least = _decibels(pair, slopes * wrong)
    return HeldOut(
        gain_db=decibels,
        gain_error_db=error,
        least_db=least,
        change=float(gains.mean()) / variance,
        change_error=math.hypot(standard_error(gains), systematic) / variance,
        gaussian=float(pair[1].mean()) / variance,
        shared=shared,
        sigma_space=thinning.sigma_space,
        sigma_time=thinning.sigma_time,
        n_regions=thinning.n_regions,
        model=float(pair[0].mean()) / variance,
        model_error=standard_error(pair[0]) / variance,
        example=thinning.example,
    )


def standard_error(values: Array) -> float:
    """Return the standard error of a mean; infinite for one value."""
    return float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else math.inf


def ratio_db(pair: Array) -> tuple[float, float]:
    """Return the ratio of the mean of row 1 to that of row 0 in dB, and its standard error by the jackknife.

    NaN if a mean is not above 0 by two standard errors.
    """
    means = pair.mean(axis=1)
    errors = [standard_error(row) for row in pair]
    if any(not mean > _CERTAIN * error for mean, error in zip(means, errors, strict=True)):
        return math.nan, math.nan
    count = pair.shape[1]
    left_out = (pair.sum(axis=1, keepdims=True) - pair) / (count - 1)
    if left_out.min() <= 0:
        return math.nan, math.nan
    values = 10 * np.log10(left_out[1] / left_out[0])
    return 10 * math.log10(means[1] / means[0]), float(np.sqrt((count - 1) * values.var()))


def _decibels(pair: Array, shift: Array) -> tuple[float | None, float | None, float]:
    """Return the gain in dB, its standard error, and the least absolute gain.

    Parameters
    ----------
    pair : array (2, N)
        Squared errors of model and filter, on N units.
    shift : array (2,)
        Their change by one standard error of the variance of the noise.
    """
    middle, statistical = ratio_db(pair)
    lower, upper = (ratio_db(pair + sign * shift[:, None])[0] for sign in (-1, 1))
    largest, its_error = ratio_db(pair + 2 * shift[:, None])
    least = max(abs(largest) - _CERTAIN * its_error, 0.0) if math.isfinite(largest) else 0.0
    error = math.hypot(statistical, (lower - upper) / 2)
    if not math.isfinite(error) or error > max(_LARGEST_ERROR_DB, abs(middle) / 2):
        return None, None, least
    return middle, error, least
