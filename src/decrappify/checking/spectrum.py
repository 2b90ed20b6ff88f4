"""Noise that two parts of a split share, from their cross-spectrum at the finest detail."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from decrappify.metrics.resolution import FINEST_DETAIL
from decrappify.movie import Array


def shared_noise(pairs: Iterable[tuple[Array, Array]], share: float) -> float:
    """Return the covariance of two parts at the finest detail, relative to the variance of the noise of the whole.

    0 for independent white noise of images without structure at this detail. Above 0, the parts share noise (the gain
    of the split is too small) or structure; below 0, the gain is too large.

    Parameters
    ----------
    pairs : iterable of two arrays (Y, X)
        Parts with `share` and ``1 - share`` of the light, in the gray levels of the whole.
    share : float
        Of the first part.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> whole = rng.poisson(100, (256, 256))
    >>> first = rng.binomial(whole, 0.5)
    >>> abs(shared_noise([(2.0 * first, 2.0 * (whole - first))], 0.5)) < 0.03
    True
    >>> first = whole + rng.normal(0, 5, whole.shape)  # a quarter of the variance
    >>> round(shared_noise([(first, 2.0 * whole - first)], 0.5))
    3
    """
    shared = noise = 0.0
    for one, two in pairs:
        frequency = np.hypot(np.fft.fftfreq(one.shape[0])[:, None], np.fft.fftfreq(one.shape[1])[None])
        window = np.outer(*map(np.hanning, one.shape))
        first, second = (np.fft.fft2((part - part.mean()) * window)[frequency > FINEST_DETAIL] for part in (one, two))
        shared += float((first * second.conj()).real.sum())
        noise += float(np.square(np.abs(first - second)).sum())
    return shared / (share * (1 - share) * noise) if noise else 0.0
