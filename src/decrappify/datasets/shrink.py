"""Binned copies of training images: sharper per pixel, less noisy, and structures at a second scale."""

from __future__ import annotations

from decrappify.errors import InputError
from decrappify.movie import Movie, bin_movie


def with_shrunk(movies: list[Movie], factors: tuple[int, ...], smallest: int) -> list[Movie]:
    """Return every movie at every factor that leaves both sides at least `smallest` pixels; factor 1 is always kept."""
    if 1 not in factors:
        raise InputError(f"shrink is {factors!r}, expected factors that include 1, such as (1, 2)")
    kept = [
        (movie, factor)
        for factor in factors
        for movie in movies
        if factor == 1 or min(movie.shape[3:]) // factor >= smallest
    ]
    return [bin_movie(movie, factor) for movie, factor in kept]
