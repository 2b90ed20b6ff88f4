"""Lazy binning of movies along Y and X."""

from __future__ import annotations

from functools import partial

import numpy as np

from decrappify.errors import InputError
from decrappify.movie.movie import Movie
from decrappify.movie.sources import Array
from decrappify.movie.spacing import scaled_spacing


def bin_movie(movie: Movie, factor: int) -> Movie:
    """Bin a movie lazily by `factor` along Y and X, to float32; excess rows and columns are dropped.

    >>> bin_movie(Movie.from_array(np.ones((2, 9, 8), np.uint8), pixel_size_um=(None, 0.1, 0.1)), 2)
    Movie('movie', shape=(2, 1, 1, 4, 4), dtype=float32, pixel_size_um=(None, 0.2, 0.2), ...)
    """
    if isinstance(factor, bool) or not isinstance(factor, int) or factor < 1:
        raise InputError(f"shrink factor is {factor!r}, expected an integer of at least 1")
    if factor == 1:
        return movie
    n_t, n_c, n_z, n_y, n_x = movie.shape
    return movie.map_regions(
        partial(_binned, movie, factor),
        shape=(n_t, n_c, n_z, n_y // factor, n_x // factor),
        dtype=np.float32,
        **scaled_spacing(movie, coarser=factor),
    )


def _binned(movie: Movie, factor: int, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
    rows, columns = (slice(part.start * factor, part.stop * factor) for part in (rows, columns))
    fine = movie.region(t, c, z, rows, columns)
    blocks = fine.reshape(fine.shape[0] // factor, factor, fine.shape[1] // factor, factor)
    return np.asarray(blocks.mean(axis=(1, 3), dtype=np.float32))
