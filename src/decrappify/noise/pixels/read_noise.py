"""Part of the noise of dim pixels that is normal read noise, measured from the pixels of a movie."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.special import gammaln, ndtr

from decrappify._common.planes.sampling import evenly_spaced
from decrappify.movie import Movie
from decrappify.noise.pixels.splitting import NoiseSplitter

Array = NDArray[Any]
_PLANES, _SIDE = 12, 512  # that are read, and pixels of their middle
_MEAN = 3.0  # pixels; width of the filter for the expected counts
_DIM, _BELOW = 8.0, -0.5  # counts up to which pixels are dim, and which photons alone do not fall below
_VARIANCES, _QUANTILES = np.linspace(0, 1, 41) ** 2 * _DIM, 12  # of the read noise in squared photoelectrons
_BACKGROUND = 0.25  # of the dim pixels
_LEAST_PIXELS, _LEAST_EXPECTED = 1000, 20.0
_LEAST_SHARE = 0.1  # of the variance of the dimmest pixels; less has no effect on the parts of a split


def read_variance(movie: Movie, channel: int, terms: NoiseSplitter) -> float:
    """Measure the variance of the read noise of a movie without dark frames, in squared gray levels.

    The line of variance and mean of a camera determines the sum of read noise and background light only. Counts of
    photons are never negative, whereas their sum with normal noise is, in a share of the dim pixels that depends on
    the part of the read noise in the variance.

    Parameters
    ----------
    movie : Movie
        Raw movie; the middle of at most 12 planes is read.
    channel : int
    terms : NoiseSplitter
        Noise by gray level.

    Returns
    -------
    float
        0 if there are too few dim pixels, if less than a tenth of their variance is read noise, or if it has no
        effect on a split: without a gain, and for correlated noise, all noise is taken as normal.
    """
    if not terms.gain or terms.is_correlated:
        return 0.0
    counts = [(plane + terms.intercept / terms.gain) / terms.gain for plane in _planes(movie, channel)]
    least = terms.least_variance / terms.gain**2
    expected = [np.maximum(gaussian_filter(plane, _MEAN), least) for plane in counts]
    dim = [(mean > 0) & (mean < _DIM) for mean in expected]
    means = np.concatenate([mean[where] for mean, where in zip(expected, dim, strict=True)] or [np.empty(0)])
    if means.size < _LEAST_PIXELS:
        return 0.0
    found = sum(int((plane[where] < _BELOW).sum()) for plane, where in zip(counts, dim, strict=True))
    typical = np.quantile(means, (np.arange(_QUANTILES) + 0.5) / _QUANTILES)
    below = np.array([_share_below(typical, variance) for variance in _VARIANCES])
    if below[-1] * means.size < _LEAST_EXPECTED:
        return 0.0
    variance = float(np.interp(found / means.size, np.maximum.accumulate(below), _VARIANCES))
    variance = min(variance, float(np.quantile(means, _BACKGROUND)))  # of which it is a part
    return variance * terms.gain**2 if variance > _LEAST_SHARE * typical[0] else 0.0


def _share_below(means: Array, variance: float) -> float:
    """Return the share of counts with these means below the limit, if so much of their variance is read noise."""
    read = np.minimum(variance, means)[:, None]
    light = means[:, None] - read
    photons = np.arange(int(6 * _DIM))
    probability = np.exp(photons * np.log(np.maximum(light, 1e-12)) - light - gammaln(photons + 1))
    below = ndtr((_BELOW - read - photons) / np.sqrt(np.maximum(read, 1e-12)))
    return float((probability * below).sum(1).mean())


def _planes(movie: Movie, channel: int) -> list[Array]:
    """Read the middle of evenly spaced recorded planes, without those that contain NaN."""
    n_t, _, n_z, *size = movie.shape
    recorded = [(t, z) for t in range(n_t) for z in range(n_z) if (t, channel, z) not in movie.missing]
    rows, columns = (slice(max(0, (length - _SIDE) // 2), (length + _SIDE) // 2) for length in size)
    chosen = [recorded[k] for k in evenly_spaced(len(recorded), _PLANES)] if recorded else []
    planes = [movie.region(t, channel, z, rows, columns).astype(np.float64) for t, z in chosen]
    return [plane for plane in planes if np.isfinite(plane).all()]
