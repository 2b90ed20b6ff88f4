"""Power by spatial frequency, to detect detail that a restoration removed or added at each scale."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from decrappify.errors import InputError
from decrappify.metrics.sums.pairs import checked_pair, checked_stack, frames
from decrappify.movie import Array

# Coarse, middle and fine detail, in cycles per pixel; below is shading, above is mostly noise.
BANDS = ((0.05, 0.125), (0.125, 0.25), (0.25, 0.45))
SMALLEST_SIDE = 16


class Spectrum(NamedTuple):
    """Mean power on rings of spatial frequency: `frequency` in cycles per pixel (0 to 0.5), `power` in gray levels²."""

    frequency: Array
    power: Array


@dataclass(slots=True)
class RingSums:
    """Power and cross power of image pairs on rings one Fourier pixel wide, summed over frames.

    The largest centered square of each frame is used, its mean is subtracted, and a Hann window reduces its edges to 0:
    the step between opposite edges would add a bright cross to every ring.
    """

    first: Array = field(default_factory=lambda: np.zeros(0))
    second: Array = field(default_factory=lambda: np.zeros(0))
    cross: Array = field(default_factory=lambda: np.zeros(0))
    modes: Array = field(default_factory=lambda: np.zeros(0))
    n_frames: int = 0

    def add(self, first: Array, second: Array) -> None:
        """Add the next float64 (Y, X) frame pair of one size, at least 16 × 16."""
        side = min(first.shape)
        if side < SMALLEST_SIDE:
            raise InputError(
                f"frames are {first.shape[0]} × {first.shape[1]} pixels, "
                f"a spectrum needs at least {SMALLEST_SIDE} × {SMALLEST_SIDE}"
            )
        rings, weights = _rings(side)
        one, two = (_transform(image, side) for image in (first, second))
        n_rings = side // 2 + 1
        sums = [
            np.bincount(rings, weights * values.ravel(), minlength=n_rings)[:n_rings]
            for values in (abs(one) ** 2, abs(two) ** 2, (one * two.conj()).real)
        ]
        if self.n_frames == 0:
            self.first, self.second, self.cross = sums
            self.modes = np.bincount(rings, weights, minlength=n_rings)[:n_rings]
        else:
            if len(self.first) != n_rings:
                raise InputError(f"a frame is {side} pixels wide, those before it {2 * len(self.first) - 2}")
            self.first, self.second, self.cross = (
                old + new for old, new in zip((self.first, self.second, self.cross), sums, strict=True)
            )
        self.n_frames += 1

    @property
    def frequency(self) -> Array:
        """Ring radii in cycles per pixel, 0 to 0.5."""
        return np.arange(len(self.first)) * (0.5 / (len(self.first) - 1))

    def spectra(self) -> tuple[Spectrum, Spectrum]:
        """Return the mean power of the first and of the second image."""
        count = self.modes * self.n_frames
        return Spectrum(self.frequency, self.first / count), Spectrum(self.frequency, self.second / count)

    def band_ratios(self) -> tuple[float, ...]:
        """Compute ``10 log10(power of first / power of second)`` in each of `BANDS`."""
        return tuple(_decibel(*(self._in_band(power, *band) for power in (self.first, self.second))) for band in BANDS)

    def _in_band(self, power: Array, low: float, high: float) -> float:
        return float(power[(self.frequency >= low) & (self.frequency < high)].sum())


def radial_spectrum(image: ArrayLike) -> Spectrum:
    """Compute the mean power of an image, or of all frames of a movie, by spatial frequency.

    Parameters
    ----------
    image : array-like
        (Y, X) or (T, Y, X), at least 16 × 16 pixels; the largest centered square is used, under a Hann window.

    Returns
    -------
    Spectrum
        ``(frequency, power)``; the power of white noise of variance v is v at every frequency.

    Raises
    ------
    InputError
        For smaller frames, or NaN.
    """
    sums = RingSums()
    for frame in frames(checked_stack(image, "image"), "image"):
        sums.add(frame, frame)
    return sums.spectra()[0]


def spectrum_ratio(restored: ArrayLike, reference: ArrayLike) -> tuple[float, ...]:
    """Compute the power ratio of restored to reference image in dB, for coarse, middle and fine detail.

    0 is ideal; below, detail is missing (the mean of all plausible images is always too smooth); above, noise remains
    or texture was invented. The bands are 0.05-0.125, 0.125-0.25 and 0.25-0.45 cycles per pixel. Power does not
    depend on the position of the detail: combine with the Fourier ring correlation.

    Parameters
    ----------
    restored, reference : array-like
        (Y, X) or (T, Y, X), equal shapes, the same gray levels, at least 16 × 16 pixels.

    Raises
    ------
    InputError
        If shapes differ, frames are smaller, or a value is NaN.

    Examples
    --------
    >>> reference = np.random.default_rng(0).random((64, 64))
    >>> [round(ratio, 6) for ratio in spectrum_ratio(10 * reference, reference)]
    [20.0, 20.0, 20.0]
    """
    return ring_sums(restored, reference).band_ratios()


def ring_sums(first: ArrayLike, second: ArrayLike, roles: tuple[str, str] = ("restored", "reference")) -> RingSums:
    """Return the sums over all frames of two (Y, X) or (T, Y, X) arrays."""
    one, two = checked_pair(first, second, roles)
    sums = RingSums()
    for a, b in zip(frames(one, roles[0]), frames(two, roles[1]), strict=True):
        sums.add(a, b)
    return sums


@lru_cache(maxsize=2)
def _rings(side: int) -> tuple[Array, Array]:
    """Return the ring of each Fourier pixel of a real transform, and its weight (2 with a mirrored counterpart)."""
    y = np.fft.fftfreq(side, 1 / side)
    x = np.arange(side // 2 + 1)
    rings = np.rint(np.hypot(y[:, None], x)).astype(np.intp)
    weights = np.full(rings.shape, 2.0)
    weights[:, 0] = 1
    if side % 2 == 0:
        weights[:, -1] = 1
    return rings.ravel(), weights.ravel()


def _transform(image: Array, side: int) -> Array:
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    square = image[top : top + side, left : left + side]
    window = np.hanning(side + 2)[1:-1]
    window = window / np.sqrt(np.mean(window**2))
    return np.asarray(np.fft.rfft2((square - square.mean()) * (window[:, None] * window)) / side)


def _decibel(power: float, reference: float) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(10 * np.log10(np.float64(power) / np.float64(reference)))
