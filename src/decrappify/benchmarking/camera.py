"""Camera model from photons to gray levels, and the transform that stabilizes its noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from decrappify._common.argument_names import argument
from decrappify.errors import InputError
from decrappify.metrics.resolution import check_camera
from decrappify.movie import Array

if TYPE_CHECKING:
    from decrappify.noise import NoiseModel

_LOWEST = 2 * np.sqrt(3 / 8)
_HIGHEST_CORRELATION = 0.95


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
    noise_correlation : float
        Correlation of the noise of neighboring pixels, as `calibrate` measures it; 0 for independent noise.

    Raises
    ------
    InputError
        If the gain is not above 0, the read noise below 0, or the correlation not between 0 and 0.95.
    """

    gain: float | None = None
    offset: float = 0.0
    read_noise: float = 0.0
    noise_correlation: float = 0.0

    def __post_init__(self) -> None:
        """Check the values."""
        check_camera(1.0 if self.gain is None else self.gain, self.offset, self.read_noise)
        if not 0 <= self.noise_correlation <= _HIGHEST_CORRELATION:
            raise InputError(
                f"{argument('noise_correlation')} is {self.noise_correlation!r}, expected the correlation of the noise "
                f"of neighboring pixels, between 0 and {_HIGHEST_CORRELATION}"
            )

    @classmethod
    def from_noise_model(cls, noise: NoiseModel) -> Camera:
        """Create it from the noise that `calibrate` measured.

        Without dark frames, offset and read noise are not known separately; the offset then accounts for both. The
        correlation is 0 if it was not determined, as in single images.

        Raises
        ------
        InputError
            If the gain is not determined.

        Examples
        --------
        >>> from decrappify import calibrate
        >>> expected = np.tile(np.linspace(10, 400, 128), (128, 1))
        >>> movie = 100 + 2.0 * np.random.default_rng(0).poisson(expected, (6, 128, 128))
        >>> round(Camera.from_noise_model(calibrate(movie).noise).known_gain, 1)
        2.0
        """
        gain, offset, read_noise = noise.gain.value, noise.offset.value, noise.read_noise.value
        intercept = noise.intercept.value
        if gain is None or intercept is None:
            raise InputError(f"the gain of this noise model is not determined: {noise.gain.note}")
        neighbors = [axis[1].value or 0.0 for axis in (noise.correlation_y, noise.correlation_x)]
        correlation = float(np.clip(np.mean(neighbors), 0, _HIGHEST_CORRELATION))
        if offset is None or read_noise is None:
            return cls(gain, -intercept / gain, 0.0, correlation)
        return cls(gain, offset, read_noise / gain, correlation)

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
