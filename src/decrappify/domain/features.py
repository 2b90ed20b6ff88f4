"""Features of an image that determine whether a model can restore it; independent of offset and gain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from decrappify.movie import Array

_TILE, _LEAST_TILES = 32, 4
_BIN = 4  # gray levels are averaged over blocks, so that noise does not stretch the range
_LIMITS = -2.0, 4.0  # in units of the range; hot pixels beyond are clipped
_LOW, _HIGH = 0.2, 0.35  # cycles per pixel: structure below, noise from the second on
_FIT = 0.25, 0.5  # band in which the correlation is fitted
_FLAT = 0.25  # share of the tiles, those with the least structure relative to noise
_MARGIN = 0.25  # of a correlation that is unexpected


def measure_features(regions: Sequence[Array]) -> dict[str, float] | None:
    """Measure the features of one movie or field of view from regions of it.

    Parameters
    ----------
    regions : sequence of arrays (Y, X)
        Regions of any size and dtype, in the same gray levels.

    Returns
    -------
    dict or None
        ``brightness``: position of the median between the 1st percentile (0) and the 99.8th (1). ``noise``: standard
        deviation of the noise in units of that range. ``correlation``: of the noise of direct neighbors, 0 to 1,
        fitted to the spectrum of the tiles with the least structure. ``detail``: mean spatial frequency of structure,
        in cycles per pixel. None if the regions have no extent or fewer than 4 tiles of 32 x 32 pixels.
    """
    blocks = np.concatenate([_block_means(region) for region in regions])
    blocks = blocks[np.isfinite(blocks)]
    if not blocks.size:
        return None
    low, median, high = (float(level) for level in np.percentile(blocks, (1, 50, 99.8)))
    if not high > low:
        return None
    tiles = np.concatenate([_tiles(region, low, high) for region in regions])
    if len(tiles) < _LEAST_TILES:
        return None
    power = _radial_power(tiles)
    frequency = np.arange(1, power.shape[1] + 1) / _TILE
    noise = power[:, frequency > _HIGH].mean(1)
    return {
        "brightness": (median - low) / (high - low),
        "noise": float(np.sqrt(noise.mean())),
        "correlation": _correlation(power, noise, frequency),
        "detail": _detail(power.mean(0), frequency),
    }


def unexpected_correlation(features: Mapping[str, float] | None, expected: float) -> float | None:
    """Return the correlation of the noise of direct neighbors if it is larger than expected, else None.

    The margin of 0.25 is that of the fit to the spectrum.

    Examples
    --------
    >>> unexpected_correlation({"correlation": 0.6}, 0.5), unexpected_correlation({"correlation": 0.6}, 0.0)
    (None, 0.6)
    """
    found = 0.0 if features is None else features["correlation"]
    return found if found > expected + _MARGIN else None


def _correlation(power: Array, noise: Array, frequency: Array) -> float:
    """Fit the spectrum of white noise that a Gaussian filter has smoothed; return the correlation of neighbors."""
    order = np.argsort(power[:, frequency < _LOW].mean(1) / noise)
    flat = order[: max(_LEAST_TILES, int(_FLAT * len(order)))]
    spectrum = (power[flat] / noise[flat, None]).mean(0)
    band = (frequency > _FIT[0]) & (frequency <= _FIT[1])
    slope = float(np.polyfit(frequency[band] ** 2, np.log(spectrum[band]), 1)[0])
    variance = -slope / (2 * np.pi) ** 2  # of the Gaussian, in square pixels
    return float(np.exp(-0.25 / variance)) if variance > 0 else 0.0


def _detail(power: Array, frequency: Array) -> float:
    """Return the mean frequency of the spectrum above the noise, integrated over all directions."""
    structure = np.maximum(power - power[frequency > _HIGH].mean(), 0) * frequency * (frequency <= _HIGH)
    total = float(structure.sum())
    return float((frequency * structure).sum() / total) if total > 0 else 0.0


def _radial_power(tiles: Array) -> Array:
    """Compute the power (N, 16) at 1/32 to 16/32 cycles per pixel, 1 for white noise of variance 1; no zeros."""
    window = np.hanning(_TILE + 1)[:_TILE].astype(np.float32)
    window /= np.sqrt((window**2).sum())
    spectrum = np.fft.rfft2(tiles * np.outer(window, window)).reshape(len(tiles), -1)
    rows, columns = np.fft.fftfreq(_TILE)[:, None], np.fft.rfftfreq(_TILE)[None]
    ring = np.rint(np.hypot(rows, columns) * _TILE).ravel()
    rings = (ring[:, None] == np.arange(1, _TILE // 2 + 1)).astype(np.float32)
    power = spectrum.real**2 + spectrum.imag**2
    return np.asarray(np.maximum(power.astype(np.float32) @ (rings / rings.sum(0)), 1e-12))


def _block_means(region: Array) -> Array:
    rows, columns = (length // _BIN * _BIN for length in region.shape)
    blocks = region[:rows, :columns].reshape(rows // _BIN, _BIN, columns // _BIN, _BIN)
    with np.errstate(invalid="ignore"):  # infinity of both signs
        return np.asarray(blocks.mean((1, 3), dtype=np.float64)).ravel()


def _tiles(region: Array, low: float, high: float) -> Array:
    """Split a region into tiles (N, 32, 32) in units of the range, minus their mean, without constant ones and NaN."""
    rows, columns = (length // _TILE for length in region.shape)
    wide: Any = np.float32 if region.dtype.itemsize <= 2 else np.float64
    cut: Array = region[: rows * _TILE, : columns * _TILE].astype(wide)
    units = np.clip((cut - low) / (high - low), *_LIMITS).astype(np.float32)
    tiles = units.reshape(rows, _TILE, columns, _TILE).transpose(0, 2, 1, 3).reshape(-1, _TILE, _TILE)
    tiles = tiles - tiles.mean((1, 2), keepdims=True)
    return np.asarray(tiles[np.isfinite(tiles).all((1, 2)) & tiles.any((1, 2))])
