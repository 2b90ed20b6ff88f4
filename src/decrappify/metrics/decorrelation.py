"""Resolution of a single image by decorrelation analysis (Descloux, Grussmayer and Radenovic 2019).

For measured images: inputs and references. Sharpness that a network adds counts as resolution, correct or not, so
the value does not measure the gain of a restoration.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.signal.windows import tukey

from decrappify.errors import InputError
from decrappify.metrics.sums.pairs import checked_stack, finite
from decrappify.movie import Array

N_RADII, N_FILTERS = 50, 10
_NARROWEST, _PROMINENCE, _EDGE_PX = 0.14, 1e-3, 20
_SMALLEST_SIDE = 32
_PERIODS = 4  # fewer across the image are not a measurement


class Decorrelation(NamedTuple):
    """`resolution_px`, a period in pixels (2 is the limit of sampling), and `amplitude`, the height of the first peak.

    The amplitude (0 to 1) grows with the signal-to-noise ratio. `resolution_px` is infinite if no peak was found, as in
    pure noise, or only one at the limit of the method: at the smallest radius, or with fewer than 4 periods across the
    image.
    """

    resolution_px: float
    amplitude: float


def decorrelation_resolution(image: ArrayLike) -> Decorrelation:
    """Compute the resolution of an image by decorrelation analysis, without a second image or any parameter.

    The image is correlated with itself after all its Fourier amplitudes are set to one, within a growing radius: the
    correlation peaks at the transition from signal to noise. The peak is determined again after ten high-pass filters,
    and once more around the best of them; the highest frequency found is the cut-off (Nature Methods 16:918). At low
    light it is limited by noise rather than by the optics.

    Parameters
    ----------
    image : array-like
        (Y, X), at least 32 × 32 pixels; the largest centered square is used, its edges tapered over 20 pixels.

    Returns
    -------
    Decorrelation
        ``(resolution_px, amplitude)``.

    Raises
    ------
    InputError
        For a movie, a smaller or constant image, or NaN.
    """
    stack = checked_stack(image, "image")
    if len(stack) != 1 or min(stack.shape[1:]) < _SMALLEST_SIDE:
        raise InputError(
            f"image has shape {np.shape(image)}, decorrelation needs one (Y, X) image of at least "
            f"{_SMALLEST_SIDE} × {_SMALLEST_SIDE} pixels; choose a frame"
        )
    amplitudes = _Amplitudes(finite(stack[0], 0, "image"))
    radii = np.linspace(0, 1, N_RADII + 1)[1:]
    first_radius, first_height = _peak(radii, amplitudes.curve(radii))
    if first_height == 0:
        return Decorrelation(np.inf, 0.0)
    sigmas = np.geomspace(2 / first_radius, _NARROWEST, N_FILTERS)
    found = np.array([_peak(radii, amplitudes.curve(radii, sigma))[0] for sigma in sigmas])
    best = int(found.argmax())
    lowest = max(float(radii[0]), 2 * _PERIODS / min(stack.shape[1:]))
    if found[best] < first_radius:
        return _measured(first_radius, lowest, first_height)
    near = np.geomspace(sigmas[max(best - 1, 0)], sigmas[min(best + 1, N_FILTERS - 1)], N_FILTERS)
    fine = np.linspace(max(found[best] - 0.1, 0.02), min(found[best] + 0.3, 1), N_RADII)
    refined = max(_peak(fine, amplitudes.curve(fine, sigma))[0] for sigma in near)
    return _measured(max(refined, found[best]), lowest, first_height)


def _measured(radius: float, lowest: float, height: float) -> Decorrelation:
    return Decorrelation(float(2 / radius) if radius > lowest * (1 + 1e-9) else np.inf, height)


class _Amplitudes:
    """Fourier amplitudes within the Nyquist circle, sorted by radius."""

    def __init__(self, image: Array) -> None:
        side = min(image.shape)
        top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
        square = image[top : top + side, left : left + side]
        if np.ptp(square) == 0:
            raise InputError(f"image is constant (every pixel {square[0, 0]:g}); check the file or the channel")
        window = tukey(side, min(1.0, 2 * _EDGE_PX / side))
        values = np.abs(np.fft.fft2((square - square.mean()) * (window[:, None] * window)))
        frequency = np.fft.fftfreq(side, 0.5)  # 1 is Nyquist
        radius = np.hypot(frequency[:, None], frequency)
        inside = (radius <= 1) & (radius > 0)
        order = np.argsort(radius[inside])
        self._radius, self._values = radius[inside][order], values[inside][order]

    def curve(self, radii: Array, sigma: float | None = None) -> Array:
        """Compute d(r), with a `sigma` (pixels) of the image high-passed by ``I - gaussian(I, sigma)``."""
        values = self._values
        if sigma is not None:
            values = values * -np.expm1(-0.5 * (np.pi * sigma * self._radius) ** 2)
        counts = np.searchsorted(self._radius, radii, side="right")
        sums = np.concatenate([[0.0], np.cumsum(values)])[counts]
        norm = np.sqrt(float(values @ values) * counts)
        return np.asarray(np.divide(sums, norm, out=np.zeros(len(radii)), where=norm > 0))


def _peak(radii: Array, curve: Array) -> tuple[float, float]:
    """Return radius and height of the highest local maximum; (radii[0], 0) if the curve only rises.

    A maximum at the end is not a peak: the curve is shortened by one radius at a time until its maximum exceeds a later
    value by more than 0.001.
    """
    for end in range(len(curve), 0, -1):
        i = int(curve[:end].argmax())
        if i < end - 1 and curve[i] - curve[i:end].min() > _PROMINENCE:
            return float(radii[i]), float(curve[i])
    return float(radii[0]), 0.0
