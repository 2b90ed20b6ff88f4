"""Noise of real detectors beyond shot and read noise: correlated, in rows, fixed, amplified; and 8-bit stretching."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from decrappify._common.checks import short
from decrappify.crappify.noise import add_normal, count_photons, poisson, to_signal
from decrappify.crappify.part import AnyNumber, Limits, Logarithmic, NonNegative, Number, Part, Signal, Times
from decrappify.crappify.registry import register_part
from decrappify.errors import InputError

_Pattern = Annotated[Number, Limits(minimum=0, maximum=1e9, whole=True)]
_ANY_PATTERN = (0, 1_000_000_000)
_WIDEST = 50.0  # pixels
_NARROWEST = 0.1  # pixels; narrower kernels are one pixel wide


@register_part("correlated_noise")
@dataclass(frozen=True, slots=True)
class CorrelatedNoise(Part):
    """Shot and read noise that is correlated between neighboring pixels, as after resampling or demosaicing.

    The deviations from the expected signal are standardized, filtered by a Gaussian kernel, and scaled back, so that
    the variance of each pixel is that of `PoissonGaussian`, whatever the kernel. In wide-field images of Zhang (2019,
    CVPR, FMD data set) the correlation of horizontal neighbors is about 0.6.

    Attributes
    ----------
    photons : float or range (log-uniform)
        Expected photoelectrons per pixel at signal 1, above the background.
    read_noise : float or range
        Standard deviation in electrons.
    background : float or range
        Photoelectrons per pixel at signal 0.
    sigma : float or range
        Standard deviation of the kernel in pixels, at most 50; below 0.1 the noise is independent. The correlation of
        neighbors is 0.09 at 0.4 pixels, 0.26 at 0.5, 0.45 at 0.6, 0.58 at 0.7, 0.67 at 0.8 and 0.78 at 1.
    rows_only : bool
        Whether only neighbors along X are correlated, as after resampling of scanned lines.
    """

    photons: Logarithmic = 100.0
    read_noise: NonNegative = 1.5
    background: NonNegative = 0.0
    sigma: Annotated[Number, Limits(minimum=0, maximum=_WIDEST)] = 0.7
    rows_only: bool = False

    def apply(self, signal: Signal, rng: np.random.Generator, times: Times) -> Signal:
        """Add the noise."""
        photons, background = self.value("photons"), self.value("background")
        expected = signal * np.float32(photons) + np.float32(background)
        electrons = count_photons(signal, photons, background, rng)
        add_normal(electrons, self.value("read_noise"), rng)
        spread = np.sqrt(np.maximum(expected, 0) + np.float32(self.value("read_noise") ** 2))
        relative = (electrons - expected) / np.maximum(spread, np.float32(1e-6))
        sigma = self.value("sigma")
        correlated = correlate(relative, (0.0 if self.rows_only else sigma, sigma))
        return to_signal(expected + correlated * spread, photons, background)


@register_part("row_noise")
@dataclass(frozen=True, slots=True)
class RowNoise(Part):
    """Offsets of whole rows and columns, different in every frame, as of the amplifiers of sCMOS cameras.

    Attributes
    ----------
    rows, columns : float or range
        Standard deviation of the offsets in signal units.
    """

    rows: NonNegative = 0.01
    columns: NonNegative = 0.0

    def apply(self, signal: Signal, rng: np.random.Generator, times: Times) -> Signal:
        """Add the offsets."""
        n_t, rows, columns = signal.shape
        of_rows = rng.standard_normal((n_t, rows, 1), dtype=np.float32) * np.float32(self.value("rows"))
        of_columns = rng.standard_normal((n_t, 1, columns), dtype=np.float32) * np.float32(self.value("columns"))
        return np.asarray(signal + of_rows + of_columns)


@register_part("fixed_pattern")
@dataclass(frozen=True, slots=True)
class FixedPattern(Part):
    """Offsets and sensitivities of pixels that are equal in all frames of a movie.

    Attributes
    ----------
    offset : float or range
        Standard deviation of the pixels' offsets (dark signal non-uniformity) in signal units.
    columns : float or range
        Standard deviation of the columns' offsets in signal units.
    response : float or range
        Relative standard deviation of the pixels' sensitivities (photo response non-uniformity).
    pattern : int or range
        Number of the pattern; equal numbers are equal patterns.
    """

    offset: NonNegative = 0.01
    columns: NonNegative = 0.0
    response: Annotated[Number, Limits(minimum=0, maximum=1)] = 0.0
    pattern: _Pattern = _ANY_PATTERN

    def apply(self, signal: Signal, rng: np.random.Generator, times: Times) -> Signal:
        """Multiply by the sensitivities and add the offsets."""
        fixed = np.random.default_rng(int(self.value("pattern")))
        rows, columns = signal.shape[1:]
        offsets = fixed.standard_normal((rows, columns), dtype=np.float32) * np.float32(self.value("offset"))
        offsets += fixed.standard_normal(columns, dtype=np.float32) * np.float32(self.value("columns"))
        response = fixed.standard_normal((rows, columns), dtype=np.float32) * np.float32(self.value("response"))
        return np.asarray(signal * (1 + response) + offsets)


@register_part("bad_pixels")
@dataclass(frozen=True, slots=True)
class BadPixels(Part):
    """Hot and dead pixels at the same positions in all frames of a movie.

    Attributes
    ----------
    hot, dead : float or range
        Share of the pixels.
    level : float or range
        Mean signal that a hot pixel adds; the signals are distributed exponentially. Dead pixels have the signal 0.
    pattern : int or range
        Number of the pattern; equal numbers are equal positions.
    """

    hot: Annotated[Number, Limits(minimum=0, maximum=1)] = 0.001
    dead: Annotated[Number, Limits(minimum=0, maximum=1)] = 0.0
    level: NonNegative = 0.5
    pattern: _Pattern = _ANY_PATTERN

    def apply(self, signal: Signal, rng: np.random.Generator, times: Times) -> Signal:
        """Replace dead pixels and add the signal of hot ones."""
        fixed = np.random.default_rng(int(self.value("pattern")))
        shape = signal.shape[1:]
        chance = fixed.random(shape, dtype=np.float32)
        hot = fixed.standard_exponential(shape, dtype=np.float32) * np.float32(self.value("level"))
        hot[chance >= self.value("hot")] = 0
        dead = chance >= 1 - np.float32(self.value("dead"))
        return np.asarray(np.where(dead, np.float32(0), signal) + hot)


@register_part("excess_noise")
@dataclass(frozen=True, slots=True)
class ExcessNoise(Part):
    """Shot noise of detectors that multiply electrons: EMCCD cameras, photomultipliers and avalanche photodiodes.

    The number of photoelectrons is drawn, then its amplification from a gamma distribution (Hirsch 2013, PLoS ONE
    8:e53671), so that the variance is `factor` times that of shot noise.

    Attributes
    ----------
    photons : float or range (log-uniform)
        Expected photoelectrons per pixel at signal 1, above the background.
    background : float or range
        Photoelectrons per pixel at signal 0.
    read_noise : float or range
        Standard deviation in photoelectrons, that is, divided by the amplification.
    factor : float or range
        Excess noise factor F squared: 1 without amplification noise, 2 for EMCCD cameras, 1.2 to 1.5 for
        photomultipliers.
    """

    photons: Logarithmic = 30.0
    background: NonNegative = 0.0
    read_noise: NonNegative = 0.1
    factor: Annotated[Number, Limits(minimum=1, maximum=10)] = 2.0

    def apply(self, signal: Signal, rng: np.random.Generator, times: Times) -> Signal:
        """Add the noise; the expected result is the signal itself."""
        photons, background = self.value("photons"), self.value("background")
        expected = signal * np.float32(photons) + np.float32(background)
        light = np.maximum(expected, 0)
        electrons = poisson(light, rng)
        scale = np.float32(self.value("factor") - 1)
        if scale > 0:
            electrons = np.asarray(rng.standard_gamma(electrons / scale, dtype=np.float32) * scale)
        electrons += expected - light
        add_normal(electrons, self.value("read_noise"), rng)
        return to_signal(electrons, photons, background)


@register_part("stretch")
@dataclass(frozen=True, slots=True)
class Stretch(Part):
    """Contrast stretching to few gray levels, as of 8-bit exports: clipped and rounded.

    Attributes
    ----------
    low, high : float or range
        Signals of the lowest and the highest gray level; values outside are clipped.
    bits : int
        Bits per pixel, 1 to 16.
    """

    low: AnyNumber = 0.0
    high: AnyNumber = 1.0
    bits: int = 8

    def __post_init__(self) -> None:
        Part.__post_init__(self)
        if not Limits(minimum=1, maximum=16, whole=True).allows(self.bits) or not isinstance(self.bits, int):
            raise InputError(f"{self.name}: bits is {short(self.bits)}, expected an integer from 1 to 16")

    def apply(self, signal: Signal, rng: np.random.Generator, times: Times) -> Signal:
        """Clip and round."""
        low, span = self.value("low"), self.value("high") - self.value("low")
        if span <= 0:
            raise InputError(f"{self.name}: low is {low:g} and high {low + span:g}, expected low < high")
        steps = np.float32(2**self.bits - 1)
        levels = np.rint(np.clip((signal - np.float32(low)) / np.float32(span), 0, 1) * steps)
        return np.asarray(levels * np.float32(span / steps) + np.float32(low))


def correlate(white: Signal, sigma: tuple[float, float]) -> Signal:
    """Return a white field (T, Y, X) filtered by a Gaussian kernel along Y and X, with its variance kept.

    The field is periodic, so that the variance is the same at the borders.
    """
    from scipy.ndimage import gaussian_filter1d

    for axis, width in zip((1, 2), sigma, strict=True):
        if width > _NARROWEST:
            impulse = np.zeros(2 * int(4 * width + 0.5) + 3, np.float64)
            impulse[len(impulse) // 2] = 1
            power = float(np.square(gaussian_filter1d(impulse, width)).sum())
            white = gaussian_filter1d(white, width, axis=axis, mode="wrap") * np.float32(power**-0.5)
    return white
