"""Microscope model: expected image of fluorophores on the camera, and its noise."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from decrappify.crappify.noise import add_normal, poisson
from decrappify.errors import InputError
from decrappify.samples.canvas import MARGIN, SUPERSAMPLING, Canvas

# Width of the spot at each depth, relative to the in-focus spot.
_DEFOCUS = (1.0, 2.6, 6.0)
_HAZE_UM = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Microscope:
    """A wide-field fluorescence microscope with an sCMOS camera.

    Attributes
    ----------
    numerical_aperture, wavelength_um : float
        Width of the Gaussian spot: sigma = 0.21 wavelength / NA (Zhang 2007, Applied Optics 46:1819).
    haze : float
        Out-of-focus light, as a share of the light in the image.
    photons : float
        Photoelectrons of a bright pixel (percentile 99.8 of frame 0), above the background.
    background : float
        Photoelectrons of every pixel; they do not bleach.
    read_noise : float
        Standard deviation in electrons.
    gain : float
        Gray levels per photoelectron.
    offset : float
        Gray level without light.
    loss_per_frame : float
        Share of the fluorescence bleached from one frame to the next, in the expected and the noisy movie.
    """

    numerical_aperture: float = 1.2
    wavelength_um: float = 0.52
    haze: float = 0.3
    photons: float = 40.0
    background: float = 4.0
    read_noise: float = 1.6
    gain: float = 2.2
    offset: float = 100.0
    loss_per_frame: float = 0.004

    def __post_init__(self) -> None:
        positive = ("numerical_aperture", "wavelength_um", "photons", "gain")
        for name in (field.name for field in fields(self)):
            value = getattr(self, name)
            if not np.isfinite(value) or value < 0 or (name in positive and value == 0):
                raise InputError(
                    f"{name} is {value!r}, expected a number {'above' if name in positive else 'of at least'} 0"
                )
        if self.loss_per_frame >= 1:
            raise InputError(f"loss_per_frame is {self.loss_per_frame:g}, expected a share below 1")

    def image(self, canvas: Canvas, pixel_size_um: float) -> NDArray[np.float64]:
        """Compute the image of a canvas: light per camera pixel, (Y, X), in arbitrary units."""
        from scipy.ndimage import gaussian_filter

        sigma = 0.21 * self.wavelength_um / self.numerical_aperture / pixel_size_um
        light = _binned(gaussian_filter(canvas.depths[0], sigma * SUPERSAMPLING, mode="constant"))
        for depth in range(1, len(_DEFOCUS)):
            if canvas.depths[depth].any():
                light += gaussian_filter(_binned(canvas.depths[depth]), sigma * _DEFOCUS[depth], mode="constant")
        light += self.haze * gaussian_filter(light, _HAZE_UM / pixel_size_um, mode="nearest", truncate=3)
        return light[MARGIN:-MARGIN, MARGIN:-MARGIN]

    def expected(self, electrons: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return the expected gray levels, any shape, of signal electrons without background."""
        return ((electrons + self.background) * self.gain + self.offset).astype(np.float32)

    def expose(self, truth: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.uint16]:
        """Simulate a noisy image of expected gray levels: photon noise, read noise and digitization."""
        electrons = poisson((truth - np.float32(self.offset)) / np.float32(self.gain), rng)
        add_normal(electrons, self.read_noise, rng)
        gray = np.rint(electrons * np.float32(self.gain) + np.float32(self.offset))
        return np.asarray(np.clip(gray, 0, 65535), np.uint16)


def _binned(fine: NDArray[np.float64]) -> NDArray[np.float64]:
    rows, columns = (n // SUPERSAMPLING for n in fine.shape)
    return np.asarray(fine.reshape(rows, SUPERSAMPLING, columns, SUPERSAMPLING).sum(axis=(1, 3)))
