"""Static pixels, on which flicker can be measured separately from motion."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import distance_transform_edt, gaussian_filter

from decrappify.errors import InputError
from decrappify.metrics.sums.pairs import checked_stack, frames, range_of
from decrappify.movie import Array

STILL_STEP = 0.002
SMOOTHING = 2.0
POOLING = 4.0
QUIET_SHARE = 0.25
# A smaller share of static pixels indicates noise in the reference; the quiet pixels are used instead.
ENOUGH = 0.01


@dataclass(slots=True)
class FrameSteps:
    """Differences of successive frames per pixel; one frame and two maps in memory for any length."""

    n_steps: int = 0
    largest: Array = field(default_factory=lambda: np.zeros(()))
    squares: Array = field(default_factory=lambda: np.zeros(()))
    _last: Array | None = None

    def add(self, frame: Array) -> Array | None:
        """Add the next float64 (Y, X) frame and return its difference to the last one, None for the first."""
        last, self._last = self._last, frame
        if last is None:
            self.largest, self.squares = np.zeros_like(frame), np.zeros_like(frame)
            return None
        step = frame - last
        np.maximum(self.largest, np.abs(step), out=self.largest)
        self.squares += step * step
        self.n_steps += 1
        return step

    @property
    def rms(self) -> float:
        """Root mean square of all differences, in gray levels."""
        return math.sqrt(self.squares.mean() / self.n_steps)

    def flicker(self, mask: Array) -> float:
        """Compute ``sqrt(mean(d²) / 2)`` over the (Y, X) mask: the standard deviation of a flicker, in gray levels."""
        return math.sqrt(self.squares[mask].mean() / self.n_steps / 2)


@dataclass(slots=True)
class Quietness:
    """Variance in time of each pixel after smoothing in space: low on static pixels, even with noise."""

    n_frames: int = 0
    _mean: Array = field(default_factory=lambda: np.zeros(()))
    _squares: Array = field(default_factory=lambda: np.zeros(()))

    def add(self, frame: Array) -> None:
        """Add the next float64 (Y, X) frame."""
        smooth = gaussian_filter(frame, SMOOTHING)
        self.n_frames += 1
        from_old = smooth - self._mean
        self._mean = self._mean + from_old / self.n_frames
        self._squares = self._squares + from_old * (smooth - self._mean)

    def mask(self) -> Array:
        """Return a mask of the quarter of the pixels with the lowest variance."""
        # In a short movie the variance of single pixels is mostly chance, and slow motion would not be detected.
        pooled = gaussian_filter(self._squares, POOLING)
        return np.asarray(pooled <= np.quantile(pooled, QUIET_SHARE))


def static_mask(reference: ArrayLike, *, data_range: float | None = None, sigma_psf: float = 1.5) -> Array:
    """Return a mask of the static pixels: all their differences between frames are below 0.002 of the data range.

    The moving region is grown by three PSF sigmas, so that the halo of a moving object does not count as static.

    Parameters
    ----------
    reference : array-like
        (T, Y, X) with at least 2 frames, free of noise; with the noise of a measured reference no pixel is static, then
        use `quiet_mask`.
    data_range : float, optional
        D in gray levels; max - min of the whole reference by default.
    sigma_psf : float
        Standard deviation of the optical blur, in pixels.

    Returns
    -------
    ndarray
        Bool, (Y, X).

    Raises
    ------
    InputError
        For a single frame, NaN, a negative `sigma_psf`, or a constant reference without a `data_range`.
    """
    reference = checked_movie(reference, "reference")
    steps = FrameSteps()
    for frame in frames(reference, "reference"):
        steps.add(frame)
    return still_pixels(steps.largest, range_of(reference, data_range), sigma_psf)


def quiet_mask(movie: ArrayLike) -> Array:
    """Return a mask of the quarter of the pixels that vary least in time after smoothing in space.

    Used instead of `static_mask` if the reference is missing or noisy. Frames are smoothed with a Gaussian of 2 px, the
    variances with one of 4 px. Under shot noise the quiet pixels are the dark ones. The mask always contains a quarter
    of the pixels: in a movie in which everything moves, a flicker measured on it is an upper bound.

    Parameters
    ----------
    movie : array-like
        (T, Y, X) with at least 2 frames.

    Returns
    -------
    ndarray
        Bool, (Y, X).

    Raises
    ------
    InputError
        For a single frame or NaN.
    """
    quietness = Quietness()
    for frame in frames(checked_movie(movie, "movie"), "movie"):
        quietness.add(frame)
    return quietness.mask()


def still_pixels(largest_step: Array, data_range: float, sigma_psf: float) -> Array:
    """Compute `static_mask` from the (Y, X) map of largest frame differences."""
    if not math.isfinite(sigma_psf) or sigma_psf < 0:
        raise InputError(f"sigma_psf is {sigma_psf!r}, expected pixels of at least 0")
    still = largest_step < STILL_STEP * data_range
    if still.all():
        return np.asarray(still)
    return np.asarray(distance_transform_edt(still) > 3 * sigma_psf)


def checked_movie(image: ArrayLike, role: str) -> Array:
    """Return `image` as a (T, Y, X) array; raise InputError for fewer than 2 frames."""
    stack = checked_stack(image, role)
    if len(stack) < 2:
        raise InputError(f"{role} has a single frame; a temporal metric needs (T, Y, X) with at least 2 frames")
    return stack
