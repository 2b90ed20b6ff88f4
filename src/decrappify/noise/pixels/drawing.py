"""Drawing of measured pixels from expected ones: the noise of one channel as a camera adds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from decrappify._common.planes.saturation import saturate
from decrappify.movie import Movie
from decrappify.noise.model import NoiseModel
from decrappify.noise.pixels.splitting import MOST_PHOTONS, NoiseSplitter
from decrappify.noise.pixels.variance import excess_variance, movie_terms

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseDrawer:
    """Photon and read noise of one channel, with the correlation of neighbors and the offsets of lines.

    As for `NoiseSplitter`, the variance of a pixel is ``gain * mean + intercept``; read noise that is not known is
    drawn as additional counts. Correlated noise is Gaussian. Fixed patterns and hot pixels, which are equal in all
    frames, are not drawn.

    Attributes
    ----------
    terms : NoiseSplitter
        Gain, intercept and correlation.
    excess : array (Y, X) or None
        Variance of each pixel beyond that of its gray level.
    row_noise, column_noise : float
        Standard deviation of the offsets of rows and columns in gray levels.
    saturation : float or None
        Highest gray level.

    Examples
    --------
    >>> drawer = NoiseDrawer(terms=NoiseSplitter(gain=2.0, intercept=-200.0))
    >>> drawn = drawer.draw(np.full((256, 256), 200.0), np.random.default_rng(0), np.uint16)
    >>> drawn.dtype, round(float(drawn.mean())), round(float(drawn.var()), -1)
    (dtype('uint16'), 200, 200.0)
    """

    terms: NoiseSplitter
    excess: Array | None = None
    row_noise: float = 0.0
    column_noise: float = 0.0
    saturation: float | None = None

    @classmethod
    def of(cls, noise: NoiseModel, movie: Movie | None = None, channel: int = 0) -> NoiseDrawer:
        """Create it from a measured noise, and the differences between the pixels of a movie.

        Without a gain, the variance is taken as constant.

        Raises
        ------
        InputError
            If neither the gain nor the standard deviation of the noise is determined.
        """
        terms = NoiseSplitter.of(noise) if movie is None else movie_terms(movie, channel, noise)
        return cls(
            terms=terms,
            excess=None if movie is None else excess_variance(movie, channel, terms),
            row_noise=noise.row_noise.value or 0.0,
            column_noise=noise.column_noise.value or 0.0,
            saturation=noise.saturation.value if noise.saturation.valid else None,
        )

    def draw(self, expected: Array, rng: np.random.Generator, dtype: DTypeLike) -> Array:
        """Draw a measured plane.

        Parameters
        ----------
        expected : array (Y, X)
            Expected gray levels; NaN remains NaN, or becomes 0 in integers.
        rng : numpy.random.Generator
        dtype : dtype
            Of the result; integers are rounded and clipped.
        """
        values = np.asarray(expected, np.float64)
        finite = np.isfinite(values)
        drawn = self._pixels(np.where(finite, values, 0.0), rng)
        if self.row_noise:
            drawn = drawn + self.row_noise * rng.standard_normal((values.shape[0], 1))
        if self.column_noise:
            drawn = drawn + self.column_noise * rng.standard_normal((1, values.shape[1]))
        if self.saturation is not None:
            drawn = np.minimum(drawn, self.saturation)
        is_float = np.dtype(dtype).kind == "f"
        return saturate(np.where(finite, drawn, np.nan if is_float else 0.0), np.dtype(dtype))

    def _pixels(self, values: Array, rng: np.random.Generator) -> Array:
        terms = self.terms
        variance = terms.variance(values, self.excess)
        if terms.gain and not terms.is_correlated:
            light = np.clip(terms.variance(values) - terms.read_variance, 0, variance)
            counts = light / terms.gain**2
            if counts.max(initial=0) < MOST_PHOTONS:
                drawn = values + terms.gain * (rng.poisson(counts) - counts)
                return np.asarray(drawn + np.sqrt(variance - light) * rng.standard_normal(values.shape))
        return np.asarray(values + np.sqrt(variance) * terms.normal_field(values.shape, rng))
