"""Fields of view as the model's input, from which the learned range on the model card is measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from decrappify.domain import CARD_KEY, learned_ranges, plane_regions
from decrappify.errors import DecrappifyError
from decrappify.movie import Array, Movie
from decrappify.normalization import NormalizationRule, measure, sampled_planes

if TYPE_CHECKING:
    from decrappify.crappify import Crappifier
    from decrappify.training.data.training_data import TrainingData

_FIELDS = 300
_PLANES = 4  # of a channel, from which its range is measured and fields are drawn
_SEED = 0x1EA27


def learned_range(data: TrainingData, n_patches: int) -> dict[str, Any]:
    """Return the entry of the model card with the range of the training inputs; empty if it cannot be determined.

    Parameters
    ----------
    data : TrainingData
        Fields are drawn from its training part.
    n_patches : int
        Number of patches of the run; no more fields are measured, and 300 at most.
    """
    ranges = learned_ranges(data.fields(min(_FIELDS, n_patches)))
    return {CARD_KEY: ranges} if ranges else {}


def crappified_fields(
    movies: Sequence[Movie], crappifier: Crappifier, rule: NormalizationRule, count: int
) -> Iterator[list[Array]]:
    """Degrade regions of `count` random planes, each plane with one setting of the crappifier.

    Fields that cannot be read or normalized, and all fields of a color crappifier, are left out.
    """
    if crappifier.color:
        return
    rng = np.random.default_rng(_SEED)
    for movie, channel, draws in _drawn(movies, count, rng):
        try:
            normalization = measure(movie, channel, rule, max_planes=_PLANES)
            planes = sampled_planes(movie, channel, _PLANES)
            for t, z in (planes[int(rng.integers(len(planes)))] for _ in range(draws)):
                fixed = crappifier.fixed(rng)
                regions = plane_regions(movie, t, channel, z)
                cropped = [_divisible(normalization.apply(region), crappifier.scale) for region in regions]
                yield [fixed(region[None], rng)[0] for region in cropped]
        except DecrappifyError:  # a finished run is not lost for a plane that it did not need
            continue


def measured_fields(movies: Sequence[Movie], count: int) -> Iterator[list[Array]]:
    """Read regions of `count` random planes; fields that cannot be read are left out."""
    rng = np.random.default_rng(_SEED)
    for movie, channel, draws in _drawn(movies, count, rng):
        try:
            planes = sampled_planes(movie, channel)
            for t, z in (planes[int(rng.integers(len(planes)))] for _ in range(draws)):
                yield plane_regions(movie, t, channel, z)
        except DecrappifyError:
            continue


def _drawn(movies: Sequence[Movie], count: int, rng: np.random.Generator) -> Iterator[tuple[Movie, int, int]]:
    """Yield movies and channels with the number of their draws; movies have the weights that patches have."""
    sizes = np.sqrt([np.prod(movie.shape, dtype=float) / movie.shape[1] for movie in movies])
    for movie, draws in zip(movies, rng.multinomial(count, sizes / sizes.sum()), strict=True):
        n_channels = movie.shape[1]
        for channel, own in enumerate(rng.multinomial(draws, np.full(n_channels, 1 / n_channels))):
            if own:
                yield movie, channel, int(own)


def _divisible(region: Array, scale: int) -> Array:
    rows, columns = (length // scale * scale for length in region.shape)
    return region[:rows, :columns]
