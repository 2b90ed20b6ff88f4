"""Binning of training images: sharper per pixel, less noisy, and a second scale of structures."""

from __future__ import annotations

import numpy as np

from decrappify.errors import InputError
from decrappify.movie import Array, Movie, Shape5, scaled_spacing


def shrunk(movie: Movie, factor: int) -> Movie:
    """Bin a movie by `factor` along Y and X, lazily; float32, the last rows and columns dropped if need be.

    >>> shrunk(Movie.from_array(np.ones((2, 9, 8), np.uint8), pixel_size_um=(None, 0.1, 0.1)), 2)
    Movie('movie', shape=(2, 1, 1, 4, 4), dtype=float32, pixel_size_um=(None, 0.2, 0.2), ...)
    """
    if isinstance(factor, bool) or not isinstance(factor, int) or factor < 1:
        raise InputError(f"shrink factor is {factor!r}, needs a whole number from 1")
    if factor == 1:
        return movie
    return movie.derived(_ShrunkSource(movie, factor), **scaled_spacing(movie, coarser=factor))


class _ShrunkSource:
    def __init__(self, movie: Movie, factor: int) -> None:
        self._movie, self._factor = movie, factor
        n_t, n_c, n_z, n_y, n_x = movie.shape
        self.shape: Shape5 = (n_t, n_c, n_z, n_y // factor, n_x // factor)
        self.dtype = np.dtype(np.float32)

    def read(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
        factor = self._factor
        rows, columns = (slice(part.start * factor, part.stop * factor) for part in (rows, columns))
        fine = self._movie.region(t, c, z, rows, columns)
        blocks = fine.reshape(fine.shape[0] // factor, factor, fine.shape[1] // factor, factor)
        return np.asarray(blocks.mean(axis=(1, 3), dtype=np.float32))

    def close(self) -> None:
        self._movie.close()


def with_shrunk(movies: list[Movie], factors: tuple[int, ...], smallest: int) -> list[Movie]:
    """Return every movie at every factor that leaves both sides at least `smallest` pixels; factor 1 is always kept."""
    if 1 not in factors:
        raise InputError(f"shrink is {factors!r}, needs factors that include 1, such as (1, 2)")
    kept = [
        (movie, factor)
        for factor in factors
        for movie in movies
        if factor == 1 or min(movie.shape[3:]) // factor >= smallest
    ]
    return [shrunk(movie, factor) for movie, factor in kept]
