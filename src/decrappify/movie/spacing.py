"""Spacing of a movie resampled along Y and X."""

from __future__ import annotations

from typing import Any

from decrappify.movie.movie import Movie


def scaled_spacing(movie: Movie, *, coarser: int = 1, finer: int = 1) -> dict[str, Any]:
    """Return `pixel_size_um` and `unitless_spacing` of a movie resampled along Y and X.

    Parameters
    ----------
    movie : Movie
        The movie before resampling.
    coarser, finer : int
        Factors by which pixels become larger, or smaller.

    Examples
    --------
    >>> import numpy as np
    >>> movie = Movie.from_array(np.zeros((8, 8)), unitless_spacing={"Y": 0.3, "X": 0.3})
    >>> scaled_spacing(movie, coarser=2)
    {'pixel_size_um': (None, None, None), 'unitless_spacing': {'Y': 0.6, 'X': 0.6}}
    """
    size_z, size_y, size_x = movie.pixel_size_um
    in_plane = (None if size is None else size * coarser / finer for size in (size_y, size_x))
    spacing = {
        axis: value * coarser / finer if axis in "YX" else value for axis, value in movie.unitless_spacing.items()
    }
    return {"pixel_size_um": (size_z, *in_plane), "unitless_spacing": spacing}
