"""Registration of a source to its reference: the shift between them, and whether they show the same field at all.

Phase correlation (Kuglin and Hines 1975) of smoothed images: the amplitudes of both are divided by their means on rings
of spatial frequency, and the product is smoothed, since fine detail of a dim source is noise. The highest point of the
correlation over all shifts is compared with its standard deviation at all other shifts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from decrappify.metrics.sums.pairs import checked_pair, frames
from decrappify.movie import Array

SMALLEST_SIDE = 32
_LARGEST_SIDE = 1024
# Thresholds from measured pairs and from pairs of different fields; tests/metrics/alignment/test_registration.py.
_RELATED_PEAK, _RELATED_CORRELATION = 12.0, 0.7
_EXPECTED_PEAK, _MISSING = 20.0, ((0.4, 0.15), (0.25, 0.4))
_PRECISE_PEAK, _ERRORS = 20.0, 3.0
_SMOOTHING_PX = 1.5
_COARSE_PX, _SHADING_PX = 4.0, 24.0
_FIRST_RING = 3  # the rings inside contain shading
_NOISE = 0.4  # cycles per pixel; above, a smoothed image contains noise only
_NEIGHBORHOOD = 8
_TINY = 1e-12


class Registration(NamedTuple):
    """Result of `register`.

    Attributes
    ----------
    shift_px : (float, float)
        Rows and columns by which the source must be moved to lie on the reference, in pixels.
    error_px : float
        Standard error of the shift in its least certain direction.
    correlation : float
        Correlation of the unshifted images after a band pass of 4 to 24 pixels; 1 for equal images.
    peak : float
        Height of the correlation over all shifts, in standard deviations of its values at other shifts.
    expected_peak : float
        Height for a source with the structure of the reference, from the power of both above their noise.
    """

    shift_px: tuple[float, float]
    error_px: float
    correlation: float
    peak: float
    expected_peak: float

    @property
    def is_related(self) -> bool:
        """Whether the two images show the same field."""
        return self.peak >= _RELATED_PEAK or self.correlation >= _RELATED_CORRELATION

    @property
    def is_unrelated(self) -> bool:
        """Whether both images have structure, but not the same; False for a source that is too dim to decide."""
        if self.is_related or self.expected_peak < _EXPECTED_PEAK:
            return False
        share = self.peak / self.expected_peak
        return any(share < largest and self.correlation < correlation for largest, correlation in _MISSING)

    @property
    def distance_px(self) -> float:
        """Length of the shift in pixels."""
        return float(np.hypot(*self.shift_px))

    def is_shifted(self, tolerance_px: float = 0.5) -> bool:
        """Return whether the images are shifted by more than `tolerance_px`, at three standard errors."""
        return self.peak >= _PRECISE_PEAK and self.distance_px - _ERRORS * self.error_px > tolerance_px


def register(source: ArrayLike, reference: ArrayLike) -> Registration | None:
    """Find the shift between a source and its reference, and how certain it is that they show the same field.

    Parameters
    ----------
    source, reference : array-like
        (Y, X) or (T, Y, X), equal shapes, any gray levels. The central 1024 pixels are used, and all frames at once.

    Returns
    -------
    Registration or None
        None for frames under 32 × 32 pixels and constant images.

    Raises
    ------
    InputError
        If shapes differ, or a value is NaN.

    Examples
    --------
    >>> image = np.random.default_rng(0).random((64, 64))
    >>> found = register(np.roll(image, 2, axis=1), image)
    >>> found.is_related, [round(value) for value in found.shift_px]
    (True, [0, -2])
    """
    one, two = checked_pair(source, reference, ("source", "reference"))
    sums = RegistrationSums()
    for s, r in zip(frames(one, "source"), frames(two, "reference"), strict=True):
        sums.add(s, r)
    return sums.result()


@dataclass(slots=True)
class RegistrationSums:
    """Cross power and power of image pairs, summed over frames."""

    cross: Array = field(default_factory=lambda: np.zeros(0))
    first: Array = field(default_factory=lambda: np.zeros(0))
    second: Array = field(default_factory=lambda: np.zeros(0))

    def add(self, source: Array, reference: Array) -> None:
        """Add the next float64 frame pair (Y, X)."""
        rows, columns = (_middle(size) for size in source.shape)
        source, reference = source[rows, columns], reference[rows, columns]
        window = np.outer(*(np.hanning(size) for size in source.shape))
        one, two = (np.fft.rfft2((image - image.mean()) * window) for image in (source, reference))
        parts = two * one.conj(), np.abs(one) ** 2, np.abs(two) ** 2
        if self.cross.size == 0:
            self.cross, self.first, self.second = parts
        else:
            self.cross, self.first, self.second = (
                old + new for old, new in zip((self.cross, self.first, self.second), parts, strict=True)
            )

    def result(self) -> Registration | None:
        """Return the shift; None for small frames and constant images."""
        height, width = self.cross.shape[0], 2 * (self.cross.shape[1] - 1)
        if min(height, width) < SMALLEST_SIDE or not self.first[1:].any() or not self.second[1:].any():
            return None
        radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
        rings = np.rint(radius * min(height, width)).astype(np.int64)
        one, two = _ring_means(self.first, rings), _ring_means(self.second, rings)
        weight = _smoothing(radius, _SMOOTHING_PX)
        weight[rings < _FIRST_RING] = 0
        norm = np.sqrt(one * two)[rings]
        whitened = np.divide(self.cross, norm, out=np.zeros_like(self.cross), where=norm > 0) * weight
        expected = np.sqrt(_signal(self.first, one, radius) * _signal(self.second, two, radius))[rings]
        shift, error, peak, spread = _peak(np.fft.irfft2(whitened, (height, width)))
        full = float(np.fft.irfft2(expected * weight, (height, width))[0, 0])
        return Registration(shift, error, self._coarse(radius), peak / spread, full / spread)

    def _coarse(self, radius: Array) -> float:
        """Return the correlation of the images without shift after a band pass."""
        band = (_smoothing(radius, _COARSE_PX) - _smoothing(radius, _SHADING_PX)) ** 2
        norm = float(np.sqrt((self.first * band).sum() * (self.second * band).sum()))
        return float((self.cross.real * band).sum()) / norm if norm > 0 else 0.0


def _middle(size: int) -> slice:
    """Return the middle of an axis: an even number of pixels, at most 1024."""
    used = min(_LARGEST_SIDE, size - size % 2)
    return slice((size - used) // 2, (size - used) // 2 + used)


def _smoothing(radius: Array, sigma: float) -> Array:
    return np.asarray(np.exp(-0.5 * (2 * np.pi * sigma * radius) ** 2))


def _ring_means(power: Array, rings: Array) -> Array:
    counts = np.bincount(rings.ravel())
    return np.asarray(np.bincount(rings.ravel(), power.ravel()) / np.maximum(counts, 1))


def _signal(power: Array, means: Array, radius: Array) -> Array:
    """Return, per ring, the share of the power above white noise of the level in the finest detail."""
    noise = float(power[(radius > _NOISE) & (radius < 0.5)].mean())
    share = np.divide(noise, means, out=np.ones_like(means), where=means > 0)
    return np.asarray(np.clip(1 - share, 0, 1))


def _peak(surface: Array) -> tuple[tuple[float, float], float, float, float]:
    """Return shift, its error and the height of the highest point, and the standard deviation at other shifts."""
    peak = np.unravel_index(int(surface.argmax()), surface.shape)
    centered = np.roll(surface, (-int(peak[0]), -int(peak[1])), (0, 1))
    rows, columns = (np.abs(np.fft.fftfreq(size, 1 / size)) for size in surface.shape)
    away = (rows[:, None] > _NEIGHBORHOOD) | (columns > _NEIGHBORHOOD)
    around = np.roll(centered, (1, 1), (0, 1))[:3, :3]
    slopes = np.array([(around[2] - around[0]).mean(), (around[:, 2] - around[:, 0]).mean()]) / 2
    bend_y, bend_x = (float(np.diff(around, 2, axis).mean()) for axis in (0, 1))
    # The peak may be a ridge in any direction, so the fitted quadratic needs the mixed derivative.
    twist = float(around[2, 2] - around[2, 0] - around[0, 2] + around[0, 0]) / 4
    inverse = np.linalg.pinv(np.array([[bend_y, twist], [twist, bend_x]]))
    offset = np.clip(-inverse @ slopes, -1, 1)
    gradient = float((np.roll(centered, -1, 0) - np.roll(centered, 1, 0))[away].std()) / 2
    y, x = (int(place) - size * (place > size // 2) for place, size in zip(peak, surface.shape, strict=True))
    shift = float(y + offset[0]), float(x + offset[1])
    error = gradient * float(np.abs(np.linalg.eigvalsh(inverse)).max())
    return shift, error, float(centered[0, 0]), float(centered[away].std()) or _TINY
