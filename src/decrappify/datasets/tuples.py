"""Dataset of training tuples: a window crappified twice, independently, and its original middle frame as target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from decrappify._common.progress import Check
from decrappify.datasets.augment import drifting_window, orient, random_orientation
from decrappify.datasets.plane_cache import NormalizedMovie, cache_movies
from decrappify.datasets.sample import Sample, SeededDataset
from decrappify.datasets.shrink import with_shrunk
from decrappify.datasets.sizes import check_channels, check_sizes
from decrappify.errors import InputError
from decrappify.movie import Array, Movie
from decrappify.normalization import NormalizationRule
from decrappify.windows import check_n_frames

if TYPE_CHECKING:
    from decrappify.crappify import Crappifier

# The brightness of a movie to restore is known only roughly, so training varies it.
_GAIN = (0.7, 1.4)
_BIAS = (-0.05, 0.05)
# A patch this dim (mean, network units) is nearly empty; another one is drawn, up to this number of times.
_DIM, _REDRAWS = 0.08, 3


class TupleDataset(SeededDataset[Sample]):
    """Random patches of windows from one or more high-resolution movies, crappified twice.

    Item `i` depends only on `seed` and `i`, not on previous draws: any worker, rank or resumed run returns the same
    tuple. Both crappifications of a window share the settings drawn from the crappifier's ranges (photons, read noise)
    and differ in their noise, like two exposures on one microscope.

    Parameters
    ----------
    movies : sequence of Movie
        High-resolution movies, stacks and stills, of any size and dtype; each is normalized separately.
    crappifier : Crappifier
        Applied in network units; its `scale` is the factor between source and target.
    n_frames : int
        Frames in a window, odd.
    patch_size : int
        Side of the source patch in pixels; the target's is ``patch_size * scale``.
    length : int
        Number of items.
    seed : int
        Integer of at least 0.
    in_channels : int
        1 trains on each channel separately; otherwise movies must have exactly this number of channels.
    time_axis : {"T", "Z"}
        Axis of the window; "Z" takes neighboring slices of Z-stacks.
    still_motion_px : tuple of float
        For stills, motion is simulated by translation at a speed drawn from this range, in target pixels per frame.
    shrink : sequence of int
        Binning factors; each adds binned copies of the movies to the training data, such as ``(1, 2)`` copies at half
        the size. For images that are sampled more finely than those to be restored.
    augment : bool
        Whether to apply flips, 90° rotations, and a random gain and offset shared by source and target.
    rule : NormalizationRule, optional
        Normalization rule, stored in the model.
    cache_bytes : int
        Movies up to this size in total are cached in memory; larger ones are read region by region.
    wholes : sequence of Movie, optional
        For movies that are parts of others, such as held-out strips: these, whose normalization they have. Not with
        `shrink`.
    check : callable, optional
        Called often while the movies are read; it may raise an exception to stop.

    Raises
    ------
    InputError
        If there are no movies, or a movie contains NaN or a constant channel, is smaller than a patch or has a wrong
        number of channels.
    """

    def __init__(
        self,
        movies: Sequence[Movie],
        crappifier: Crappifier,
        *,
        n_frames: int = 3,
        patch_size: int = 64,
        length: int = 1000,
        seed: int = 0,
        in_channels: int = 1,
        time_axis: str = "T",
        still_motion_px: tuple[float, float] = (0.0, 2.0),
        shrink: Sequence[int] = (1,),
        augment: bool = True,
        rule: NormalizationRule | None = None,
        cache_bytes: int = 2 * 1024**3,
        wholes: Sequence[Movie] | None = None,
        check: Check | None = None,
    ) -> None:
        if time_axis not in ("T", "Z"):
            raise InputError(f"time_axis is {time_axis!r}, expected 'T' or 'Z'")
        are_numbers = all(isinstance(speed, int | float) for speed in still_motion_px)
        if len(still_motion_px) != 2 or not are_numbers or not 0 <= still_motion_px[0] <= still_motion_px[1]:
            raise InputError(
                f"still_motion_px is {still_motion_px!r}, expected speeds (low, high) with 0 <= low <= high"
            )
        self.n_frames = check_n_frames(n_frames)
        self.crappifier, self.scale = crappifier, crappifier.scale
        self.patch_size, self.length, self.seed, self.augment = patch_size, length, seed, augment
        self.in_channels, self.still_motion_px = in_channels, still_motion_px
        self._target_size = patch_size * self.scale
        if crappifier.color and in_channels != 3:
            raise InputError(
                f"in_channels is {in_channels}, but the crappifier works on red, green and blue; "
                "set it to 3, or choose another crappifier"
            )
        if not movies:
            raise InputError("no movies to train on; pass at least one high-resolution image or movie")
        over_time = [movie.z_as_time() for movie in movies] if time_axis == "Z" else movies
        check_sizes(over_time, patch_size, scale=self.scale)
        for movie in over_time:
            check_channels(movie, in_channels)
        checked = with_shrunk(list(over_time), tuple(shrink), self._target_size)
        if wholes is not None and time_axis == "Z":
            wholes = [movie.z_as_time() for movie in wholes]
        self.movies = cache_movies(checked, rule or NormalizationRule(), cache_bytes, wholes, check)
        sizes = np.array([np.prod([m.shape[0], m.shape[2], m.shape[3], m.shape[4]], dtype=float) for m in self.movies])
        self._share = np.sqrt(sizes) / np.sqrt(sizes).sum()  # between equal weights of all movies and of all pixels

    def _draw(self, index: int, rng: np.random.Generator) -> Sample:
        pick, window = self._draw_window(rng)
        code = random_orientation(rng) if self.augment else 0
        window = np.ascontiguousarray(orient(window, code))
        gain, bias = np.float32(1), np.float32(0)
        if self.augment:
            gain = np.float32(np.exp(rng.uniform(*np.log(_GAIN))))
            bias = np.float32(rng.uniform(*_BIAS))
        crappifier = self.crappifier.fixed(rng)
        sources = [torch.from_numpy(self._crappify(crappifier, window, rng) * gain + bias) for _ in range(2)]
        target = torch.from_numpy(window[self.n_frames // 2] * gain + bias)
        return Sample(source=sources[0], source_2=sources[1], target=target, movie=pick)

    def _crappify(self, crappifier: Crappifier, window: Array, rng: np.random.Generator) -> Array:
        """Degrade a window (T, C, Y, X) to (T * C, y, x), frame after frame."""
        if self.crappifier.color:
            stacked = crappifier(window, rng, color=True)
        else:
            stacked = np.stack([crappifier(window[:, c], rng) for c in range(window.shape[1])], axis=1)
        return stacked.reshape(-1, *stacked.shape[-2:]).astype(np.float32, copy=False)

    def _draw_window(self, rng: np.random.Generator) -> tuple[int, Array]:
        for _ in range(_REDRAWS):
            pick = int(rng.choice(len(self.movies), p=self._share))
            window = self._random_window(self.movies[pick], rng)
            if window[self.n_frames // 2].mean() > _DIM:
                break
        return pick, window

    def _random_window(self, movie: NormalizedMovie, rng: np.random.Generator) -> Array:
        n_t, n_c, n_z, height, width = movie.shape
        t, z = int(rng.integers(n_t)), int(rng.integers(n_z))
        channels = [int(rng.integers(n_c))] if self.in_channels == 1 else list(range(n_c))
        t, z = movie.recorded_place(t, channels, z, rng)
        if self.n_frames > 1 and n_t == 1:
            return self._simulated_motion(movie, channels, z, rng)
        size = self._target_size
        y, x = int(rng.integers(height - size + 1)), int(rng.integers(width - size + 1))
        frames = movie.window(t, channels, z, self.n_frames)
        return _regions(movie, frames, channels, z, slice(y, y + size), slice(x, x + size))

    def _simulated_motion(self, movie: NormalizedMovie, channels: list[int], z: int, rng: np.random.Generator) -> Array:
        """Draw a window from one still: constant drift in a random direction with small random displacements."""
        height, width = movie.shape[3:]
        half, size = self.n_frames // 2, self._target_size
        speed, angle = rng.uniform(*self.still_motion_px), rng.uniform(0, 2 * np.pi)
        steps = np.arange(-half, half + 1, dtype=float)[:, None]
        offsets = steps * speed * np.array([np.sin(angle), np.cos(angle)])
        offsets += rng.normal(0, 0.15 * speed, offsets.shape) * (steps != 0)
        largest = min((height - size) // 2, (width - size) // 2)
        reach = int(np.ceil(np.abs(offsets).max())) + 1
        if reach > largest:
            offsets *= max(largest - 1, 0) / reach
            reach = largest
        y, x = int(rng.integers(height - size - 2 * reach + 1)), int(rng.integers(width - size - 2 * reach + 1))
        rows, columns = slice(y, y + size + 2 * reach), slice(x, x + size + 2 * reach)
        if reach == 0:
            return _regions(movie, (0,) * self.n_frames, channels, z, rows, columns)
        drifted = [drifting_window(movie.region(0, c, z, rows, columns), (size, size), offsets) for c in channels]
        return np.stack(drifted, axis=1)


def _regions(
    movie: NormalizedMovie, frames: Sequence[int], channels: Sequence[int], z: int, rows: slice, columns: slice
) -> Array:
    return np.stack([[movie.region(t, c, z, rows, columns) for c in channels] for t in frames])
