"""How close the restored pixels are to the true ones: PSNR, SSIM and what survives a change of gain and offset.

Every function takes (Y, X) or (T, Y, X) arrays of any real dtype, computes in float64 and treats a movie as one whole:
one data range, one affine fit, never one per frame.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from decrappify.errors import InputError
from decrappify.metrics.pairs import (
    PairSums,
    PixelSample,
    checked_pair,
    constant_error,
    frames,
    pair_sums,
    range_of,
)
from decrappify.movie import Array

SSIM_WINDOW = 11


class AffineFit(NamedTuple):
    """The least-squares map ``truth ≈ slope * restored + intercept``; (1, 0) when grey levels are kept."""

    slope: float
    intercept: float


class Linearity(NamedTuple):
    """The line ``restored ≈ slope * truth + intercept`` through quantile bins, and how far the bins stray from it.

    `largest_deviation_percent` is relative to the line's span over the bins: 0 for a linear restoration, several
    percent where bright structures are compressed or dim ones swallowed. It is infinite when the line is flat.
    """

    slope: float
    intercept: float
    largest_deviation_percent: float


def psnr(restored: ArrayLike, truth: ArrayLike, *, data_range: float | None = None) -> float:
    """Peak signal-to-noise ratio ``20 log10(D / RMSE)`` in dB; higher is better.

    Parameters
    ----------
    restored, truth : array-like
        (Y, X) or (T, Y, X), equal shapes, the same grey levels.
    data_range : float, optional
        D in grey levels; max - min of the whole truth by default. Write it down: two PSNRs compare only at equal D.

    Returns
    -------
    float
        dB; infinite for equal arrays.

    Raises
    ------
    InputError
        If shapes differ, a value is NaN or infinite, `data_range` is not above 0, or it is not given and the truth is
        constant.

    Examples
    --------
    >>> truth = np.array([[0, 100], [50, 200]], np.uint8)
    >>> psnr(truth + 2, truth)
    40.0
    """
    restored, truth = checked_pair(restored, truth)
    return pair_sums(restored, truth).psnr(range_of(truth, data_range))


def ssim(restored: ArrayLike, truth: ArrayLike, *, data_range: float | None = None) -> float:
    """Structural similarity with the settings of Wang et al. 2004, averaged over frames; 1 is perfect.

    Gaussian window of sigma 1.5 (11 × 11), K1 = 0.01, K2 = 0.03, population covariance, through scikit-image, whose own
    defaults give other numbers. Dark empty background pulls it towards 1.

    Parameters
    ----------
    restored, truth : array-like
        (Y, X) or (T, Y, X), equal shapes, at least 11 × 11 pixels.
    data_range : float, optional
        D in grey levels; max - min of the whole truth by default.

    Raises
    ------
    InputError
        As `psnr`, and for frames under 11 × 11 pixels.

    Examples
    --------
    >>> truth = np.arange(256.0).reshape(16, 16)
    >>> ssim(truth, truth)
    1.0
    """
    restored, truth = checked_pair(restored, truth)
    if min(truth.shape[1:]) < SSIM_WINDOW:
        raise InputError(
            f"frames are {truth.shape[1]} × {truth.shape[2]} pixels, SSIM needs at least {SSIM_WINDOW} × {SSIM_WINDOW}"
        )
    width = range_of(truth, data_range)
    pairs = zip(frames(restored, "restored"), frames(truth, "truth"), strict=True)
    return float(np.mean([frame_ssim(r, g, width) for r, g in pairs]))


def frame_ssim(restored: Array, truth: Array, data_range: float) -> float:
    """SSIM of one float64 (Y, X) pair."""
    from skimage.metrics import structural_similarity

    return float(
        structural_similarity(  # type: ignore[no-untyped-call]
            truth, restored, data_range=data_range, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
    )


def affine_fit(restored: ArrayLike, truth: ArrayLike) -> AffineFit:
    """One least-squares fit ``truth ≈ slope * restored + intercept`` of a whole movie.

    Print it next to every scale-invariant score: a slope far from 1 means that grey levels are not quantitative. Noise
    left in the restored movie lowers the slope too.

    Raises
    ------
    InputError
        If shapes differ, a value is NaN or infinite, or the truth is constant.

    Examples
    --------
    >>> truth = np.array([[0.0, 1.0], [2.0, 3.0]])
    >>> affine_fit(truth / 2 - 5, truth)
    AffineFit(slope=2.0, intercept=10.0)
    """
    sums = _contrasting_sums(*checked_pair(restored, truth))
    return AffineFit(sums.slope, sums.intercept)


def si_psnr(restored: ArrayLike, truth: ArrayLike, *, data_range: float | None = None) -> float:
    """Scale-invariant PSNR in dB: the PSNR after the best affine fit of the whole movie (Weigert et al. 2018).

    Equal to ``20 log10(D / sd) - 10 log10(1 - rho²)`` with the truth's standard deviation and Pearson's rho, so it sees
    rho² only: it is blind to gain and offset, even to an inverted image. Read it beside `affine_fit` and `linearity`.

    Parameters
    ----------
    restored, truth : array-like
        (Y, X) or (T, Y, X), equal shapes, any grey levels.
    data_range : float, optional
        D in grey levels of the truth; max - min of the whole truth by default.

    Returns
    -------
    float
        dB; infinite where ``1 - rho²`` is under 1e-13, which float64 cannot tell from 0.

    Raises
    ------
    InputError
        As `psnr`, and for a constant truth.

    Examples
    --------
    >>> truth = np.array([[0.0, 1.0], [2.0, 3.0]])
    >>> si_psnr(10 * truth + 7, truth)
    inf
    """
    restored, truth = checked_pair(restored, truth)
    return _contrasting_sums(restored, truth).si_psnr(range_of(truth, data_range))


def nrmse_affine(restored: ArrayLike, truth: ArrayLike) -> float:
    """Root mean square error after the best affine fit, relative to the truth's p99.9 - p0.1; 0 is perfect.

    ``sd * sqrt(1 - rho²) / (p99.9 - p0.1)``. Where the two percentiles coincide (a few bright spots on black),
    max - min takes their place. Of movies over a million pixels, the percentiles are those of evenly spaced pixels.

    Raises
    ------
    InputError
        If shapes differ, a value is NaN or infinite, or the truth is constant.
    """
    restored, truth = checked_pair(restored, truth)
    sums = _contrasting_sums(restored, truth)
    return nrmse_from(sums, pixel_sample(restored, truth), range_of(truth, None))


def nrmse_from(sums: PairSums, sample: PixelSample, full_range: float) -> float:
    """`nrmse_affine` from a movie's running sums, its pixel sample and its max - min."""
    low, high = np.percentile(sample.truth, [0.1, 99.9])
    return float(sums.truth_sd * sums.unexplained**0.5 / ((high - low) or full_range))


def linearity(restored: ArrayLike, truth: ArrayLike, *, n_bins: int = 20) -> Linearity:
    """Whether restored grey levels are proportional to true ones: quantile bins of the truth and a line through them.

    The truth's pixels are split at its quantiles, and the mean restored level of each bin is regressed on the mean true
    level. SI-PSNR cannot see a global photometric compression; this can. Bins whose quantiles coincide are merged. Of
    movies over a million pixels, evenly spaced ones are used.

    Parameters
    ----------
    restored, truth : array-like
        (Y, X) or (T, Y, X), equal shapes.
    n_bins : int
        Quantile bins, at least 2.

    Returns
    -------
    Linearity
        slope (restored per true grey level; 1 is right), intercept (restored grey levels), largest deviation (percent).

    Raises
    ------
    InputError
        If shapes differ, a value is NaN or infinite, the truth is constant, or `n_bins` is under 2.

    Examples
    --------
    >>> truth = np.arange(100.0).reshape(10, 10)
    >>> linearity(truth + 3, truth).slope
    1.0
    """
    if n_bins < 2:
        raise InputError(f"n_bins is {n_bins}, needs at least 2")
    restored, truth = checked_pair(restored, truth)
    range_of(truth, None)  # refuses a constant truth
    return linearity_from(pixel_sample(restored, truth), n_bins)


def linearity_from(sample: PixelSample, n_bins: int = 20) -> Linearity:
    """`linearity` of sampled pixel pairs; NaN where the sample caught only one true grey level."""
    edges = np.unique(np.quantile(sample.truth, np.linspace(0, 1, n_bins + 1)))
    inner = edges[1:-1] if edges.size > 2 else [edges.mean()]
    bins = np.searchsorted(inner, sample.truth, side="right")
    counts = np.bincount(bins)
    kept = counts > 0
    x, y = (np.bincount(bins, values)[kept] / counts[kept] for values in (sample.truth, sample.restored))
    if kept.sum() < 2:
        return Linearity(np.nan, np.nan, np.nan)
    slope = float(((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum())
    intercept = float(y.mean() - slope * x.mean())
    span = abs(slope) * float(x.max() - x.min())
    largest = float(np.abs(y - (slope * x + intercept)).max())
    return Linearity(slope, intercept, 100 * largest / span if span > 0 else np.inf)


def pixel_sample(restored: Array, truth: Array) -> PixelSample:
    """Evenly spaced pixels of two (T, Y, X) arrays."""
    sample = PixelSample.of_shape(truth.shape)
    for r, g in zip(frames(restored, "restored"), frames(truth, "truth"), strict=True):
        sample.add(r, g)
    return sample


def _contrasting_sums(restored: Array, truth: Array) -> PairSums:
    sums = pair_sums(restored, truth)
    if sums.truth_is_constant:
        raise constant_error("truth", sums.truth_mean)
    return sums
