"""Whether a movie is raw: the noise of filtered data is correlated over space or time, or is that of rounding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decrappify._common.planes.sampling import evenly_spaced
from decrappify.noise.estimate import Estimate
from decrappify.noise.measurement.correlation import LAGS, Correlation, filtered_variance, flattest, tiles_of
from decrappify.noise.measurement.kernels import FOURTH

Array = NDArray[Any]
_AS_IN = "as in filtered, denoised, resampled or compressed data; pass the raw movie"
# Correlations at lags 1 and 2 along both axes, above those of cameras: wide-field images of the FMD data have 0.65 and
# 0.26, a Gaussian filter of 1 px leads to 0.78 and 0.37, a mean of 3 x 3 px to 0.67 and 0.33.
_LARGEST_NEAR, _LARGEST_FAR = 0.7, 0.28
_LARGEST_UNEXPLAINED = 0.5  # at lag 1, if the variance does not determine the gain, either
_DISTANCE = 4  # frames whose noise is independent in filtered movies, too
_LEAST_RATIO = (
    0.6  # raw movies have 0.87 to 1.1, dense structure in slow motion from 0.7, filters over 3 frames up to 0.5
)
_PAIRS = 6  # of frames of each region
_SHARE = 0.5  # of the places, those with the least structure
_ROUNDING = 2.5  # variance relative to that of rounding, up to which white noise is regarded as rounding


def processing(regions: Sequence[Array], found: Correlation | None, gain: Estimate, step: float | None) -> str:
    """Return how the noise shows that a movie is not raw; empty if it does not.

    Parameters
    ----------
    regions : sequence of float arrays (T, Y, X)
        Consecutive frames.
    found : Correlation, optional
        Of the noise of neighboring pixels.
    gain : Estimate
        Gain as measured under the assumption that the movie is raw.
    step : float, optional
        Between gray levels; None for floating-point numbers.
    """
    pairs = _flat_pairs(regions)
    ratio = None if pairs is None else _ratio(*pairs)
    if ratio is not None and ratio < _LEAST_RATIO:
        what = f"the noise of successive frames correlates by {1 - ratio:.2f}"
    elif found is not None and not found.is_motion and (what := _neighbors(found, gain)):
        pass
    elif found is not None and found.is_motion and step and pairs is not None and _is_rounding(pairs[0], step):
        what = "the only white noise is that of rounding to gray levels"
    else:
        return ""
    return f"the data are not raw: {what}, {_AS_IN}"


def successive_ratio(regions: Sequence[Array]) -> float | None:
    """Return the variance of differences of successive frames, relative to that of frames further apart.

    Fine detail of the places with the least structure is evaluated, so that motion hardly changes it. None for single
    images or too few places.

    Examples
    --------
    >>> raw = np.random.default_rng(0).normal(100, 10, (8, 256, 256))
    >>> mean = (raw[2:] + raw[1:-1] + raw[:-2]) / 3
    >>> successive_ratio([raw]) > 0.9, successive_ratio([mean]) < 0.4
    (True, True)
    """
    pairs = _flat_pairs(regions)
    return None if pairs is None else _ratio(*pairs)


def _flat_pairs(regions: Sequence[Array]) -> tuple[Array, Array] | None:
    """Return the flattest tiles (N, 16, 16) of differences of successive frames, and of frames further apart."""
    pairs = [_pairs(region) for region in regions if len(region) > 1]
    if not pairs:
        return None
    near, far, smooth = (np.concatenate([pair[k] for pair in pairs]) for k in range(3))
    chosen = flattest(near, smooth, _SHARE)
    return None if chosen is None else (near[chosen], far[chosen])


def _ratio(near: Array, far: Array) -> float | None:
    variance = filtered_variance(far, FOURTH)
    return filtered_variance(near, FOURTH) / variance if variance > 0 else None


def _pairs(region: Array) -> tuple[Array, Array, Array]:
    """Return tiles of differences of successive frames, of frames further apart, and of smoothed frames."""
    from scipy.ndimage import gaussian_filter

    distance = min(_DISTANCE, len(region) - 1)
    first = evenly_spaced(len(region) - distance, _PAIRS)
    frames = region[first]
    smooth = gaussian_filter(frames, (0, 2, 2))
    return tiles_of(region[first + 1] - frames), tiles_of(region[first + distance] - frames), tiles_of(smooth)


def _neighbors(found: Correlation, gain: Estimate) -> str:
    near, far = (sorted((found.values[LAGS, LAGS + lag], found.values[LAGS + lag, LAGS])) for lag in (1, 2))
    is_wide = near[0] > _LARGEST_NEAR or far[0] > _LARGEST_FAR
    if not is_wide and not (gain.value is None and near[1] > _LARGEST_UNEXPLAINED):
        return ""
    return f"the noise of neighboring pixels correlates by {near[1]:.2f}"


def _is_rounding(differences: Array, step: float) -> bool:
    """Return whether the finest detail of the differences of frames has no more variance than rounded numbers."""
    return filtered_variance(differences, FOURTH) / 2 < _ROUNDING * step**2 / 12
