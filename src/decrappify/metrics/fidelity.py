"""Fidelity of restored pixels to a reference: PSNR, SSIM, and metrics invariant to gain and offset.

All functions accept (Y, X) or (T, Y, X) arrays of any real dtype, compute in float64 and evaluate a movie as a whole,
with one data range and one affine fit, not one per frame.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from decrappify.errors import InputError
from decrappify.metrics.sums.pairs import (
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
    """The least-squares map ``reference ≈ slope * restored + intercept``; (1, 0) if gray levels are preserved."""

    slope: float
    intercept: float


class Linearity(NamedTuple):
    """The line ``restored ≈ slope * reference + intercept`` through quantile bins, and their deviation from it.

    `largest_deviation_percent` is relative to the line's span over the bins: 0 for a linear restoration, several
    percent if bright structures are compressed or dim ones suppressed. It is infinite if the line is flat.
    """

    slope: float
    intercept: float
    largest_deviation_percent: float


def psnr(restored: ArrayLike, reference: ArrayLike, *, data_range: float | None = None) -> float:
    """Compute the peak signal-to-noise ratio ``20 log10(D / RMSE)`` in dB; higher is better.

    Parameters
    ----------
    restored, reference : array-like
        (Y, X) or (T, Y, X), equal shapes, the same gray levels.
    data_range : float, optional
        D in gray levels; max - min of the whole reference by default. PSNR values are comparable only
        at equal D.

    Returns
    -------
    float
        dB; infinite for equal arrays.

    Raises
    ------
    InputError
        If shapes differ, a value is NaN or infinite, `data_range` is not above 0, or it is not given and the reference
        is constant.

    Examples
    --------
    >>> reference = np.array([[0, 100], [50, 200]], np.uint8)
    >>> psnr(reference + 2, reference)
    40.0
    """
    restored, reference = checked_pair(restored, reference)
    return pair_sums(restored, reference).psnr(range_of(reference, data_range))


def ssim(restored: ArrayLike, reference: ArrayLike, *, data_range: float | None = None) -> float:
    """Compute the structural similarity with the settings of Wang et al. 2004, averaged over frames; 1 is perfect.

    Gaussian window of sigma 1.5 (11 × 11), K1 = 0.01, K2 = 0.03, population covariance; computed by scikit-image, which
    has other defaults. Dark empty background increases SSIM towards 1.

    Parameters
    ----------
    restored, reference : array-like
        (Y, X) or (T, Y, X), equal shapes, at least 11 × 11 pixels.
    data_range : float, optional
        D in gray levels; max - min of the whole reference by default.

    Raises
    ------
    InputError
        As `psnr`, and for frames under 11 × 11 pixels.

    Examples
    --------
    >>> reference = np.arange(256.0).reshape(16, 16)
    >>> ssim(reference, reference)
    1.0
    """
    restored, reference = checked_pair(restored, reference)
    if min(reference.shape[1:]) < SSIM_WINDOW:
        raise InputError(
            f"frames are {reference.shape[1]} × {reference.shape[2]} pixels, "
            f"SSIM needs at least {SSIM_WINDOW} × {SSIM_WINDOW}"
        )
    width = range_of(reference, data_range)
    pairs = zip(frames(restored, "restored"), frames(reference, "reference"), strict=True)
    return float(np.mean([frame_ssim(r, g, width) for r, g in pairs]))


def frame_ssim(restored: Array, reference: Array, data_range: float) -> float:
    """Compute SSIM of one float64 (Y, X) pair."""
    from skimage.metrics import structural_similarity

    return float(
        structural_similarity(  # type: ignore[no-untyped-call]
            reference, restored, data_range=data_range, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
    )


def affine_fit(restored: ArrayLike, reference: ArrayLike) -> AffineFit:
    """Compute one least-squares fit ``reference ≈ slope * restored + intercept`` of a whole movie.

    Report it with every scale-invariant metric: a slope far from 1 means that gray levels are not quantitative. Noise
    left in the restored movie lowers the slope too.

    Raises
    ------
    InputError
        If shapes differ, a value is NaN or infinite, or the reference is constant.

    Examples
    --------
    >>> reference = np.array([[0.0, 1.0], [2.0, 3.0]])
    >>> affine_fit(reference / 2 - 5, reference)
    AffineFit(slope=2.0, intercept=10.0)
    """
    sums = _contrasting_sums(*checked_pair(restored, reference))
    return AffineFit(sums.slope, sums.intercept)


def si_psnr(restored: ArrayLike, reference: ArrayLike, *, data_range: float | None = None) -> float:
    """Compute the scale-invariant PSNR in dB: PSNR after an affine fit of the whole movie (Weigert et al. 2018).

    Equal to ``20 log10(D / sd) - 10 log10(1 - rho²)`` with the reference's standard deviation and Pearson's rho, so it
    depends on rho² only: it is invariant to gain and offset, even to inversion. Combine with `affine_fit` and
    `linearity`.

    Parameters
    ----------
    restored, reference : array-like
        (Y, X) or (T, Y, X), equal shapes, any gray levels.
    data_range : float, optional
        D in gray levels of the reference; max - min of the whole reference by default.

    Returns
    -------
    float
        dB; infinite if ``1 - rho²`` is under 1e-13, which float64 cannot distinguish from 0.

    Raises
    ------
    InputError
        As `psnr`, and for a constant reference.

    Examples
    --------
    >>> reference = np.array([[0.0, 1.0], [2.0, 3.0]])
    >>> si_psnr(10 * reference + 7, reference)
    inf
    """
    restored, reference = checked_pair(restored, reference)
    return _contrasting_sums(restored, reference).si_psnr(range_of(reference, data_range))


def nrmse_affine(restored: ArrayLike, reference: ArrayLike) -> float:
    """Compute the RMS error after an affine fit, relative to the reference's p99.9 - p0.1; 0 is perfect.

    ``sd * sqrt(1 - rho²) / (p99.9 - p0.1)``. If the two percentiles coincide (a few bright spots on black), max - min
    is used instead. For movies over a million pixels, the percentiles are those of evenly spaced pixels.

    Raises
    ------
    InputError
        If shapes differ, a value is NaN or infinite, or the reference is constant.
    """
    restored, reference = checked_pair(restored, reference)
    sums = _contrasting_sums(restored, reference)
    return nrmse_from(sums, pixel_sample(restored, reference), range_of(reference, None))


def nrmse_from(sums: PairSums, sample: PixelSample, full_range: float) -> float:
    """Compute `nrmse_affine` from a movie's running sums, its pixel sample and its max - min."""
    low, high = np.percentile(sample.reference, [0.1, 99.9])
    return float(sums.reference_sd * sums.unexplained**0.5 / ((high - low) or full_range))


def linearity(restored: ArrayLike, reference: ArrayLike, *, n_bins: int = 20) -> Linearity:
    """Fit a line through quantile bins of reference and restored gray levels, to test their proportionality.

    The reference's pixels are split at its quantiles, and the mean restored level of each bin is regressed on the mean
    reference level. Unlike SI-PSNR, it detects a global photometric compression. Bins whose quantiles coincide are
    merged. For movies over a million pixels, evenly spaced pixels are used.

    Parameters
    ----------
    restored, reference : array-like
        (Y, X) or (T, Y, X), equal shapes.
    n_bins : int
        Quantile bins, at least 2.

    Returns
    -------
    Linearity
        slope (restored per reference gray level; 1 is ideal), intercept (restored gray levels), largest deviation
        (percent).

    Raises
    ------
    InputError
        If shapes differ, a value is NaN or infinite, the reference is constant, or `n_bins` is under 2.

    Examples
    --------
    >>> reference = np.arange(100.0).reshape(10, 10)
    >>> linearity(reference + 3, reference).slope
    1.0
    """
    if n_bins < 2:
        raise InputError(f"n_bins is {n_bins}, expected at least 2")
    restored, reference = checked_pair(restored, reference)
    range_of(reference, None)  # raises for a constant reference
    return linearity_from(pixel_sample(restored, reference), n_bins)


def linearity_from(sample: PixelSample, n_bins: int = 20) -> Linearity:
    """Compute `linearity` of sampled pixel pairs; NaN if the sample has only one reference gray level."""
    edges = np.unique(np.quantile(sample.reference, np.linspace(0, 1, n_bins + 1)))
    inner = edges[1:-1] if edges.size > 2 else [edges.mean()]
    bins = np.searchsorted(inner, sample.reference, side="right")
    counts = np.bincount(bins)
    kept = counts > 0
    x, y = (np.bincount(bins, values)[kept] / counts[kept] for values in (sample.reference, sample.restored))
    if kept.sum() < 2:
        return Linearity(np.nan, np.nan, np.nan)
    slope = float(((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum())
    intercept = float(y.mean() - slope * x.mean())
    span = abs(slope) * float(x.max() - x.min())
    largest = float(np.abs(y - (slope * x + intercept)).max())
    return Linearity(slope, intercept, 100 * largest / span if span > 0 else np.inf)


def pixel_sample(restored: Array, reference: Array) -> PixelSample:
    """Return evenly spaced pixels of two (T, Y, X) arrays."""
    sample = PixelSample.of_shape(reference.shape)
    for r, g in zip(frames(restored, "restored"), frames(reference, "reference"), strict=True):
        sample.add(r, g)
    return sample


def _contrasting_sums(restored: Array, reference: Array) -> PairSums:
    sums = pair_sums(restored, reference)
    if sums.reference_is_constant:
        raise constant_error("reference", sums.reference_mean)
    return sums
