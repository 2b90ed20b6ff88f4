"""Texture of a result: detail finer than a spot, compared with that of the data in squares of pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decrappify.trust.camera import PlaneNoise
from decrappify.trust.consistency import TOLERANCE
from decrappify.trust.filters import matched_filter

Array = NDArray[Any]
_FINER = 0.5  # width of the filter whose difference from the image is texture, in widths of a spot
_STRONG = 0.5  # of the root mean square of a square
_LEAST_SHARE = 0.2  # of the variance of white noise, that correlated noise has in the finest detail


@dataclass(frozen=True, slots=True)
class Texture:
    """Texture of a plane in squares.

    Attributes
    ----------
    relative : array (Y, X)
        Texture relative to the standard deviation of the noise.
    strength : array (rows, columns)
        Expected score of the texture if the data do not contain it.
    score : array (rows, columns)
        Standard normal if the result is correct; below 0 where the data do not contain the texture of the result.
    """

    relative: Array
    strength: Array
    score: Array

    def pixels(self, squares: Array, side: int) -> Array:
        """Return the pixels (Y, X) of squares (rows, columns) that have texture, or are next to one that has."""
        from scipy.ndimage import maximum_filter

        if not squares.any():
            return np.zeros(self.relative.shape, bool)
        inside = _expanded(squares, side, self.relative.shape)
        typical = np.sqrt(_sums(np.square(self.relative), side) / _sums(np.ones_like(self.relative), side))
        strong = np.abs(self.relative) >= _STRONG * _expanded(typical, side, self.relative.shape)
        return np.asarray(inside & maximum_filter(strong & inside, 3))


def texture_of(
    gray: Array, residual: Array, variance: Array, noise: PlaneNoise, *, spot_px: float, side: int
) -> Texture:
    """Correlate the texture of a result with the residual ``measured - restored``, in squares.

    Filters of the size of a spot average texture out. If the measured plane lacks it, the residual contains its
    negative, whereas the noise is independent of it, or similar to it where the result follows the noise.

    Parameters
    ----------
    gray, residual, variance : array (Y, X)
        Result, residual (0 in pixels that are not evaluated) and variance of the noise.
    noise : PlaneNoise
    spot_px : float
        Standard deviation of the smallest spot in pixels.
    side : int
        Of the squares; those at the border are smaller.
    """
    texture = np.where(residual == 0, np.float32(0), gray - matched_filter(_FINER * spot_px).smooth(gray))
    relative = texture / np.sqrt(variance)
    energy = _sums(np.square(relative), side)
    deviation = _sums(texture / variance * residual, side)
    accepted = np.float32(TOLERANCE / noise.gain) * _sums(np.abs(texture), side)
    spread = energy if noise.correlation is None else _spread(relative, noise, side, energy)
    sd = np.sqrt(np.maximum(spread, np.float32(1e-12)))
    score = np.copysign(np.maximum(np.abs(deviation) - accepted, 0), deviation) / sd
    return Texture(relative, energy / sd, score)


def _spread(relative: Array, noise: PlaneNoise, side: int, energy: Array) -> Array:
    """Return the variance of the correlation of a texture, relative to the noise, with correlated noise."""
    from scipy.ndimage import correlate

    correlated = correlate(relative, np.asarray(noise.correlation, np.float32), mode="constant")
    return np.asarray(np.maximum(_sums(relative * correlated, side), np.float32(_LEAST_SHARE) * energy))


def _sums(image: Array, side: int) -> Array:
    """Return the sum of each square."""
    rows, columns = (np.arange(0, length, side) for length in image.shape)
    return np.asarray(np.add.reduceat(np.add.reduceat(image, rows, axis=0), columns, axis=1))


def _expanded(squares: Array, side: int, shape: tuple[int, ...]) -> Array:
    """Return the value of its square for each pixel."""
    return np.repeat(np.repeat(squares, side, axis=0), side, axis=1)[: shape[0], : shape[1]]
