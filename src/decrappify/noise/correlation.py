"""Spatial autocorrelation of noise from the flattest tiles of difference images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decrappify.noise.kernels import FOURTH, LAPLACIAN, response

Array = NDArray[Any]
LAGS = 4
_TILE, _LEAST_TILES = 32, 8
_SMOOTH = 1.1  # ratio of the variances that two filters pass; below it the correlation is smooth over their reach
_WHITE = 0.05  # correlations up to this are not distinguished from interpolation-free data


@dataclass(frozen=True, slots=True)
class Correlation:
    """Autocorrelation of noise.

    Attributes
    ----------
    values : array (9, 9)
        At lags -4 ... 4 in Y and X; 1 in the middle.
    errors : array (9, 9)
        Standard errors.
    n_tiles : int
        Tiles from which it was measured.
    is_motion : bool
        Whether the correlation is that of moving structure and the noise white.
    """

    values: Array
    errors: Array
    n_tiles: int
    is_motion: bool = False

    @property
    def is_white(self) -> bool:
        """Return whether no correlation of direct neighbors is significant and above 0.05."""
        if self.is_motion:
            return True
        near = [(LAGS, LAGS + 1), (LAGS + 1, LAGS)]
        return all(abs(self.values[at]) < max(_WHITE, 3 * self.errors[at]) for at in near)


def measure_correlation(differences: Array, smooth: Array, share: float = 0.15) -> Correlation | None:
    """Measure the autocorrelation of the noise in difference images.

    Parameters
    ----------
    differences : array (N, Y, X)
        Differences of successive frames.
    smooth : array (N, Y, X)
        Smoothed means of the same frames, from which structure is recognized.
    share : float
        Share of the tiles, those with the least structure relative to noise, that is used.

    Returns
    -------
    Correlation or None
        None for fewer than 8 tiles with noise, or images under 32 pixels.
    """
    tiles, structure = _tiles(differences), _tiles(smooth)
    tiles = tiles - tiles.mean((1, 2), keepdims=True)
    variance = tiles.var((1, 2))
    noisy = variance > 0
    tiles, structure, variance = tiles[noisy], structure[noisy], variance[noisy]
    if len(tiles) < _LEAST_TILES:
        return None
    order = np.argsort(structure.std((1, 2)) / np.sqrt(variance))
    chosen = tiles[order[: max(_LEAST_TILES, int(share * len(tiles)))]]
    spectrum = np.abs(np.fft.fft2(chosen, (2 * _TILE, 2 * _TILE))) ** 2
    products = np.fft.ifft2(spectrum).real
    lags = np.arange(-LAGS, LAGS + 1)
    overlap = np.outer(_TILE - np.abs(lags), _TILE - np.abs(lags))
    covariance = products[:, lags[:, None], lags] / overlap
    ratios = covariance / covariance[:, LAGS : LAGS + 1, LAGS : LAGS + 1]
    values = np.median(ratios, 0)
    errors = 1.2533 * ratios.std(0) / np.sqrt(len(ratios))  # of a median of normal values
    return Correlation(values, errors, len(ratios), _is_motion(chosen, values))


def _is_motion(tiles: Array, values: Array) -> bool:
    """Return whether smooth moving structure, not noise, is correlated: two difference filters pass equal variances."""
    from scipy.ndimage import correlate

    predicted = response(LAPLACIAN, values) / max(response(FOURTH, values), 1e-6)
    if predicted < _SMOOTH:
        return bool(values[LAGS, LAGS + 1] > _WHITE and values[LAGS + 1, LAGS] > _WHITE)
    inside = (slice(None), slice(2, -2), slice(2, -2))
    wide, narrow = (correlate(tiles, kernel[None])[inside] for kernel in (LAPLACIAN, FOURTH))
    measured = np.median(wide.var((1, 2))) / max(float(np.median(narrow.var((1, 2)))), 1e-12)
    return bool(measured < np.sqrt(predicted))


def _tiles(images: Array) -> Array:
    """Split images (N, Y, X) into tiles (M, 32, 32) without overlap."""
    n, rows, columns = images.shape[0], images.shape[1] // _TILE, images.shape[2] // _TILE
    cut = images[:, : rows * _TILE, : columns * _TILE].reshape(n, rows, _TILE, columns, _TILE)
    return np.asarray(cut.transpose(0, 1, 3, 2, 4).reshape(-1, _TILE, _TILE), np.float64)
