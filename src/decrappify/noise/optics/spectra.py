"""Radial power spectra of the tiles of images, and of the noise in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decrappify._common.planes.sampling import evenly_spaced
from decrappify.metrics.sums.spectrum import radial_spectrum

Array = NDArray[Any]
SMALLEST = 64  # pixels of a tile
_FRAMES, _TILES = 4, 400
_NOISE_FROM = 0.42  # cycles per pixel, above which few images have structure
_LEAST_NOISE = 0.02  # of the spectrum of correlated noise, relative to its mean


@dataclass(frozen=True, slots=True)
class TileSpectra:
    """Radial spectra of images.

    Attributes
    ----------
    frequency : float array (rings,)
        Cycles per pixel.
    power : float array (tiles, rings)
        Power in squared gray levels; that of white noise is its variance.
    images : int array (tiles,)
        Number of the image of each tile.
    noise_shape : float array (rings,)
        Spectrum of the noise relative to its variance; 1 for white noise.
    noise_variance : float
        Upper limit of the variance of the noise, if it was measured otherwise; infinite if not.
    """

    frequency: Array
    power: Array
    images: Array
    noise_shape: Array
    noise_variance: float = np.inf

    @property
    def n_images(self) -> int:
        """Number of images."""
        return int(self.images.max()) + 1

    def mean(self, chosen: Array | None = None) -> tuple[Array, Array]:
        """Return the mean spectrum of the chosen tiles, and the spectrum of its noise."""
        power = (self.power if chosen is None else self.power[chosen]).mean(0)
        outer = self.frequency >= _NOISE_FROM
        variance = min(float(np.median(power[outer] / self.noise_shape[outer])), self.noise_variance)
        return power, variance * self.noise_shape

    def draw(self, rng: np.random.Generator) -> Array:
        """Draw tiles with replacement: whole images if there are at least 4."""
        if self.n_images < 4:
            return rng.integers(0, len(self.power), len(self.power))
        drawn = rng.integers(0, self.n_images, self.n_images)
        return np.concatenate([np.flatnonzero(self.images == number) for number in drawn])


def tile_spectra(
    images: Sequence[Array],
    largest: int,
    correlation: tuple[Sequence[float], Sequence[float]] | None = None,
    noise_variance: float = np.inf,
) -> TileSpectra | None:
    """Compute the spectra of overlapping square tiles under a Hann window.

    Parameters
    ----------
    images : sequence of arrays (T, Y, X)
        The spectra of at most 4 frames are averaged.
    largest : int
        Largest side of a tile; tiles are smaller in small images.
    correlation : (along Y, along X), optional
        Autocorrelation of the noise at lags 0, 1, ...; white noise by default.
    noise_variance : float
        Variance of the noise, if known.

    Returns
    -------
    TileSpectra or None
        None if no image has 64 pixels along Y and X.
    """
    usable = [one for one in images if min(one.shape[1:]) >= SMALLEST]
    if not usable:
        return None
    side = min(largest, *(min(one.shape[1:]) for one in usable))
    tiles, numbers = [], []
    for number, image in enumerate(usable):
        frames = image[evenly_spaced(len(image), _FRAMES)]
        of_image = _tiles(frames, side)
        kept = evenly_spaced(len(of_image), max(1, _TILES // len(usable)))
        tiles += [of_image[k] for k in kept]
        numbers += [number] * len(kept)
    spectra = [radial_spectrum(tile) for tile in tiles]
    frequency = spectra[0].frequency
    shape = np.ones_like(frequency) if correlation is None else _noise_shape(frequency, correlation)
    power = np.stack([one.power for one in spectra])
    return TileSpectra(frequency, power, np.array(numbers), shape, noise_variance)


def radial_mean(function: Any, frequency: Array) -> Array:
    """Average a function of the frequencies along Y and X over all directions."""
    angles = (np.arange(16) + 0.5) * np.pi / 32
    return np.asarray(np.mean([function(frequency * np.sin(a), frequency * np.cos(a)) for a in angles], 0))


def _noise_shape(frequency: Array, correlation: tuple[Sequence[float], Sequence[float]]) -> Array:
    def along(lags: Sequence[float], f: Array) -> Array:
        waves = [rho * np.cos(2 * np.pi * f * lag) for lag, rho in enumerate(lags) if lag]
        return np.asarray(1 + 2 * np.sum(waves, 0))

    y, x = correlation
    product = radial_mean(lambda fy, fx: np.maximum(along(y, fy), 0) * np.maximum(along(x, fx), 0), frequency)
    return np.maximum(product, _LEAST_NOISE)


def _tiles(frames: Array, side: int) -> list[Array]:
    """Return tiles (T, side, side) that overlap by half."""
    starts = [evenly_spaced(size - side + 1, max(1, 2 * (size // side) - 1)) for size in frames.shape[1:]]
    return [frames[:, y : y + side, x : x + side] for y in starts[0] for x in starts[1]]
