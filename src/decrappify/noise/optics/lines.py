"""Line jitter and bidirectional offset of point scanners, from the shifts of rows against their neighbors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decrappify.noise.estimate import Estimate, unknown

Array = NDArray[Any]
_SEGMENT = 64  # pixels of a row
_REACH, _STEP = 4.0, 0.05  # pixels; largest shift of a row against the next one
_SMOOTH = 1.5  # pixels; sigma of the derivative along the row
_TAPER = 0.3  # of a segment
_SHARP = 0.5  # correlation of neighboring segments from which their shift is reliable
_LEAST_PAIRS, _LEAST_SEGMENTS = 60, 100
_BLOCK = 8  # rows; resampled together, since the shifts of neighbors share rows
_DRAWS = 100
_SIGNIFICANT = 3.0
_FLOOR = 0.1  # pixels; the apparent jitter of images without any is below
_LARGEST = 0.7  # pixels of a valid jitter; larger shifts are wrong peaks more often, by 20 to 40 % in simulations
_SHARED = 1.5  # variance of a shift against the mean of two neighbors, relative to that of one row
_MODEL_ERROR = 0.1  # relative error of the jitter beyond that of the rows, from simulations


@dataclass(frozen=True, slots=True)
class Shifts:
    """Shifts of segments of rows.

    Attributes
    ----------
    values : float array (rows, segments)
        Shift against the mean of the shifts of the rows above and below, in pixels.
    weights : float array (rows, segments)
        0 if unreliable, else the correlation with the neighbors.
    signs : float array (rows,)
        1 for odd rows, -1 for even ones.
    """

    values: Array
    weights: Array
    signs: Array


def measure_lines(frames: Sequence[Array]) -> tuple[Estimate, Estimate]:
    """Estimate the standard deviation of the shifts of rows, and the offset between odd and even rows, in pixels.

    Each row is registered with the next one in segments of 64 pixels, by the peak of their cross-correlation at steps
    of 0.05 pixels (in one dimension, as Guizar-Sicairos 2008, Optics Letters 33:156). Shifts of a row are common to its
    segments, but errors by noise and by the shape of structure are not: the variance of the jitter is the covariance of
    the shifts of separate segments. The covariance of columns, which no scanner shifts, must be smaller.

    Parameters
    ----------
    frames : sequence of float arrays (Y, X)
        Images of one scanner, the first row even; at least 128 pixels along Y and X.

    Returns
    -------
    line_jitter, bidirectional_offset : Estimate
        Without a value if they are not above the errors; jitter also below 0.1 pixels, which images of cameras reach.
        Jitter above 0.7 pixels is not valid, since it is underestimated.
    """
    usable = [one for one in frames if min(one.shape) >= 2 * _SEGMENT]
    if not usable:
        reason = f"requires images of at least {2 * _SEGMENT} pixels along Y and X"
        return unknown(reason), unknown(reason)
    rows, columns = ([_shifts(one) for one in images] for images in (usable, [one.T for one in usable]))
    offset = _measure_offset(rows)
    return _measure_jitter(_without(rows, offset.value or 0.0), columns), offset


def _shifts(image: Array) -> Shifts:
    from scipy.ndimage import gaussian_filter1d
    from scipy.signal.windows import tukey

    edges = gaussian_filter1d(image.astype(np.float64), _SMOOTH, axis=1, order=1)
    number = edges.shape[1] // _SEGMENT
    lines = edges[:, : number * _SEGMENT].reshape(len(edges), number, _SEGMENT)
    spectra = np.fft.rfft((lines - lines.mean(2, keepdims=True)) * tukey(_SEGMENT, _TAPER), axis=2)
    lags = np.arange(-_REACH, _REACH + _STEP / 2, _STEP)
    waves = np.exp(2j * np.pi * np.fft.rfftfreq(_SEGMENT)[:, None] * lags)
    curves = ((spectra[1:] * spectra[:-1].conj()) @ waves).real
    power = np.square(np.abs(spectra)).sum(2)
    best = curves.argmax(2)
    similarity = curves.max(2) / np.maximum(np.sqrt(power[1:] * power[:-1]), 1e-12)
    similarity[(best == 0) | (best == len(lags) - 1)] = 0
    against_next = lags[best]  # of the lower row
    values = (against_next[:-1] - against_next[1:]) / 2  # the tilt of structure has no effect
    weights = np.minimum(similarity[:-1], similarity[1:])
    signs = np.where(np.arange(1, len(values) + 1) % 2, 1.0, -1.0)
    return Shifts(values, np.where(weights > _SHARP, weights, 0), signs)


def _measure_offset(rows: Sequence[Shifts]) -> Estimate:
    parts = [(one.values * one.signs[:, None], one.weights > 0) for one in rows]
    signed = np.concatenate([values[kept] for values, kept in parts])
    if len(signed) < _LEAST_SEGMENTS:
        return unknown("too little sharp structure along the rows")
    middle = float(np.median(signed))
    near = np.abs(signed - middle) < 1
    offset = float(signed[near].mean())
    error = float(signed[near].std()) * np.sqrt(2 / near.sum())  # neighbors share rows
    error = max(error, _STEP / 4)
    if abs(offset) <= max(_SIGNIFICANT * error, _STEP):
        return unknown(f"not detected; below {max(_SIGNIFICANT * error, _STEP):.2g} pixels")
    return Estimate(offset, float(np.hypot(error, _MODEL_ERROR * offset)))


def _without(rows: Sequence[Shifts], offset: float) -> list[Shifts]:
    return [Shifts(one.values - offset * one.signs[:, None], one.weights, one.signs) for one in rows]


def _measure_jitter(rows: Sequence[Shifts], columns: Sequence[Shifts]) -> Estimate:
    along, error, pairs = _covariance(rows)
    if pairs < _LEAST_PAIRS:
        return unknown("too little sharp structure along the rows")
    across, across_error, across_pairs = _covariance(columns)
    if across_pairs < _LEAST_PAIRS:
        across, across_error = 0.0, 0.0
    floor = max(_FLOOR**2, across + across_error)
    if along <= max(_SIGNIFICANT * error, floor):
        limit = np.sqrt(max(floor, along + _SIGNIFICANT * error))
        return unknown(f"not detected; below {limit:.2g} pixels")
    jitter = float(np.sqrt(along - max(across, 0.0)))
    large = jitter > _LARGEST
    note = f"above {_LARGEST:g} pixels the jitter is underestimated" if large else ""
    return Estimate(jitter, float(np.hypot(error / (2 * jitter), _MODEL_ERROR * jitter)), not large, note)


def _covariance(shifts: Sequence[Shifts]) -> tuple[float, float, int]:
    """Return the variance of the shifts that the segments of a line share, its standard error, and the pairs used."""
    products, weights = [], []
    for one in shifts:
        number = one.values.shape[1]
        of_rows, of_pairs = np.zeros(len(one.values)), np.zeros(len(one.values))
        for first in range(number):
            for second in range(first):
                weight = one.weights[:, first] * one.weights[:, second]
                of_rows += weight * one.values[:, first] * one.values[:, second]
                of_pairs += weight
        products.append(_blocks(of_rows))
        weights.append(_blocks(of_pairs))
    every, total = np.concatenate(products), np.concatenate(weights)
    pairs = sum(int((one.weights > 0).sum(1).clip(0, 2).sum() // 2) for one in shifts)
    if total.sum() <= 0:
        return 0.0, np.inf, 0
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(every), (_DRAWS, len(every)))
    values = every[drawn].sum(1) / np.maximum(total[drawn].sum(1), 1e-9)
    return float(every.sum() / total.sum()) / _SHARED, float(values.std()) / _SHARED, pairs


def _blocks(values: Array) -> Array:
    """Sum blocks of neighboring rows."""
    return np.add.reduceat(values, np.arange(0, len(values), _BLOCK))
