"""Differences of the noise between pixels, as of sCMOS cameras, measured from the frames of a movie."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from decrappify._common.planes.sampling import evenly_spaced
from decrappify.movie import Movie
from decrappify.noise.model import NoiseModel
from decrappify.noise.pixels.read_noise import read_variance
from decrappify.noise.pixels.splitting import NoiseSplitter

Array = NDArray[Any]
_LEAST_FRAMES = 12
_RUN, _RUNS, _SLICES = 16, 8, 3  # consecutive frames, runs and slices that are read
_MEAN, _SURROUNDINGS = 1.0, 3.0  # pixels; widths of the filters
_SIGNIFICANT = 5.0  # standard errors
_LEAST_SPREAD = 0.15  # sd of the pixels' variances, relative; less has no effect on the parts of a split
_MOST_EXTENDED = 0.5  # covariance of neighbors, relative to that of the same pixel; that of motion is near 1


@dataclass(frozen=True, slots=True, eq=False)
class MovieSplitter:
    """Splitter of the pixels of one channel of a movie, which may differ in their noise.

    Attributes
    ----------
    terms : NoiseSplitter
        Noise by gray level.
    excess : float32 array (Y, X) or None
        Variance of each pixel beyond that of `terms`, in squared gray levels; negative for pixels with less noise.
    """

    terms: NoiseSplitter
    excess: Array | None = None

    @classmethod
    def of(cls, movie: Movie, channel: int, noise: NoiseModel) -> MovieSplitter:
        """Create it from a measured noise, and the read noise and differences between the pixels of the movie."""
        terms = movie_terms(movie, channel, noise)
        return cls(terms, excess_variance(movie, channel, terms))

    def split(
        self,
        pixels: Array,
        share: float,
        rng: np.random.Generator,
        rows: slice = slice(None),
        columns: slice = slice(None),
    ) -> tuple[Array, Array]:
        """Split the pixels (..., Y, X) at some rows and columns of the movie, as `NoiseSplitter.split`."""
        return self.terms.split(pixels, share, rng, self.part(rows, columns))

    def variance(self, mean: Array, rows: slice = slice(None), columns: slice = slice(None)) -> Array:
        """Return the variance of the pixels at some rows and columns of the movie, with a mean gray level (Y, X)."""
        return self.terms.variance(mean, self.part(rows, columns))

    def part(self, rows: slice, columns: slice) -> Array | None:
        """Return the excess variance (Y, X) of some rows and columns; None if the pixels do not differ."""
        return None if self.excess is None else np.asarray(self.excess[rows, columns])


def movie_terms(movie: Movie, channel: int, noise: NoiseModel) -> NoiseSplitter:
    """Return the noise of a movie by gray level; without dark frames, its read noise is measured in the movie."""
    terms = NoiseSplitter.of(noise)
    return terms if terms.read_variance else replace(terms, read_variance=read_variance(movie, channel, terms))


def excess_variance(movie: Movie, channel: int, terms: NoiseSplitter) -> Array | None:
    """Measure the variance of each pixel beyond that of its gray level, from differences of successive frames.

    The pixels of sCMOS cameras differ in their read noise (Huang et al. 2013, Nature Methods 10:653). The variance of a
    pixel over a few frames is uncertain, so that it is moved toward that of the noise model by the ratio of its
    uncertainty and the differences between the pixels (linear empirical Bayes estimate). They are measured as the
    covariance of the estimates from two halves of the frames, in the dim half of the pixels.

    Parameters
    ----------
    movie : Movie
        Raw movie; at most 8 runs of 16 frames of 3 slices are read.
    channel : int
    terms : NoiseSplitter
        Noise by gray level.

    Returns
    -------
    float32 array (Y, X) or None
        In squared gray levels. None if the pixels do not differ measurably, the noise is correlated, or fewer than 12
        frames were recorded.
    """
    if terms.is_correlated or movie.shape[0] < _LEAST_FRAMES:
        return None
    halves = _Halves(movie.shape[3:])
    for frames, z in _runs(movie, channel):
        halves.add((movie.frame(t, channel, z).astype(np.float32) for t in frames), len(frames))
    return halves.excess(terms)


class _Halves:
    """Sums of squared differences of successive frames over two halves of each run, and of the frames."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self._squares, self._total = np.zeros((2, *shape), np.float64), np.zeros(shape, np.float64)
        self._count, self._frames = 0, 0

    def add(self, frames: Iterator[Array], length: int) -> None:
        """Add a run of `length` frames (Y, X), unless one contains NaN."""
        half = (length - 2) // 2  # differences in each half; the halves have no common frame
        squares, total = np.zeros(self._squares.shape, np.float32), np.zeros(self._total.shape, np.float32)
        before: Array | None = None
        for number, frame in enumerate(frames):
            if not np.isfinite(frame).all():
                return
            total += frame
            if before is not None and number <= half:
                squares[0] += np.square(frame - before) / 2
            elif before is not None and number >= length - half:
                squares[1] += np.square(frame - before) / 2
            before = frame
        self._squares += squares
        self._total += total
        self._count, self._frames = self._count + half, self._frames + length

    def excess(self, terms: NoiseSplitter) -> Array | None:
        if self._count == 0:
            return None
        mean = gaussian_filter(self._total / self._frames, _MEAN)
        expected = np.maximum(terms.variance(mean), 1e-12)
        first, second = (_local(one / self._count / expected) for one in self._squares)
        dim = mean <= np.median(mean)
        spread = _shared(first, second, dim)
        if spread is None:
            return None
        prior = spread * float(expected[dim].mean()) ** 2  # of the read noise, which is the same in bright pixels
        freedom = 2 * self._count / 1.5  # of squared differences of successive frames, which share frames
        weight = prior / (prior + 2 / freedom * np.square(expected))
        return np.asarray(weight * expected * (first + second) / 2, np.float32)


def _local(ratio: Array) -> Array:
    """Return the relative difference from the surroundings, which change smoothly with motion and bleaching."""
    return np.asarray(ratio / np.maximum(gaussian_filter(ratio, _SURROUNDINGS), 1e-12) - 1)


def _shared(first: Array, second: Array, where: Array) -> float | None:
    """Return the relative variance of the pixels' variances; None if it is not significant, or that of motion."""
    products = first * second
    found = products[where]
    pairs = [np.roll(first, step, axis) * second for axis in (0, 1) for step in (-1, 1)]
    neighbors = float(np.mean([one[where].mean() for one in pairs]))
    own, error = float(found.mean()), float(found.std() / np.sqrt(found.size))
    spread = own - max(neighbors, 0.0)
    if spread < max(_SIGNIFICANT * error, _LEAST_SPREAD**2) or neighbors > _MOST_EXTENDED * own:
        return None
    return spread


def _runs(movie: Movie, channel: int) -> list[tuple[range, int]]:
    """Return runs of consecutive recorded frames, each with a slice."""
    n_t, _, n_z, *_ = movie.shape
    length = n_t if n_t < 2 * _RUN else _RUN
    starts = [0] if length == n_t else evenly_spaced(n_t - length + 1, min(_RUNS, n_t // _RUN)).tolist()
    runs = [(range(start, start + length), z) for z in evenly_spaced(n_z, _SLICES).tolist() for start in starts]
    return [(frames, z) for frames, z in runs if not any((t, channel, z) in movie.missing for t in frames)]
