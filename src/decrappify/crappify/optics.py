"""Optical blur: Gaussian, or by the diffraction limit of an objective."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from decrappify.crappify.part import Limits, Logarithmic, Number, Part, Positive, Signal, Times
from decrappify.crappify.registry import register_part

_WIDEST = 1000.0  # pixels; the kernel of a wider blur would be larger than any image


@register_part("blur")
@dataclass(frozen=True, slots=True)
class Blur(Part):
    """Gaussian blur; borders are mirrored.

    Attributes
    ----------
    sigma : float or range
        Standard deviation in pixels, at most 1000; 0 does nothing.
    """

    before_sampling: ClassVar[bool] = True

    sigma: Annotated[Number, Limits(minimum=0, maximum=_WIDEST)] = 1.0

    def apply(self, signal: Signal, rng: np.random.Generator, times: Times) -> Signal:
        """Blur each frame along Y and X."""
        from scipy.ndimage import gaussian_filter

        sigma = self.value("sigma")
        blurred: Signal = gaussian_filter(signal, (0, sigma, sigma))
        return blurred


@register_part("airy")
@dataclass(frozen=True, slots=True)
class Airy(Part):
    """Blur of an ideal wide-field objective in focus (Airy pattern); borders are mirrored.

    Attributes
    ----------
    numerical_aperture : float or range
        NA of the objective.
    wavelength_um : float or range
        Emission wavelength.
    pixel_size_um : float or range (log-uniform)
        Pixel size in the sample plane.
    """

    before_sampling: ClassVar[bool] = True

    numerical_aperture: Positive = 1.2
    wavelength_um: Positive = 0.52
    pixel_size_um: Logarithmic = 0.1

    def apply(self, signal: Signal, rng: np.random.Generator, times: Times) -> Signal:
        """Multiply each frame's spectrum by the objective's transfer function."""
        from scipy.fft import irfft2, next_fast_len, rfft2

        margin = math.ceil(8 / self._cutoff())  # six radii of the Airy disk
        rows, columns = signal.shape[1:]
        full_rows, full_columns = (next_fast_len(size + 2 * margin, real=True) for size in (rows, columns))
        padding = ((0, 0), (margin, full_rows - margin - rows), (margin, full_columns - margin - columns))
        spectrum = rfft2(np.pad(signal, padding, mode="symmetric"))
        spectrum *= self.transfer(full_rows, full_columns)
        blurred = irfft2(spectrum, s=(full_rows, full_columns))
        return np.ascontiguousarray(blurred[:, margin : margin + rows, margin : margin + columns], dtype=np.float32)

    def _cutoff(self) -> float:
        """Compute the cut-off frequency of the objective, in cycles per pixel: 2 NA / wavelength."""
        return 2 * self.value("numerical_aperture") * self.value("pixel_size_um") / self.value("wavelength_um")

    def transfer(self, rows: int, columns: int) -> Signal:
        """Compute the incoherent transfer function on the grid of `rfft2`, (rows, columns // 2 + 1); 1 at frequency 0.

        Goodman, Introduction to Fourier Optics (3rd ed., 2005), equation 6-31.
        """
        frequency = np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns)[None])
        relative = np.minimum(frequency / self._cutoff(), 1)
        transfer = 2 / np.pi * (np.arccos(relative) - relative * np.sqrt(1 - relative**2))
        return np.asarray(transfer, np.float32)
