"""Spatial autocorrelation of noise from the flattest tiles of difference images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decrappify.noise.measurement.kernels import FOURTH, LAPLACIAN, response

Array = NDArray[Any]
LAGS = 4
_TILE, LEAST_TILES = 16, 32  # small tiles find flat places between moving structure
_SMOOTH = 1.1  # ratio of the variances that two filters pass; below it the correlation is smooth over their reach
_COLORED = 1.15  # ratio of the measured variances from which noise is correlated, whatever moves
_SHORT = 0.3  # correlation at lag 2 relative to lag 1, below which it is that of a detector: blurred structure is wider
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

    def response_error(self, kernel: Array) -> float:
        """Compute the standard error of ``response(kernel, values)``."""
        changes = []
        for y, x in ((y, x) for y in range(LAGS + 1) for x in range(2 * LAGS + 1) if (y, x) < (LAGS, LAGS)):
            step = np.zeros_like(self.values)  # of a lag and the opposite one, which are equal
            step[y, x] = step[-1 - y, -1 - x] = self.errors[y, x]
            changes.append(response(kernel, step))
        return float(np.linalg.norm(changes))


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
        None for fewer than 32 tiles of 16 pixels with noise.
    """
    tiles = tiles_of(differences)
    order = flattest(tiles, tiles_of(smooth), share)
    if order is None:
        return None
    chosen = tiles[order]
    chosen = chosen - chosen.mean((1, 2), keepdims=True)
    spectrum = np.abs(np.fft.fft2(chosen, (2 * _TILE, 2 * _TILE))) ** 2
    products = np.fft.ifft2(spectrum).real
    lags = np.arange(-LAGS, LAGS + 1)
    overlap = np.outer(_TILE - np.abs(lags), _TILE - np.abs(lags))
    covariance = products[:, lags[:, None], lags] / overlap
    ratios = covariance / covariance[:, LAGS : LAGS + 1, LAGS : LAGS + 1]
    values = np.median(ratios, 0)
    lost = values.sum() / (_TILE**2 - values.size + values.sum())  # variance of the means that were subtracted
    values = values * (1 - lost) + lost
    errors = 1.2533 * ratios.std(0) / np.sqrt(len(ratios))  # of a median of normal values
    return Correlation(values, errors, len(ratios), _is_motion(chosen, values))


def flattest(tiles: Array, structure: Array, share: float = 0.15) -> Array | None:
    """Return the numbers of the tiles with the least structure relative to noise; None for fewer than 32 with noise.

    Parameters
    ----------
    tiles : array (N, 16, 16)
        Of differences of frames.
    structure : array (N, 16, 16)
        Of smoothed images of the same places.
    share : float
        Share of the tiles with noise that is returned.
    """
    noisy = np.flatnonzero((tiles != tiles[:, :1, :1]).any((1, 2)))
    if len(noisy) < LEAST_TILES:
        return None
    tiles, structure = tiles[noisy] - tiles[noisy].mean((1, 2), keepdims=True), structure[noisy]
    order = np.argsort(structure.std((1, 2)) / _noise(tiles, structure.mean((1, 2))))
    return np.asarray(noisy[order[: max(LEAST_TILES, int(share * len(noisy)))]])


def filtered_variance(tiles: Array, kernel: Array) -> float:
    """Return the median variance of filtered tiles (N, 16, 16): that of a pixel, for white noise."""
    return float(np.median(_filtered(tiles, kernel).var((1, 2))))


def _is_motion(tiles: Array, values: Array) -> bool:
    """Return whether smooth moving structure, not noise, is correlated: two difference filters pass equal variances.

    The measured ratio of the variances decides. The predicted one is not exact for strongly correlated noise, of which
    the filters pass a few percent.
    """
    wide, narrow = (filtered_variance(tiles, kernel) for kernel in (LAPLACIAN, FOURTH))
    measured = wide / max(narrow, 1e-12)
    if measured > _COLORED:
        return False
    predicted = response(LAPLACIAN, values) / max(response(FOURTH, values), 1e-6)
    if predicted < _SMOOTH:
        near = (values[LAGS, LAGS + 1], values[LAGS + 1, LAGS])
        far = (values[LAGS, LAGS + 2], values[LAGS + 2, LAGS])
        return bool(min(near) > _WHITE and sum(far) > _SHORT * sum(near))
    return bool(measured < np.sqrt(predicted))


def _noise(tiles: Array, levels: Array) -> Array:
    """Return the standard deviation of the noise of each tile, from a line through filtered variance against level.

    The variance of a tile itself contains motion, which would make tiles with structure appear flat, and that of the
    filtered tile varies by chance, so that choosing by it would choose a wrong spectrum.
    """
    variances = _filtered(tiles, FOURTH).var((1, 2))
    centered = levels - levels.mean()
    slope = float((centered * variances).sum() / max(float(np.square(centered).sum()), 1e-12))
    fitted = variances.mean() + max(slope, 0.0) * centered
    return np.asarray(np.sqrt(np.maximum(fitted, max(0.1 * float(variances.mean()), 1e-12))))


def _filtered(tiles: Array, kernel: Array) -> Array:
    """Filter each tile, without its border of 2 pixels."""
    from scipy.ndimage import correlate

    return np.asarray(correlate(tiles, kernel[None])[:, 2:-2, 2:-2])


def tiles_of(images: Array) -> Array:
    """Split images (N, Y, X) into tiles (M, 16, 16) without overlap."""
    n, rows, columns = images.shape[0], images.shape[1] // _TILE, images.shape[2] // _TILE
    cut = images[:, : rows * _TILE, : columns * _TILE].reshape(n, rows, _TILE, columns, _TILE)
    return np.asarray(cut.transpose(0, 1, 3, 2, 4).reshape(-1, _TILE, _TILE), np.float64)
