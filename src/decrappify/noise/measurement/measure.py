"""Noise quantities of sampled regions of a movie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decrappify._common.progress import Check
from decrappify.errors import InputError
from decrappify.noise.estimate import Estimate, unknown
from decrappify.noise.measurement.correlation import LAGS, Correlation, measure_correlation
from decrappify.noise.measurement.gain import GainFit, fit_gain
from decrappify.noise.measurement.kernels import FOURTH, redundancy, response
from decrappify.noise.measurement.levels import clipped_levels, clipping, measure_step, rounding_step
from decrappify.noise.measurement.patterns import hot_level, hot_pixels, line_noise
from decrappify.noise.measurement.rawness import processing
from decrappify.noise.measurement.transfer import Transfer, truncated_variance

Array = NDArray[Any]
HIDDEN_BY_MOTION = "moving structure dominates the differences; two filters agree that the noise is white"
"""Note of a correlation that is not determined although there are successive frames."""
_ROUNDING = 1e-20  # of the squares of float64 numbers, behind a filter
_PERCENTILES = (1.0, 99.8)  # as of the normalization of a crappifier
_BELOW_STEP = "most pixels do not differ from their surroundings: the noise is below the step between gray levels"


def measure_noise(raw: Sequence[Array], values: Array, check: Check | None = None) -> dict[str, Any]:
    """Return the quantities of the movie itself, the fit of the gain, and whether the movie is raw.

    `check` is called before the longest part, the fit of the gain; it may raise an exception to stop.
    """
    regions = [region.astype(np.float64) for region in raw]
    differences = [(one[:-1] - one[1:]) / np.sqrt(2) for one in regions if len(one) > 1]
    if differences and not any(one.any() for one in differences):
        raise InputError("successive frames are identical, so that they contain no noise; pass the raw movie")
    rows, columns = (line_noise(differences, axis) for axis in (1, 2))
    found = _correlation(regions, _without_lines(differences, rows, columns))
    low, high = clipped_levels(values)
    step = measure_step(values)
    limits = (-np.inf if low is None else low, np.inf if high is None else high - 0.5 * step)
    if check is not None:
        check()
    fit = fit_gain(regions, found, limits, clipping(values))
    reason = processing(regions, found, fit.gain, rounding_step(values))
    if reason:
        fit = GainFit(unknown(reason), unknown(reason), fit.transfer)
    longest = max(regions, key=len)
    return {
        "fit": fit,
        "is_raw": not reason,
        "noise_sd": _deviation(regions, differences, found),
        "background_sd": _background(fit.transfer),
        "correlation_y": _lags(found, 0),
        "correlation_x": _lags(found, 1),
        "row_noise": rows,
        "column_noise": columns,
        "hot_pixels": hot_pixels(longest),
        "hot_level": hot_level(longest),
        "levels": measure_levels(regions),
    }


def _without_lines(differences: Sequence[Array], rows: Estimate, columns: Estimate) -> list[Array]:
    """Subtract the offsets of rows and columns, which would be correlated noise, where they were detected."""
    found = list(differences)
    for axis, noise in ((2, rows), (1, columns)):
        if noise.value:
            found = [one - one.mean(axis, keepdims=True) for one in found]
    return found


def _correlation(regions: Sequence[Array], differences: Sequence[Array]) -> Correlation | None:
    from scipy.ndimage import gaussian_filter

    if not differences:
        return None
    means = [gaussian_filter((one[:-1] + one[1:]) / 2, (0, 2, 2)) for one in regions if len(one) > 1]
    shape = tuple(min(one.shape[axis] for one in differences) for axis in (1, 2))
    cut = (slice(None), slice(shape[0]), slice(shape[1]))
    return measure_correlation(
        np.concatenate([one[cut] for one in differences]), np.concatenate([one[cut] for one in means])
    )


def _lags(found: Correlation | None, axis: int) -> tuple[Estimate, ...]:
    if found is None:
        return (unknown("requires successive frames with noise, of at least 32 tiles of 16 pixels"),) * (LAGS + 1)
    if found.is_motion:
        return (unknown(HIDDEN_BY_MOTION),) * (LAGS + 1)
    at = [(LAGS + lag, LAGS) if axis == 0 else (LAGS, LAGS + lag) for lag in range(LAGS + 1)]
    return tuple(Estimate(float(found.values[one]), float(found.errors[one])) for one in at)


def _deviation(regions: Sequence[Array], differences: Sequence[Array], found: Correlation | None) -> Estimate:
    """Estimate the standard deviation of the noise over all pixels."""
    from scipy.ndimage import correlate

    colored = found is not None and not found.is_white
    if differences and colored:  # the variance of flat pixels themselves; filters pass a small part of correlated noise
        variance = truncated_variance(np.concatenate([one.ravel() for one in differences]))
        if variance <= 0:
            return unknown(_BELOW_STEP)
        note = "of the differences of frames, motion included: the noise is correlated"
        return Estimate(variance**0.5, None, note=note)
    images = [image for one in (differences or regions) for image in one]
    filtered = np.concatenate([correlate(image, FOURTH)[3:-3, 3:-3].ravel() for image in images])
    variance = truncated_variance(filtered) / response(FOURTH, None)
    if variance <= _ROUNDING * max(float(np.square(image).max()) for image in images):
        return unknown(_BELOW_STEP)
    spread = redundancy(FOURTH, in_time=bool(differences)) / (2 * filtered.size)
    return Estimate(variance**0.5, (variance * spread) ** 0.5)


def _background(transfer: Transfer | None) -> Estimate:
    """Return the standard deviation of the dim pixels of the photon-transfer curve."""
    if transfer is None:
        return unknown("fewer than 3 gray levels with enough flat, unsaturated pixels")
    deviation = transfer.background**0.5
    count = float(transfer.counts[: int(transfer.variances.argmin()) + 1].sum())
    return Estimate(deviation, deviation / (2 * count) ** 0.5)


def measure_levels(regions: Sequence[Array]) -> tuple[float, float]:
    """Return the gray levels of the dark background and of bright structure, from smoothed means of the frames."""
    from scipy.ndimage import gaussian_filter

    smooth = np.concatenate([gaussian_filter(one.mean(0), 1.0).ravel() for one in regions])
    low, high = np.percentile(smooth, _PERCENTILES)
    return (float(low), float(high)) if high > low else (float(low), float(low) + 1.0)
