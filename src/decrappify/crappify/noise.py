"""Detector noise. Photon noise is specified in photons, so its strength is comparable between microscopes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from decrappify._common.checks import short
from decrappify.crappify.part import AnyNumber, Limits, Logarithmic, NonNegative, Number, Part, Signal, Times
from decrappify.crappify.registry import register_part
from decrappify.errors import InputError

# At and above this mean, counts are transformed normal deviates, off by one photon in at most 0.16 % of the draws.
BRIGHT = np.float32(4)
# Dim pixels never reach this count: the probability is below 1e-9 at 4 expected photons.
DIM_LIMIT = 24


@register_part("gaussian")
@dataclass(frozen=True, slots=True)
class Gaussian(Part):
    """Additive noise of constant strength, such as read noise.

    Attributes
    ----------
    sigma : float or range
        Standard deviation in signal units.
    """

    sigma: NonNegative = 0.05

    def apply(self, signal: Signal, rng: np.random.Generator, times: Times) -> Signal:
        """Add the noise."""
        return add_normal(signal.copy(), self.value("sigma"), rng)


@register_part("poisson")
@dataclass(frozen=True, slots=True)
class Poisson(Part):
    """Photon noise of an ideal counting detector: the variance of the count is its mean.

    Attributes
    ----------
    photons : float or range (log-uniform)
        Expected photons per pixel at signal 1, above the background.
    background : float or range
        Photons per pixel at signal 0; they add noise, and their mean is subtracted.
    """

    photons: Logarithmic = 30.0
    background: NonNegative = 0.0

    def apply(self, signal: Signal, rng: np.random.Generator, times: Times) -> Signal:
        """Add photon noise; the expected result is the signal itself."""
        photons, background = self.value("photons"), self.value("background")
        return to_signal(count_photons(signal, photons, background, rng), photons, background)


@register_part("poisson_gaussian")
@dataclass(frozen=True, slots=True)
class PoissonGaussian(Part):
    """Camera noise: ``gray = gain * (Poisson(photons) + N(0, read_noise)) + offset``, in signal units without bias.

    Gain and offset only matter with `bit_depth`: they determine the steps and limits of the digitizer.

    Attributes
    ----------
    photons : float or range (log-uniform)
        Expected photoelectrons per pixel at signal 1, above the background.
    read_noise : float or range
        Standard deviation in electrons.
    background : float or range
        Photoelectrons per pixel at signal 0.
    gain : float or range (log-uniform)
        Gray levels per photoelectron.
    offset : float or range
        Gray level without light.
    bit_depth : int, optional
        Bits of the digitizer: gray levels are rounded and clipped to 0 ... 2**bit_depth - 1. None: not quantized.
    """

    photons: Logarithmic = 100.0
    read_noise: NonNegative = 1.5
    background: NonNegative = 0.0
    gain: Logarithmic = 1.0
    offset: NonNegative = 100.0
    bit_depth: int | None = None

    def __post_init__(self) -> None:
        Part.__post_init__(self)
        if self.bit_depth is not None and not Limits(minimum=1, maximum=32, whole=True).allows(self.bit_depth):
            raise InputError(f"{self.name}: bit_depth is {short(self.bit_depth)}, expected an integer from 1 to 32")

    def apply(self, signal: Signal, rng: np.random.Generator, times: Times) -> Signal:
        """Add photon noise and read noise, and digitize."""
        photons, background = self.value("photons"), self.value("background")
        electrons = count_photons(signal, photons, background, rng)
        add_normal(electrons, self.value("read_noise"), rng)
        if self.bit_depth is not None:
            gain, offset = np.float32(self.value("gain")), np.float32(self.value("offset"))
            gray = np.rint(electrons * gain + offset)
            electrons = (np.clip(gray, 0, 2**self.bit_depth - 1) - offset) / gain
        return to_signal(electrons, photons, background)


@register_part("salt_and_pepper")
@dataclass(frozen=True, slots=True)
class SaltAndPepper(Part):
    """Dead and hot pixels, different in every frame.

    Attributes
    ----------
    fraction : float or range
        Share of the pixels that are replaced; half become `low`, half `high`.
    low, high : float or range
        Signal of dead and hot pixels.
    """

    fraction: Annotated[Number, Limits(minimum=0, maximum=1)] = 0.005
    low: AnyNumber = 0.0
    high: AnyNumber = 1.0

    def apply(self, signal: Signal, rng: np.random.Generator, times: Times) -> Signal:
        """Replace pixels."""
        chance = rng.random(signal.shape, dtype=np.float32)
        half = np.float32(self.value("fraction") / 2)
        spoilt = np.where(chance < half, np.float32(self.value("low")), signal)
        return np.where(chance >= 1 - half, np.float32(self.value("high")), spoilt)


@register_part("speckle")
@dataclass(frozen=True, slots=True)
class Speckle(Part):
    """Gaussian noise with a variance proportional to the local brightness (local-variance noise of PSSR, Fang 2021).

    Attributes
    ----------
    variance : float or range (log-uniform)
        Variance of the noise at a local mean signal of 1.
    radius : float or range
        Gaussian sigma in pixels of the local mean; 0 uses the pixel itself.
    """

    variance: Logarithmic = 0.01
    radius: NonNegative = 5.0

    def apply(self, signal: Signal, rng: np.random.Generator, times: Times) -> Signal:
        """Add the noise."""
        from scipy.ndimage import gaussian_filter

        radius = self.value("radius")
        local = np.maximum(gaussian_filter(signal, (0, radius, radius)), 0)
        noise = rng.standard_normal(signal.shape, dtype=np.float32)
        noise *= np.sqrt(local * np.float32(self.value("variance")))
        return signal + noise


def add_normal(values: Signal, sigma: float, rng: np.random.Generator) -> Signal:
    """Add white normal noise in place; nothing is drawn when sigma is 0."""
    if sigma > 0:
        noise = rng.standard_normal(values.shape, dtype=np.float32)
        noise *= np.float32(sigma)
        values += noise
    return values


def count_photons(signal: Signal, photons: float, background: float, rng: np.random.Generator) -> Signal:
    """Draw Poisson counts, float32, of ``signal * photons + background`` expected photons.

    If that is below 0 (noise of the reference image) there is no shot noise, and the value is kept: clipping it would
    shift the mean.
    """
    expected = signal * np.float32(photons)
    expected += np.float32(background)
    light = np.maximum(expected, 0)
    counts = poisson(light, rng)
    counts += expected - light
    return counts


def to_signal(electrons: Signal, photons: float, background: float) -> Signal:
    """Convert counts to signal units, in place."""
    electrons -= np.float32(background)
    electrons *= np.float32(1 / photons)
    return electrons


def poisson(expected: Signal, rng: np.random.Generator) -> Signal:
    """Draw Poisson deviates as float32 of any shape, several times faster than numpy's generator.

    Draw order: one float32 normal per pixel if any pixel is bright, then one float32 uniform per pixel if any is dim.
    """
    bright = expected >= BRIGHT
    if not bright.any():
        return _poisson_dim(expected, rng)
    counts = _poisson_bright(np.maximum(expected, BRIGHT), rng)
    if bright.all():
        return counts
    return np.where(bright, counts, _poisson_dim(np.where(bright, np.float32(0), expected), rng))


def _poisson_bright(expected: Signal, rng: np.random.Generator) -> Signal:
    """Invert the distribution by its asymptotic series around the normal one, Q_N2 of Giles (2016, ACM TOMS 42:7)."""
    normal = rng.standard_normal(expected.shape, dtype=np.float32)
    square = normal * normal
    root = np.sqrt(expected)
    last = (square * square / 270 + square * (7 / 810) - 8 / 405) / expected
    counts = expected + root * normal + (square / 6 + 1 / 3) - normal * (square / 72 + 1 / 36) / root + last
    return np.maximum(np.floor(counts, out=counts), 0, out=counts)


def _poisson_dim(expected: Signal, rng: np.random.Generator) -> Signal:
    """Invert the distribution by summing its terms, all pixels at once."""
    chance = rng.random(expected.shape, dtype=np.float32)
    term = np.exp(-expected)
    total = term.copy()
    counts = np.zeros_like(expected)
    for count in range(1, DIM_LIMIT):
        more = chance >= total
        if not more.any():
            break
        counts += more
        term *= expected
        term *= np.float32(1 / count)
        total += term
    return counts
