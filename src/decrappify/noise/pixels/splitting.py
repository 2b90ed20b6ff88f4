"""Splitting of measured pixels into two exposures with independent noise, to learn and test without a reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from decrappify.crappify.camera import correlate
from decrappify.errors import InputError
from decrappify.noise.model import NoiseModel
from decrappify.noise.simulation import kernel_sigma

Array = NDArray[Any]

_SMOOTHING = 2.0  # pixels; the mean from which the variance of correlated noise is taken
_MEAN_WIDTH = 4.0  # pixels; over which the effect of rounding to whole photons is averaged
_LARGEST_REACH = 0.3  # correlation at lag 2 that the kernel does not explain
_LEAST_SHARE = 0.1  # of the variance of a gray level, which all pixels have
MOST_PHOTONS = 1e9  # counts up to which binomial and Poisson numbers are exact in float64


@dataclass(frozen=True, slots=True)
class NoiseSplitter:
    """Splitter of measured pixels of one channel into two parts with the same expectation and independent noise.

    The variance of a pixel is ``gain * (mean - zero)`` with ``zero = -intercept / gain``, the gray level at which the
    variance vanishes. Above it, pixels are counted as Poisson variables, which include the read noise as additional
    counts (Huang et al. 2013, Nature Methods 10:653). Binomial thinning of a Poisson variable results in two
    independent ones. Where normal read noise is a large part of the variance, counts of the light alone are drawn from
    their approximate distribution given the pixel, and normal noise is added for the rest. For noise that is correlated
    between pixels, a second field with the same covariance is added to one part and subtracted from the other, which
    makes them independent if the noise is Gaussian (Pang et al. 2021, Recorrupted-to-Recorrupted, CVPR).

    Attributes
    ----------
    gain : float
        Gray levels per photoelectron, at least 0.
    intercept : float
        Variance of the noise at gray level 0, in squared gray levels.
    correlation_sigma : (float, float)
        Standard deviation, along Y and X in pixels, of the Gaussian kernel of the noise; 0 for independent noise.
    least_variance : float
        Variance below which the noise of dim pixels does not fall, in squared gray levels.
    read_variance : float
        Part of the variance that is normal read noise, in squared gray levels.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> pixels = 100 + 2.0 * rng.poisson(50, (256, 256))
    >>> first, second = NoiseSplitter(gain=2.0, intercept=-200.0).split(pixels, 0.7, rng)
    >>> round(float(first.mean())), round(float(second.mean()))
    (200, 200)
    >>> bool(abs(np.cov(first.ravel(), second.ravel())[0, 1]) < 3)  # the variance is 200
    True
    """

    gain: float
    intercept: float
    correlation_sigma: tuple[float, float] = (0.0, 0.0)
    least_variance: float = 0.0
    read_variance: float = 0.0

    def __post_init__(self) -> None:
        if self.gain < 0 or (self.gain == 0 and self.intercept <= 0):
            raise InputError(f"gain is {self.gain:g} and intercept {self.intercept:g}, expected noise above 0")

    @classmethod
    def of(cls, noise: NoiseModel) -> NoiseSplitter:
        """Create it from a measured noise; without a gain, the variance is taken as constant.

        Raises
        ------
        InputError
            If neither the gain nor the standard deviation of the noise is determined.
        """
        sigma = kernel_sigma(noise.correlation_y[1].value or 0.0), kernel_sigma(noise.correlation_x[1].value or 0.0)
        if noise.gain.value is not None and noise.intercept.value is not None:
            read = (noise.read_noise.value or 0.0) ** 2
            return cls(noise.gain.value, noise.intercept.value, sigma, noise.least_variance, read)
        if not noise.noise_sd.value:
            raise InputError(f"the noise of {noise.source or 'the movie'} is not determined: {noise.gain.note}")
        return cls(0.0, noise.noise_sd.value**2, sigma)

    @property
    def is_correlated(self) -> bool:
        """Whether the noise of neighboring pixels is correlated."""
        return any(self.correlation_sigma)

    def split(
        self, pixels: Array, share: float, rng: np.random.Generator, excess: Array | None = None
    ) -> tuple[Array, Array]:
        """Split pixels into two parts with `share` and ``1 - share`` of the light, both in gray levels of the whole.

        The weighted mean of both, with these weights, is `pixels`; their noise is larger than that of `pixels` by
        ``1 / share`` and ``1 / (1 - share)`` in variance.

        Parameters
        ----------
        pixels : array (..., Y, X)
            Measured gray levels.
        share : float
            Between 0 and 1, exclusive.
        rng : numpy.random.Generator
        excess : array (Y, X), optional
            Variance of the pixels beyond that of their gray level, in squared gray levels.

        Returns
        -------
        first, second : array, float64
        """
        if not 0 < share < 1:
            raise InputError(f"share is {share:g}, expected a share of the light between 0 and 1")
        values = np.asarray(pixels, np.float64)
        difference = self._field(values, share, rng, excess)
        return values + difference / share, values - difference / (1 - share)

    def variance(self, mean: Array, excess: Array | None = None) -> Array:
        """Return the variance of pixels with a mean gray level, and an excess of single pixels."""
        variance = np.maximum(self.gain * np.asarray(mean, np.float64) + self.intercept, self.least_variance)
        return with_excess(variance, excess)

    def normal_field(self, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        """Draw normal noise (..., Y, X) of variance 1 with the correlation of the pixels, float32."""
        field = rng.standard_normal(shape, dtype=np.float32)
        if not self.is_correlated:
            return field
        return np.asarray(correlate(field.reshape(-1, *shape[-2:]), self.correlation_sigma).reshape(shape))

    def _field(self, values: Array, share: float, rng: np.random.Generator, excess: Array | None) -> Array:
        """Draw the zero-mean deviation of the first part from its share, in gray levels of the light."""
        weight = share * (1 - share)
        if self.gain and not self.is_correlated:
            counts = (values + self.intercept / self.gain) / self.gain
            if counts.max(initial=0) < MOST_PHOTONS:
                more = None if excess is None else excess / self.gain**2
                return np.asarray(self.gain * self._thinned(counts, share, rng, more))
        spread = np.sqrt(weight * self.variance(_smoothed(values) if self.gain else values, excess))
        return np.asarray(spread * self.normal_field(values.shape, rng))

    def _thinned(self, counts: Array, share: float, rng: np.random.Generator, excess: Array | None) -> Array:
        """Draw the deviation of a share from its expectation, of counts with a variance equal to their mean.

        The variance of the deviation has to be ``share * (1 - share)`` times the mean, at least that of dim pixels,
        plus the excess of single pixels. Whole photons are divided; normal noise is added for the variance that they
        lack, and photons are left out if it is too high, as negative counts are taken as 0.
        """
        expected = np.maximum(_smoothed(counts, _MEAN_WIDTH), self.least_variance / self.gain**2)
        whole = self._photons(counts, expected, rng, excess)
        mean = _smoothed(whole, _MEAN_WIDTH)
        lacking = with_excess(expected, excess) - mean
        kept = rng.binomial(whole.astype(np.int64), np.clip(1 + lacking / np.maximum(mean, 1e-12), 0, 1))
        noise = rng.standard_normal(counts.shape, dtype=np.float32)
        added = np.sqrt(share * (1 - share) * np.maximum(lacking, 0)) * noise
        return np.asarray(rng.binomial(kept, share) - share * kept + added)

    def _photons(self, counts: Array, expected: Array, rng: np.random.Generator, excess: Array | None) -> Array:
        """Draw the whole photons of pixels, given their counts and the expectation of these.

        Without read noise, they are the counts. Otherwise, their distribution is approximated by that of two normal
        variables, light and read noise, given their sum.
        """
        if not self.read_variance:
            return np.asarray(np.maximum(np.rint(counts), 0))
        light = np.maximum(expected - self.read_variance / self.gain**2, 0)
        read = with_excess(expected - light, excess)
        part = light / np.maximum(light + read, 1e-12)
        noise = rng.standard_normal(counts.shape, dtype=np.float32)
        drawn = light + part * (counts - expected) + np.sqrt(part * read) * noise
        return np.asarray(np.maximum(np.rint(drawn), 0))


def with_excess(variance: Array, excess: Array | None) -> Array:
    """Return variances of gray levels with the excess of the pixels, at least a tenth of those of the gray levels.

    >>> with_excess(np.array([10.0, 10.0]), np.array([5.0, -20.0])).tolist()
    [15.0, 1.0]
    """
    return variance if excess is None else np.asarray(np.maximum(variance + excess, _LEAST_SHARE * variance))


def axes_beyond_kernel(noise: NoiseModel) -> list[str]:
    """Return the axes, "Y" and "X", along which noise is correlated over more pixels than the kernel of the split.

    >>> from decrappify.noise import Estimate
    >>> lags = tuple(Estimate(value) for value in (1.0, 0.6, 0.5, 0.4, 0.3))
    >>> axes_beyond_kernel(NoiseModel(correlation_x=lags))
    ['X']
    """
    found = []
    for name, lags in (("Y", noise.correlation_y), ("X", noise.correlation_x)):
        near, far = lags[1].value or 0.0, lags[2].value or 0.0
        if far > near**4 + _LARGEST_REACH:
            found.append(name)
    return found


def _smoothed(values: Array, sigma: float = _SMOOTHING) -> Array:
    sigmas = [0.0] * (values.ndim - 2) + [sigma] * 2
    return np.asarray(gaussian_filter(values, sigmas))
