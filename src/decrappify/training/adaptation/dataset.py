"""Dataset of windows of a noisy movie whose middle frame is split into source and target."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from decrappify.datasets.augment import orient, random_orientation
from decrappify.datasets.plane_cache import NormalizedMovie
from decrappify.datasets.sample import Sample, SeededDataset
from decrappify.movie import Array
from decrappify.noise.splitting import NoiseSplitter

# A patch this dim (mean, network units) is nearly empty; another one is drawn, up to this number of times.
_DIM, _REDRAWS = 0.08, 4
_SMOOTHING = 2.5  # pixels; the mean from which the weights are computed
_DIM_STRUCTURE = 0.1  # network units, where the weight is 1
_LEAST_VARIANCE = 0.05  # of that of a dim structure


class SplitDataset(SeededDataset[Sample]):
    """Random patches of windows of noisy movies, each split twice.

    Each frame of a window is split into two parts with independent noise. The first parts are the source, the second
    part of the middle frame is the target. The neighbors are split, too, although their noise is independent of the
    target anyway: all frames of a source then have the same level of noise, as those of the movie have.

    Parameters
    ----------
    movies : sequence of NormalizedMovie
        The noisy movies.
    splitters : sequence of sequence of NoiseSplitter
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
        splitters: Sequence[Sequence[NoiseSplitter]],
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
            pick, channel, frames, order = self._draw_window(rng)
            middle = frames[order[self.n_frames // 2]]
            if middle.mean() > _DIM:
                break
        share = float(rng.uniform(*self.share))
        code = random_orientation(rng) if self.augment else 0
        halves = [self._split(frames, order, pick, channel, share, rng) for _ in range(2)]
        (source, target), (source_2, target_2) = (
            (_tensor(source, code), _tensor(target, code)) for source, target in halves
        )
        weight = _tensor(self._weight(middle, pick, channel)[None], code)
        return Sample(source=source, source_2=source_2, target=target, target_2=target_2, weight=weight, movie=pick)

    def _draw_window(self, rng: np.random.Generator) -> tuple[int, int, Array, Array]:
        """Return movie, channel, the different frames (N, Y, X) of a window, and the number of each in the window."""
        pick = int(rng.choice(len(self.movies), p=self._chance))
        movie = self.movies[pick]
        n_t, n_c, n_z, height, width = movie.shape
        t, channel, z = int(rng.integers(n_t)), int(rng.integers(n_c)), int(rng.integers(n_z))
        t, z = movie.recorded_place(t, [channel], z, rng)
        size = self.patch_size
        y, x = int(rng.integers(height - size + 1)), int(rng.integers(width - size + 1))
        frames, order = np.unique(movie.window(t, [channel], z, self.n_frames), return_inverse=True)
        planes = [movie.region(int(i), channel, z, slice(y, y + size), slice(x, x + size)) for i in frames]
        return pick, channel, np.stack(planes), order

    def _split(
        self, frames: Array, order: Array, pick: int, channel: int, share: float, rng: np.random.Generator
    ) -> tuple[Array, Array]:
        """Return a source (T, Y, X) and its target (1, Y, X), in network units.

        A frame that is repeated in the window is split once: two splits together would contain most of the target's
        photons.
        """
        units = self.movies[pick].normalizations[channel]
        gray = frames.astype(np.float64) * units.scale + units.offset
        first, second = (
            ((part - units.offset) / units.scale).astype(np.float32)
            for part in self.splitters[pick][channel].split(gray, share, rng)
        )
        return first[order], second[order[self.n_frames // 2]][None]

    def _weight(self, frame: Array, pick: int, channel: int) -> Array:
        """Return the inverse of the variance of the noise (Y, X), relative to that of a dim structure."""
        units, splitter = self.movies[pick].normalizations[channel], self.splitters[pick][channel]
        mean = gaussian_filter(frame.astype(np.float64), _SMOOTHING) * units.scale + units.offset
        dim = float(splitter.variance(np.array([_DIM_STRUCTURE * units.scale + units.offset]))[0]) or 1.0
        weight: Array = (dim / np.maximum(splitter.variance(mean), _LEAST_VARIANCE * dim)).astype(np.float32)
        return weight


def _tensor(window: Array, code: int) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(orient(window, code)))
