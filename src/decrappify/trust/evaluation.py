"""Trust of one restored plane: scores, detection limit, and one label per pixel."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decrappify.trust.camera import PlaneNoise
from decrappify.trust.consistency import deviation, residual_of, scores
from decrappify.trust.detection import POWER, detection_limit
from decrappify.trust.filters import matched_filter
from decrappify.trust.significance import height_of, quantile, rejected, tail_probability, upper_tail
from decrappify.trust.texture import Texture, texture_of

Array = NDArray[Any]
REGION = 16  # side of a region in pixels
FALSE_DISCOVERIES = 0.05
_RATE = FALSE_DISCOVERIES / 2  # of each of the two families of tests
SIZES = (1.0, 2.0, 4.0)  # of the filters, in widths of the spot
# Contrast of the result relative to the detection limit: up to the first, it is flat; from the second on, its spots are
# tested, and detail of larger structure is included in what cannot be tested.
FLAT, TESTED = 0.25, 0.5
_CONTRAST = 0.3  # peak of a Gaussian spot after the difference of filters of its width and twice that


class Label(IntEnum):
    """Label of a pixel; 0 is a plane or pixel without data."""

    CONFIRMED = 1
    UNTESTABLE = 2
    CONTRADICTED = 3


@dataclass(frozen=True, slots=True)
class PlaneTrust:
    """Trust of a plane.

    Attributes
    ----------
    labels : array (Y, X) of uint8
        `Label` of each pixel.
    score : array (Y, X) of float32
        Normal score of ``measured - restored`` with the largest absolute value of all sizes: negative where the result
        is brighter than the data.
    limit : array (Y, X) of float32
        Peak in photons of the faintest spot that would be detected.
    residual : float
        Standard deviation of ``measured - restored`` relative to that of the noise; near 0 for a result that is the
        noisy data, NaN without data.
    """

    labels: Array
    score: Array
    limit: Array
    residual: float


def evaluate_plane(
    measured: Array, restored: Array, noise: PlaneNoise, *, spot_px: float = 1.0, excluded: Array | None = None
) -> PlaneTrust:
    """Compare a restored plane (Y, X) with its measured one.

    Parameters
    ----------
    measured, restored : array (Y, X)
        In the same gray levels.
    noise : PlaneNoise
        Noise of the measured plane.
    spot_px : float
        Standard deviation of the smallest spot in pixels.
    excluded : array (Y, X) of bool, optional
        Pixels that the camera did not measure, such as hot ones.
    """
    finite = np.isfinite(measured) & np.isfinite(restored)
    evaluated = finite if excluded is None else finite & ~excluded
    if noise.saturation is not None:
        evaluated = evaluated & (measured < noise.saturation)
    gray = np.where(finite, restored, 0).astype(np.float32)
    residual = residual_of(np.where(finite, measured, 0), gray, noise, evaluated)
    variance = noise.variance(gray)
    sizes, limit = _sizes(gray, residual, variance, noise, spot_px)
    texture = texture_of(gray, residual, variance, noise, spot_px=spot_px, side=REGION)
    labels = np.full(gray.shape, Label.CONFIRMED, np.uint8)
    labels[_faint(sizes) | texture.pixels(_faint_texture(texture), REGION)] = Label.UNTESTABLE
    labels[_invented(sizes, texture) | _deviating(sizes)] = Label.CONTRADICTED
    labels[~evaluated] = Label.UNTESTABLE
    labels[~finite] = 0
    score = _strongest([size.score for size in sizes])
    return PlaneTrust(labels, score, limit / np.float32(noise.gain), _relative(residual, gray, noise, evaluated))


def _relative(residual: Array, gray: Array, noise: PlaneNoise, evaluated: Array) -> float:
    """Return the standard deviation of the residual relative to that of the noise."""
    expected = float(noise.variance(gray)[evaluated].sum(dtype=np.float64))
    found = float(np.square(residual[evaluated]).sum(dtype=np.float64))
    return float(np.sqrt(found / expected)) if expected > 0 else float("nan")


@dataclass(frozen=True, slots=True)
class _Size:
    """Maps (Y, X) of one filter width: the score, and the contrast of the result relative to the detection limit."""

    width: float
    score: Array
    contrast: Array


def _sizes(
    gray: Array, residual: Array, variance: Array, noise: PlaneNoise, spot_px: float
) -> tuple[list[_Size], Array]:
    """Return the maps of each filter width, and the detection limit of the smallest one in gray levels."""
    filters = [matched_filter(spot_px * size) for size in SIZES]
    height = height_of(_RATE / _n_regions(gray), REGION**2, [each.sigma for each in filters])
    smoothed = [each.smooth(gray) for each in (*filters, matched_filter(2 * filters[-1].sigma))]
    sizes, limits = [], []
    for number, each in enumerate(filters):
        expected = deviation(each, variance, noise)
        limits.append(detection_limit(each, expected, noise, height))
        structure = (smoothed[number] - smoothed[number + 1]) / np.float32(_CONTRAST)
        sizes.append(_Size(each.sigma, scores(each, residual, expected), structure / limits[-1]))
    return sizes, limits[0]


def _n_regions(image: Array) -> int:
    return int(np.prod([-(-length // REGION) for length in image.shape]))


def _strongest(maps: list[Array]) -> Array:
    """Return the score with the largest absolute value at each pixel."""
    found = maps[0]
    for other in maps[1:]:
        found = np.where(np.abs(other) > np.abs(found), other, found)
    return found


def _faint(sizes: list[_Size]) -> Array:
    """Return the pixels with structure below the detection limit.

    Flanks of structure above the limit, which have less contrast at its size and larger ones, are not included. On
    larger structure above the limit, detail is included from half of the limit on.
    """
    contrasts = [np.abs(size.contrast) for size in sizes]
    visible = [_grown(contrast >= 1, size.width) for contrast, size in zip(contrasts, sizes, strict=True)]
    found = (np.max(contrasts, axis=0) > FLAT) & ~np.any(visible, axis=0)
    finer = np.zeros(found.shape, bool)
    for contrast, own in zip(contrasts, visible, strict=True):  # from the smallest size on
        finer |= own
        found |= (contrast >= TESTED) & ~finer
    return np.asarray(found)


def _required(n_tests: int) -> float:
    """Return the strength of texture that is detected with a probability of 95 %, if it is not in the data."""
    return quantile(1 - _RATE / n_tests) + quantile(POWER)


def _faint_texture(texture: Texture) -> Array:
    """Return the regions whose texture the data cannot confirm, from half of the detectable strength on."""
    relative = texture.strength / _required(texture.strength.size)
    return np.asarray((relative >= TESTED) & (relative < 1))


def _invented(sizes: list[_Size], texture: Texture) -> Array:
    """Return the pixels of spots of the result that are brighter than the data permit, and regions of false texture.

    One test per local maximum of the result, whose place does not depend on the residual, and per region with texture.
    """
    from scipy.ndimage import maximum_filter

    peaks = []
    for size in sizes:
        highest = maximum_filter(size.contrast, 2 * round(size.width) + 1)
        peaks.append((size.contrast >= TESTED) & (size.contrast == highest))
    regions = texture.strength >= TESTED * _required(texture.strength.size)
    values = np.concatenate(
        [-size.score[peak] for size, peak in zip(sizes, peaks, strict=True)] + [-texture.score[regions]]
    )
    found = np.zeros(sizes[0].score.shape, bool)
    reject = rejected(upper_tail(values), _RATE)
    if reject.any():
        least = values[reject].min()
        found |= texture.pixels(regions & (-texture.score >= least), REGION)
        for size, peak in zip(sizes, peaks, strict=True):
            found |= _grown(peak & (-size.score >= least), 1.5 * size.width)
    return found


def _deviating(sizes: list[_Size]) -> Array:
    """Return the pixels that deviate from the data in either direction; one test per region."""
    highest = np.max([_region_maxima(size.score) for size in sizes], axis=0)
    reject = rejected(tail_probability(highest, REGION**2, [size.width for size in sizes]), _RATE)
    found = np.zeros(sizes[0].score.shape, bool)
    if reject.any():
        for size in sizes:
            found |= _grown(np.abs(size.score) >= highest[reject].min(), size.width)
    return found


def _region_maxima(score: Array) -> Array:
    """Return the largest absolute value in each square of `REGION` pixels, those at the border being smaller."""
    rows, columns = (np.arange(0, length, REGION) for length in score.shape)
    return np.asarray(np.maximum.reduceat(np.maximum.reduceat(np.abs(score), rows, axis=0), columns, axis=1))


def _grown(pixels: Array, distance: float) -> Array:
    """Return all pixels within a distance along Y and X."""
    from scipy.ndimage import maximum_filter

    return np.asarray(maximum_filter(pixels, 2 * round(distance) + 1)) if pixels.any() else pixels
