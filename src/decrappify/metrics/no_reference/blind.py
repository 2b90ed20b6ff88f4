"""Metrics without a reference: residual noise, and the whiteness of what was removed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from decrappify.errors import InputError
from decrappify.metrics.sums.pairs import checked_pair, checked_stack, frames
from decrappify.movie import Array


@dataclass(slots=True)
class NoiseSums:
    """Absolute responses of the unit-norm Laplacian, summed over frames."""

    total: float = 0.0
    n: int = 0

    def add(self, frame: Array) -> None:
        """Add the next float64 (Y, X) frame of at least 3 × 3 pixels."""
        rows = frame[:-2] - 2 * frame[1:-1] + frame[2:]
        response = rows[:, :-2] - 2 * rows[:, 1:-1] + rows[:, 2:]
        self.total += float(np.abs(response).sum()) / 6  # the kernel's norm is 6
        self.n += response.size

    @property
    def sigma(self) -> float:
        """Standard deviation of Gaussian noise with this mean response."""
        return math.sqrt(math.pi / 2) * self.total / self.n


@dataclass(slots=True)
class ResidualSums:
    """Squares and neighbor products of ``source - restored``, each frame about its own mean."""

    squares: float = 0.0
    along_y: float = 0.0
    along_x: float = 0.0
    pixels: int = 0
    pairs_y: int = 0
    pairs_x: int = 0

    def add(self, source: Array, restored: Array) -> None:
        """Add the next float64 frame pair of at least 2 × 2 pixels."""
        e = source - restored
        e -= e.mean()
        self.squares += float((e * e).sum())
        self.along_y += float((e[1:] * e[:-1]).sum())
        self.along_x += float((e[:, 1:] * e[:, :-1]).sum())
        self.pixels += e.size
        self.pairs_y += e[1:].size
        self.pairs_x += e[:, 1:].size

    @property
    def autocorrelation(self) -> float | None:
        """Mean of the two lag-1 autocorrelations; None if the residual is zero."""
        if self.squares == 0:
            return None
        covariance = (self.along_y / self.pairs_y + self.along_x / self.pairs_x) / 2
        return covariance / (self.squares / self.pixels)


def noise_sigma(movie: ArrayLike) -> float:
    """Estimate the noise in gray levels from a unit-norm Laplacian (Immerkaer 1996), over all frames at once.

    ``sqrt(pi / 2) * mean|K * frame|`` with K = [1 -2 1; -2 4 -2; 1 -2 1] / 6, which cancels planes and straight edges
    along the axes. Exact for white Gaussian noise on a smooth image; fine texture raises it, noise that is correlated
    between pixels (interpolation, compression) lowers it. A restoration should have a lower value than its source, but
    an over-smoothed movie has the lowest: combine with `residual_autocorrelation`.

    Parameters
    ----------
    movie : array-like
        (Y, X) or (T, Y, X), at least 3 × 3 pixels.

    Raises
    ------
    InputError
        For smaller frames, or NaN.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(100, 5, (256, 256))
    >>> round(noise_sigma(noise), 1)
    5.0
    """
    stack = checked_stack(movie, "movie")
    _check_size(stack.shape, 3, "a noise estimate")
    sums = NoiseSums()
    for frame in frames(stack, "movie"):
        sums.add(frame)
    return sums.sigma


def residual_autocorrelation(source: ArrayLike, restored: ArrayLike) -> float:
    """Compute the lag-1 autocorrelation of ``source - restored`` between neighbors in x and y.

    Near 0 (within about 0.05): the residual is white noise, as intended. Above: structure was removed with the noise
    (blur, ghosting, a gain error), or the noise of the source is correlated. Below: noise remains, as after mild
    smoothing. The mean of each frame is subtracted, so that bleaching and offsets have no effect.

    Parameters
    ----------
    source, restored : array-like
        (Y, X) or (T, Y, X), equal shapes, the same gray levels, at least 2 × 2 pixels.

    Returns
    -------
    float
        -1 to 1.

    Raises
    ------
    InputError
        If shapes differ, a value is NaN, or the two are equal.
    """
    source, restored = checked_pair(source, restored, ("source", "restored"))
    _check_size(source.shape, 2, "an autocorrelation")
    sums = ResidualSums()
    for s, r in zip(frames(source, "source"), frames(restored, "restored"), strict=True):
        sums.add(s, r)
    if sums.autocorrelation is None:
        raise InputError("source and restored are equal up to an offset: no residual is left to measure")
    return sums.autocorrelation


def _check_size(shape: tuple[int, ...], least: int, what: str) -> None:
    if min(shape[1:]) < least:
        raise InputError(f"frames are {shape[1]} × {shape[2]} pixels, {what} needs at least {least} × {least}")
