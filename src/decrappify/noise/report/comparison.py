"""Comparison of the low images with good ones that were degraded by the calibrated crappifier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decrappify._common.planes.saturation import saturate
from decrappify.crappify import Crappifier
from decrappify.errors import InputError
from decrappify.noise.measurement.measure import measure_levels, measure_noise
from decrappify.noise.measurement.transfer import Transfer
from decrappify.noise.model import NoiseModel
from decrappify.noise.optics.optics import Optics
from decrappify.noise.optics.spectra import tile_spectra

Array = NDArray[Any]
KS_TARGET, DECIBEL_TARGET, NOISE_TARGET = 0.1, 1.5, 0.1
_DRAWS = 4  # frames of a crappified movie, from which its noise is measured
_TILE = 128
_LOWEST, _BAND = 0.03, 0.02  # cycles per pixel
_LEAST = 32  # pixels of a crappified image
_KS_PIXELS = 200_000
_EXACT = 1000  # pixels of a bin, whose variance has an error of 4.5 %


@dataclass(frozen=True, slots=True)
class Comparison:
    """A low image, a crappified good one, and the differences of their statistics.

    Attributes
    ----------
    low, crappified : arrays (Y, X)
        One image of each, in the gray levels of the low images.
    pixels : (array, array)
        Gray levels of all low and all crappified pixels.
    ks, ks_level : float
        Kolmogorov-Smirnov distance of the histograms, and the gray level at which they differ most.
    frequency, low_power, crappified_power : arrays (n,)
        Radial spectra in bands of 0.02 cycles per pixel; empty for images under 64 pixels.
    transfer : Transfer or None
        Photon-transfer curve of the crappified images.
    noise_ratio : arrays (n, 2)
        Mean gray level, and the variance of the crappified noise relative to the measured one; empty if not known.
    """

    low: Array
    crappified: Array
    pixels: tuple[Array, Array]
    ks: float
    ks_level: float
    frequency: Array
    low_power: Array
    crappified_power: Array
    transfer: Transfer | None
    noise_ratio: Array

    @property
    def decibel(self) -> Array:
        """Spectrum of the crappified images relative to the low ones in dB."""
        return np.asarray(10 * np.log10(self.crappified_power / self.low_power))

    @property
    def largest_decibel(self) -> tuple[float, float] | None:
        """Return the largest difference of the spectra in dB, and its frequency; None if not known."""
        return _farthest(self.frequency, self.decibel, 0.0)

    @property
    def largest_noise(self) -> tuple[float, float] | None:
        """Return the ratio of the standard deviations that differs most from 1, and its gray level; None if unknown."""
        if not len(self.noise_ratio):
            return None
        return _farthest(self.noise_ratio[:, 0], np.sqrt(self.noise_ratio[:, 1]), 1.0)

    def sentences(self) -> list[tuple[bool, str]]:
        """Return for each criterion whether it is met, and its value as a sentence."""
        found = [
            (
                self.ks <= KS_TARGET,
                f"Histograms: Kolmogorov-Smirnov distance {self.ks:.2f} (target {KS_TARGET:g}); they differ most at "
                f"gray level {self.ks_level:.4g}.",
            )
        ]
        if (spectra := self.largest_decibel) is not None:
            found.append(
                (
                    abs(spectra[0]) <= DECIBEL_TARGET,
                    f"Radial spectra: largest difference {spectra[0]:+.1f} dB (target {DECIBEL_TARGET:g} dB) in the "
                    f"crappified images, at {spectra[1]:.2f} cycles per pixel.",
                )
            )
        if (noise := self.largest_noise) is not None:
            found.append(
                (
                    abs(noise[0] - 1) <= NOISE_TARGET,
                    f"Noise against mean: largest difference {100 * (noise[0] - 1):+.0f} % of the standard deviation "
                    f"(target {100 * NOISE_TARGET:g} %) in the crappified images, at gray level {noise[1]:.4g}.",
                )
            )
        return found


def compare(
    noise: NoiseModel, optics: Optics, transfer: Transfer | None, low: Sequence[Array], high: Sequence[Array]
) -> Comparison:
    """Crappify the good images and compare them with the low ones.

    Parameters
    ----------
    noise, optics
        Measured values.
    transfer : Transfer, optional
        Photon-transfer curve of the low images.
    low : sequence of arrays (T, Y, X)
    high : sequence of arrays (1, Y, X)

    Raises
    ------
    InputError
        If the noise is not determined, or the good images are under 32 pixels after down-sampling.
    """
    from scipy.stats import ks_2samp

    draws = 1 if all(len(one) == 1 for one in low) else _DRAWS
    crappified = _crappify(noise, optics, high, draws, low[0].dtype)
    pixels = (_values(low), _values(crappified))
    test = ks_2samp(*pixels, method="asymp")
    spectra = [tile_spectra(images, _TILE) for images in (low, crappified)]
    frequency, powers = np.zeros(0), [np.zeros(0), np.zeros(0)]
    if spectra[0] is not None and spectra[1] is not None and len(spectra[0].frequency) == len(spectra[1].frequency):
        frequency, powers = _bands(spectra[0].frequency, [one.power.mean(0) for one in spectra if one is not None])
    measured = measure_noise(crappified, np.concatenate([one.ravel() for one in crappified]))["fit"].transfer
    largest = max(low, key=lambda one: one[0].size)
    return Comparison(
        low=largest[0],
        crappified=max(crappified, key=lambda one: one[0].size)[0],
        pixels=pixels,
        ks=float(test.statistic),
        ks_level=float(test.statistic_location),
        frequency=frequency,
        low_power=powers[0],
        crappified_power=powers[1],
        transfer=measured,
        noise_ratio=_noise_ratio(transfer, measured),
    )


def _crappify(noise: NoiseModel, optics: Optics, high: Sequence[Array], draws: int, dtype: Any) -> list[Array]:
    """Return crappified movies (draws, Y, X) of the good images, in the gray levels and dtype of the low images."""
    low, top = noise.levels
    degrade = Crappifier([*optics.parts(), *noise.parts()])
    blur = Crappifier(optics.parts())
    rng = np.random.default_rng(0)
    whole = [_cropped(one, degrade.scale) for one in high if min(one.shape[1:]) >= _LEAST * degrade.scale]
    if not whole:
        raise InputError(f"the good images have fewer than {_LEAST * degrade.scale} pixels along Y or X")
    span = (float(min(one.min() for one in whole)), float(max(one.max() for one in whole)))
    levels = measure_levels([blur(one, rng, data_range=span) for one in whole])
    movies = []
    for image in whole:
        signal = degrade(np.repeat(image, draws, 0), rng, data_range=levels)
        movies.append(low + (signal - levels[0]) * ((top - low) / (levels[1] - levels[0])))
    return [saturate(one, dtype) for one in movies]


def _cropped(image: Array, scale: int) -> Array:
    rows, columns = (size // scale * scale for size in image.shape[1:])
    return image[:, :rows, :columns].astype(np.float32)


def _values(images: Sequence[Array]) -> Array:
    every = np.concatenate([one.ravel() for one in images])
    return every[:: max(1, len(every) // _KS_PIXELS)].astype(np.float64)


def _bands(frequency: Array, powers: Sequence[Array]) -> tuple[Array, list[Array]]:
    """Average spectra in bands of equal width."""
    numbers = np.floor((frequency - _LOWEST) / _BAND).astype(int)
    kept = [numbers == number for number in range(int((0.5 - _LOWEST) / _BAND)) if (numbers == number).any()]
    return np.array([frequency[one].mean() for one in kept]), [
        np.array([power[one].mean() for one in kept]) for power in powers
    ]


def _noise_ratio(measured: Transfer | None, crappified: Transfer | None) -> Array:
    """Return the ratio of the curves at the exactly measured gray levels that both cover."""
    if measured is None or crappified is None:
        return np.zeros((0, 2))
    inside = (measured.means >= crappified.means.min()) & (measured.means <= crappified.means.max())
    inside &= measured.counts >= _EXACT
    if not inside.any():
        return np.zeros((0, 2))
    means, variances = measured.means[inside], measured.variances[inside]
    return np.stack([means, np.interp(means, crappified.means, crappified.variances) / variances], 1)


def _farthest(places: Array, values: Array, expected: float) -> tuple[float, float] | None:
    if not len(values):
        return None
    at = int(np.abs(values - expected).argmax())
    return float(values[at]), float(places[at])
