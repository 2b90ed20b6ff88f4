"""Camera model from photons to gray levels, and the transform that stabilizes its noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from decrappify.errors import InputError
from decrappify.metrics.resolution import check_camera
from decrappify.movie import Array

_LOWEST = 2 * np.sqrt(3 / 8)


@dataclass(frozen=True, slots=True)
class Camera:
    """``gray = gain * (photons + read noise) + offset``.

    Attributes
    ----------
    gain : float or None
        Gray levels per photon; None if unknown.
    offset : float
        Gray level without light.
    read_noise : float
        Standard deviation in photons.

    Raises
    ------
    InputError
        If the gain is not above 0 or the read noise below 0.
    """

    gain: float | None = None
    offset: float = 0.0
    read_noise: float = 0.0

    def __post_init__(self) -> None:
        """Check the values."""
        check_camera(1.0 if self.gain is None else self.gain, self.offset, self.read_noise)

    @property
    def known_gain(self) -> float:
        """Gain; raises InputError if it is unknown."""
        if self.gain is None:
            raise InputError("the gain of the camera is unknown; pass Camera(gain=...) in gray levels per photon")
        return self.gain

    def stabilized(self, frame: Array) -> Array:
        """Transform gray levels so that their noise has standard deviation 1 (generalized Anscombe, Starck 1998).

        >>> noisy = 100 + 2 * np.random.default_rng(0).poisson(20.0, 100_000)
        >>> round(float(Camera(2.0, 100.0, 0.0).stabilized(noisy).std()), 2)
        1.0
        """
        photons = (frame - self.offset) / self.known_gain
        return np.asarray(2 * np.sqrt(np.maximum(photons + 3 / 8 + self.read_noise**2, 0)))

    def restored(self, values: Array) -> Array:
        """Invert `stabilized` for denoised values without the bias of the algebraic inverse (Mäkitalo and Foi 2013)."""
        d = np.maximum(values, _LOWEST)
        root = np.sqrt(3 / 2)
        photons = d**2 / 4 + root / 4 / d - 11 / 8 / d**2 + 5 / 8 * root / d**3 - 1 / 8 - self.read_noise**2
        return np.asarray(self.known_gain * photons + self.offset)
