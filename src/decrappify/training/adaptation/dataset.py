"""Dataset of windows of a noisy movie whose middle frame is split into source and target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from decrappify.datasets.augment import orient, random_orientation
from decrappify.datasets.plane_cache import NormalizedMovie
from decrappify.datasets.sample import Sample, SeededDataset
from decrappify.movie import Array
from decrappify.noise.pixels.variance import MovieSplitter

# A patch this dim (mean, network units) is nearly empty; another one is drawn, up to this number of times.
_DIM, _REDRAWS = 0.08, 4
_SMOOTHING = 2.5  # pixels; the mean from which the weights are computed
_DIM_STRUCTURE = 0.1  # network units, where the weight is 1
_LEAST_VARIANCE = 0.05  # of that of a dim structure


@dataclass(frozen=True, slots=True)
class _Window:
    """Place of a window of one channel, its different frames (N, Y, X), and the number of each in the window."""

    movie: int
    channel: int
    rows: slice
    columns: slice
    frames: Array
    order: Array

    @property
    def middle(self) -> int:
        """Position of the middle frame in `frames`."""
        return int(self.order[len(self.order) // 2])


class SplitDataset(SeededDataset[Sample]):
    """Random patches of windows of noisy movies, each split twice.

    Each frame of a window is split into two parts with independent noise. The first parts are the source, the second
    part of the middle frame is the target. The neighbors are split, too, although their noise is independent of the
    target anyway: all frames of a source then have the same level of noise, as those of the movie have.

    Parameters
    ----------
    movies : sequence of NormalizedMovie
        The noisy movies.
    splitters : sequence of sequence of MovieSplitter
        One for each channel of each movie.
    n_frames : int
        Frames in a window, odd.
    patch_size : int
        Side of a patch in pixels.
    length, seed : int
        Number of items, and seed of all draws.
    share : (float, float)
        Range of the share of the light in the source.
    augment : bool
        Whether to flip and rotate the patches.
    """

    def __init__(
        self,
        movies: Sequence[NormalizedMovie],
        splitters: Sequence[Sequence[MovieSplitter]],
        *,
        n_frames: int,
        patch_size: int,
        length: int,
        seed: int,
        share: tuple[float, float],
        augment: bool = True,
    ) -> None:
        self.movies, self.splitters = movies, splitters
        self.n_frames, self.patch_size, self.length, self.seed = n_frames, patch_size, length, seed
        self.share, self.augment = share, augment
        sizes = np.array([np.prod(movie.shape, dtype=float) for movie in movies])
        self._chance = np.sqrt(sizes) / np.sqrt(sizes).sum()

    def _draw(self, index: int, rng: np.random.Generator) -> Sample:
        for _ in range(_REDRAWS):
            window = self._draw_window(rng)
            if window.frames[window.middle].mean() > _DIM:
                break
        share = float(rng.uniform(*self.share))
        code = random_orientation(rng) if self.augment else 0
        halves = [self._split(window, share, rng) for _ in range(2)]
        (source, target), (source_2, target_2) = (
            (_tensor(source, code), _tensor(target, code)) for source, target in halves
        )
        weight = _tensor(self._weight(window)[None], code)
        return Sample(
            source=source, source_2=source_2, target=target, target_2=target_2, weight=weight, movie=window.movie
        )

    def _draw_window(self, rng: np.random.Generator) -> _Window:
        pick = int(rng.choice(len(self.movies), p=self._chance))
        movie = self.movies[pick]
        n_t, n_c, n_z, height, width = movie.shape
        t, channel, z = int(rng.integers(n_t)), int(rng.integers(n_c)), int(rng.integers(n_z))
        t, z = movie.recorded_place(t, [channel], z, rng)
        size = self.patch_size
        y, x = int(rng.integers(height - size + 1)), int(rng.integers(width - size + 1))
        rows, columns = slice(y, y + size), slice(x, x + size)
        frames, order = np.unique(movie.window(t, [channel], z, self.n_frames), return_inverse=True)
        planes = np.stack([movie.region(int(i), channel, z, rows, columns) for i in frames])
        return _Window(pick, channel, rows, columns, planes, order)

    def _split(self, window: _Window, share: float, rng: np.random.Generator) -> tuple[Array, Array]:
        """Return a source (T, Y, X) and its target (1, Y, X), in network units.

        A frame that is repeated in the window is split once: two splits together would contain most of the target's
        photons.
        """
        units = self.movies[window.movie].normalizations[window.channel]
        splitter = self.splitters[window.movie][window.channel]
        gray = window.frames.astype(np.float64) * units.scale + units.offset
        first, second = (
            ((part - units.offset) / units.scale).astype(np.float32)
            for part in splitter.split(gray, share, rng, window.rows, window.columns)
        )
        return first[window.order], second[window.middle][None]

    def _weight(self, window: _Window) -> Array:
        """Return the inverse of the variance of the noise (Y, X), relative to that of a dim structure."""
        units = self.movies[window.movie].normalizations[window.channel]
        splitter = self.splitters[window.movie][window.channel]
        frame = window.frames[window.middle].astype(np.float64)
        mean = gaussian_filter(frame, _SMOOTHING) * units.scale + units.offset
        dim = float(splitter.terms.variance(np.array([_DIM_STRUCTURE * units.scale + units.offset]))[0]) or 1.0
        variance = splitter.variance(mean, window.rows, window.columns)
        weight: Array = (dim / np.maximum(variance, _LEAST_VARIANCE * dim)).astype(np.float32)
        return weight


def _tensor(window: Array, code: int) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(orient(window, code)))
