"""Fields of view, degraded as the input of the model, from which its learned range is measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from decrappify.domain import plane_regions
from decrappify.errors import DecrappifyError
from decrappify.movie import Array, Movie
from decrappify.normalization import NormalizationRule, measure, sampled_planes

if TYPE_CHECKING:
    from decrappify.crappify import Crappifier

_PLANES = 6  # of a channel, from which its range is measured and fields are drawn
_TOGETHER = 3  # planes of one field
_SEED = 0x1EA27


def crappified_fields(
    movies: Sequence[Movie], crappifier: Crappifier, rule: NormalizationRule, count: int
) -> Iterator[list[Array]]:
    """Degrade regions of random planes of a movie with one setting of the crappifier, `count` times.

    Fields that cannot be read or normalized, and all fields of a color crappifier, are left out.
    """
    if crappifier.color:
        return
    rng = np.random.default_rng(_SEED)
    for movie, channel, draws in _drawn(movies, count, rng):
        try:
            normalization = measure(movie, channel, rule, max_planes=_PLANES)
            for regions in _fields_of(movie, channel, draws, rng):
                fixed = crappifier.fixed(rng)
                cropped = [_divisible(normalization.apply(region), crappifier.scale) for region in regions]
                yield [fixed(region[None], rng)[0] for region in cropped]
        except DecrappifyError:  # a finished run is not lost for a plane that it did not need
            continue


def measured_fields(movies: Sequence[Movie], count: int) -> Iterator[list[Array]]:
    """Read regions of random planes of a movie, `count` times; fields that cannot be read are left out."""
    rng = np.random.default_rng(_SEED)
    for movie, channel, draws in _drawn(movies, count, rng):
        try:
            yield from _fields_of(movie, channel, draws, rng)
        except DecrappifyError:
            continue


def _fields_of(movie: Movie, channel: int, draws: int, rng: np.random.Generator) -> Iterator[list[Array]]:
    """Iterate over lists of regions, each as large as the sample that is measured of a movie to restore."""
    places = sampled_planes(movie, channel, _PLANES)
    planes = [plane_regions(movie, t, channel, z) for t, z in places]
    for _ in range(draws):
        picks = rng.choice(len(planes), min(_TOGETHER, len(planes)), replace=False)
        yield [region for pick in picks for region in planes[pick]]


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
