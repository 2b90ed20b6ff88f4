"""Calibration of a noise model from a movie of the user's microscope."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decrappify._common.argument_names import setting
from decrappify.crappify import Crappifier
from decrappify.errors import InputError
from decrappify.movie import Movie
from decrappify.noise.correlation import LAGS, Correlation, measure_correlation
from decrappify.noise.dark import Dark, measure_dark
from decrappify.noise.estimate import Estimate, unknown
from decrappify.noise.gain import GainFit, fit_gain
from decrappify.noise.kernels import FOURTH, redundancy, response
from decrappify.noise.levels import clipped_levels, measure_bit_depth, measure_saturation, measure_step
from decrappify.noise.model import NoiseModel
from decrappify.noise.patterns import hot_level, hot_pixels, line_noise
from decrappify.noise.sample import sample_regions
from decrappify.noise.table import noise_table
from decrappify.noise.transfer import Transfer, truncated_variance

Array = NDArray[Any]
_PERCENTILES = (1.0, 99.8)  # as of the normalization of a crappifier


@dataclass(frozen=True, slots=True)
class Calibration:
    """Result of `calibrate`.

    Attributes
    ----------
    noise : NoiseModel
        The measured noise.
    transfer : Transfer or None
        Photon-transfer curve; None if it was not measured.
    """

    noise: NoiseModel
    transfer: Transfer | None = None

    def crappifier(self, levels: tuple[float, float] | None = None) -> Crappifier:
        """Create the crappifier of the noise; see `NoiseModel.crappifier`."""
        return self.noise.crappifier(levels)

    def table(self) -> str:
        """Return all quantities with standard errors and notes as text, one per line."""
        return noise_table(self.noise)

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the noise model as a ``.toml`` file; see `NoiseModel.load`."""
        return self.noise.save(path, overwrite=overwrite)


def calibrate(low: Any, *, dark: Any = None, channel: int | str | None = None) -> Calibration:
    """Measure the noise of a microscope from a movie of any specimen, moving or not.

    Regions of consecutive frames, at most 6 million pixels, are read, so that the movie may be larger than memory.

    Parameters
    ----------
    low : path, array or Movie
        A raw movie; 20 frames are enough. A single image has a larger error. Data that were denoised, compressed or
        averaged have other noise than the camera.
    dark : path, array or Movie, optional
        Frames recorded without light, at the same settings; without them offset and read noise are not determined.
    channel : int or str, optional
        Channel of both, if there are several.

    Returns
    -------
    Calibration
        Quantities that the data do not determine have no value, and a note with the reason.

    Raises
    ------
    InputError
        For several channels, NaN, a constant movie, or images under 32 pixels.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> expected = np.tile(np.linspace(10, 400, 128), (128, 1))
    >>> movie = 100 + 2.0 * rng.poisson(expected, (6, 128, 128))
    >>> result = calibrate(movie)
    >>> abs(result.noise.gain.value / 2.0 - 1) < 0.05, result.noise.offset.note
    (True, 'no dark frames: offset and read noise cannot be separated')
    """
    movie = _one_channel(low, channel)
    raw = sample_regions(movie)
    values = np.concatenate([region.ravel() for region in raw])
    noise = _measured(raw, values)
    measured = Dark()
    if dark is not None:
        dark_movie = _one_channel(dark, channel)
        measured = measure_dark([region.astype(np.float64) for region in sample_regions(dark_movie)])
        noise["hot_pixels"] = measured.hot_pixels or noise["hot_pixels"]
    fit: GainFit = noise.pop("fit")
    model = NoiseModel(
        gain=fit.gain,
        intercept=fit.intercept,
        offset=measured.offset,
        read_noise=measured.read_noise,
        fixed_pattern=measured.fixed_pattern,
        excess_noise=unknown("not determined by mean and variance; contained in the gain"),
        saturation=measure_saturation(values),
        bit_depth=measure_bit_depth(values),
        source=f"{movie.name}: {len(raw)} regions, {values.size} pixels",
        **noise,
    )
    return Calibration(model, fit.transfer)


def _one_channel(source: Any, channel: int | str | None) -> Movie:
    from decrappify.io import open_movie

    movie = open_movie(source, channel=channel)
    if movie.shape[1] != 1:
        raise InputError(
            f"{movie.name} has {movie.shape[1]} channels ({', '.join(movie.channel_names)}), and each may have another "
            f"camera; pass {setting('channel', 0)} or the name of another one"
        )
    if min(movie.shape[3:]) < 32:
        raise InputError(f"{movie.name} has {movie.shape[3:]} pixels (Y, X), expected at least 32 of each to calibrate")
    return movie


def _measured(raw: Sequence[Array], values: Array) -> dict[str, Any]:
    """Return the quantities of the movie itself, and the fit of the gain."""
    regions = [region.astype(np.float64) for region in raw]
    differences = [(one[:-1] - one[1:]) / np.sqrt(2) for one in regions if len(one) > 1]
    if differences and not any(one.any() for one in differences):
        raise InputError("successive frames are identical, so that they contain no noise; pass the raw movie")
    rows, columns = (line_noise(differences, axis) for axis in (1, 2))
    found = _correlation(regions, _without_lines(differences, rows, columns))
    low, high = clipped_levels(values)
    step = measure_step(values)
    limits = (-np.inf if low is None else low, np.inf if high is None else high - 0.5 * step)
    fit = fit_gain(regions, found, limits)
    longest = max(regions, key=len)
    return {
        "fit": fit,
        "noise_sd": _deviation(regions, differences, found),
        "correlation_y": _lags(found, 0),
        "correlation_x": _lags(found, 1),
        "row_noise": rows,
        "column_noise": columns,
        "hot_pixels": hot_pixels(longest),
        "hot_level": hot_level(longest),
        "levels": _levels(regions),
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
        return (unknown("needs successive frames with noise, of at least 8 tiles of 32 pixels"),) * (LAGS + 1)
    if found.is_motion:
        return (unknown("moving structure prevails; two difference filters show that the noise is white"),) * (LAGS + 1)
    at = [(LAGS + lag, LAGS) if axis == 0 else (LAGS, LAGS + lag) for lag in range(LAGS + 1)]
    return tuple(Estimate(float(found.values[one]), float(found.errors[one])) for one in at)


def _deviation(regions: Sequence[Array], differences: Sequence[Array], found: Correlation | None) -> Estimate:
    """Estimate the standard deviation of the noise over all pixels."""
    from scipy.ndimage import correlate

    colored = found is not None and not found.is_white
    if differences and colored:  # the variance of flat pixels themselves; filters pass a small part of correlated noise
        variance = truncated_variance(np.concatenate([one.ravel() for one in differences]))
        note = "of the differences of frames, motion included: the noise is correlated"
        return Estimate(variance**0.5, None, note=note)
    images = [image for one in (differences or regions) for image in one]
    filtered = np.concatenate([correlate(image, FOURTH)[3:-3, 3:-3].ravel() for image in images])
    variance = truncated_variance(filtered) / response(FOURTH, None)
    if variance <= 0:
        return unknown("most pixels have no noise")
    spread = redundancy(FOURTH, in_time=bool(differences)) / (2 * filtered.size)
    return Estimate(variance**0.5, (variance * spread) ** 0.5)


def _levels(regions: Sequence[Array]) -> tuple[float, float]:
    from scipy.ndimage import gaussian_filter

    smooth = np.concatenate([gaussian_filter(one.mean(0), 1.0).ravel() for one in regions])
    low, high = np.percentile(smooth, _PERCENTILES)
    return (float(low), float(high)) if high > low else (float(low), float(low) + 1.0)
