"""Detection limit: the faintest spot that a plane could show, from the noise at its place."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from decrappify.trust.camera import PlaneNoise
from decrappify.trust.consistency import Deviation
from decrappify.trust.filters import MatchedFilter

Array = NDArray[Any]
POWER = 0.95
_QUANTILE = 1.645  # of the standard normal distribution at POWER


def detection_limit(filter_: MatchedFilter, expected: Deviation, noise: PlaneNoise, height: float) -> Array:
    """Return the peak of the faintest spot of the filter's shape that is detected with a probability of 95 %.

    If such a spot were absent from the result, its score would exceed `height` with this probability. The photon noise
    of the spot itself is included.

    Parameters
    ----------
    filter_ : MatchedFilter
        Shape of the spot.
    expected : Deviation
        Filtered noise without the spot.
    noise : PlaneNoise
        Noise of the plane.
    height : float
        Normal score from which a deviation is reported.

    Returns
    -------
    array (Y, X)
        In gray levels above the surroundings; photons if divided by the gain.
    """
    sd, share = expected.sd, filter_.peak_share
    # The deviation with this normal score: inverse of `normal_score` above the mean.
    skewness = np.maximum(expected.skewness[1], 1e-3)
    root = 1 + skewness / 6 * (np.float32(height) - skewness / 6)
    threshold = sd * 2 / skewness * (root**3 - 1) + expected.tolerance
    cubes = (filter_.kernel**3).sum() ** 2 / filter_.kernel.max() ** 2
    own = np.float32(
        noise.gain * cubes * filter_.gain_in_variance(noise.correlation)
    )  # variance per gray level of peak
    peak = (threshold + np.float32(_QUANTILE) * sd) / np.float32(share)
    for _ in range(3):
        peak = (threshold + np.float32(_QUANTILE) * np.sqrt(sd**2 + own * peak)) / np.float32(share)
    return np.asarray(peak)
