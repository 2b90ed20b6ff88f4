"""Dataset of patches of measured pairs (source, target) of the same field of view."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from decrappify._common.progress import Check
from decrappify.datasets.augment import orient, random_orientation
from decrappify.datasets.plane_cache import NormalizedMovie, cache_movies
from decrappify.datasets.sample import Sample, SeededDataset
from decrappify.datasets.sizes import check_channels, check_sizes
from decrappify.errors import InputError
from decrappify.movie import Array, Movie
from decrappify.normalization import NormalizationRule
from decrappify.windows import check_n_frames

MoviePair = tuple[Movie, Movie]
_REDRAWS = 100


class PairDataset(SeededDataset[Sample]):
    """Random patches from measured (source, target) movies.

    Each movie is normalized separately, so that a short and a long exposure are equal in network units. A target of one
    frame is used for every frame of its source (a burst of short exposures of a static specimen); two source frames of
    such a burst differ only in their noise and are used as X1 and X2.

    Parameters
    ----------
    pairs : sequence of (Movie, Movie)
        Source and target; the target's Y and X are `scale` times the source's, its C and Z are equal, and its T is
        equal or 1.
    n_frames, patch_size, length, seed, in_channels, augment, rule, wholes, cache_bytes, check
        As for `TupleDataset`.

    Raises
    ------
    InputError
        If there are no pairs, the shapes of a pair do not match, or images contain NaN or are constant.
    """

    def __init__(
        self,
        pairs: Sequence[MoviePair],
        *,
        n_frames: int = 1,
        patch_size: int = 64,
        length: int = 1000,
        seed: int = 0,
        in_channels: int = 1,
        augment: bool = True,
        rule: NormalizationRule | None = None,
        wholes: Sequence[tuple[Movie, Movie]] | None = None,
        cache_bytes: int = 2 * 1024**3,
        check: Check | None = None,
    ) -> None:
        if not pairs:
            raise InputError("no pairs to train on; pass at least one (source, target) pair")
        self.n_frames = check_n_frames(n_frames)
        self.patch_size, self.length, self.seed, self.augment = patch_size, length, seed, augment
        self.in_channels = in_channels
        scales = {pair_scale(source, target) for source, target in pairs}
        if len(scales) > 1:
            raise InputError(f"pairs have different scales {sorted(scales)}; train one model for each")
        self.scale = scales.pop()
        check_sizes([source for source, _ in pairs], patch_size)
        for source, _ in pairs:
            if source.shape[0] == 1 and n_frames > 1:
                raise InputError(
                    f"{source.name} is a single image, which cannot fill a window of {n_frames} frames",
                    advice="use n_frames=1",
                    option="n_frames",
                )
            check_channels(source, in_channels)
        rule = rule or NormalizationRule()
        measured = pairs if wholes is None else wholes
        self.sources, self.targets = (
            cache_movies([pair[i] for pair in pairs], each, cache_bytes // 2, [pair[i] for pair in measured], check)
            for i, each in enumerate((rule.on_source(self.scale), rule))
        )
        # With one target frame for a whole burst, every item can have a second source that shares no frame with the
        # first.
        self._bursts = all(target.shape[0] == 1 and source.shape[0] >= 2 * n_frames for source, target in pairs)

    def _draw(self, index: int, rng: np.random.Generator) -> Sample:
        pick = int(rng.integers(len(self.sources)))
        source, target = self.sources[pick], self.targets[pick]
        n_t, n_c, n_z, height, width = source.shape
        t, z = int(rng.integers(n_t)), int(rng.integers(n_z))
        channels = [int(rng.integers(n_c))] if self.in_channels == 1 else list(range(n_c))
        t, z = self._recorded(source, target, t, channels, z, rng)
        y, x = int(rng.integers(height - self.patch_size + 1)), int(rng.integers(width - self.patch_size + 1))
        code = random_orientation(rng) if self.augment else 0
        t_target, scale = min(t, target.shape[0] - 1), self.scale
        sample = Sample(
            source=_tensor(_window(source, t, channels, z, (y, x), self.patch_size, self.n_frames), code),
            target=_tensor(
                _window(target, t_target, channels, z, (y * scale, x * scale), self.patch_size * scale, 1), code
            ),
            movie=pick,
        )
        if self._bursts:
            other = (t + self.n_frames + int(rng.integers(n_t - 2 * self.n_frames + 1))) % n_t
            other = other if source.is_recorded(other, channels, z) else t
            second = _window(source, other, channels, z, (y, x), self.patch_size, self.n_frames)
            sample["source_2"] = _tensor(second, code)
        return sample

    def _recorded(
        self,
        source: NormalizedMovie,
        target: NormalizedMovie,
        t: int,
        channels: Sequence[int],
        z: int,
        rng: np.random.Generator,
    ) -> tuple[int, int]:
        """Return (t, z) if both source and target were recorded there, else another frame and slice that were."""
        last = target.shape[0] - 1
        for _ in range(_REDRAWS):
            t, z = source.recorded_place(t, channels, z, rng)
            if target.is_recorded(min(t, last), channels, z):
                return t, z
            t, z = int(rng.integers(source.shape[0])), int(rng.integers(source.shape[2]))
        raise InputError(
            f"pair {source.movie.name} and {target.movie.name} has (nearly) no frame that was recorded in both; omit it"
        )


def pair_scale(source: Movie, target: Movie) -> int:
    """Return the integer factor between a source and its target; raise InputError if their shapes do not match."""
    n_t, n_c, n_z, height, width = source.shape
    scale = target.shape[3] // height
    fits = (
        scale in (1, 2, 4)
        and target.shape[3:] == (height * scale, width * scale)
        and target.shape[1:3] == (n_c, n_z)
        and target.shape[0] in (1, n_t)
    )
    if not fits:
        raise InputError(
            f"pair {source.name} {source.shape} and {target.name} {target.shape} does not match: "
            "expected a target with T of the source (or 1), its C and Z, and 1, 2 or 4 times its Y and X"
        )
    return scale


def _window(
    movie: NormalizedMovie, t: int, channels: Sequence[int], z: int, corner: tuple[int, int], size: int, n_frames: int
) -> Array:
    """Read a window (T * C, Y, X) in network units, frame after frame."""
    frames = movie.window(t, channels, z, n_frames)
    y, x = corner
    planes = [movie.region(k, c, z, slice(y, y + size), slice(x, x + size)) for k in frames for c in channels]
    return np.stack(planes)


def _tensor(window: Array, code: int) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(orient(window, code)))
