"""Train/validation split by movie or by contiguous time, never by random frame (neighbours would leak)."""

from __future__ import annotations

from collections.abc import Sequence

from decrappify.errors import InputError
from decrappify.movie import Movie


def split_movies(
    movies: Sequence[Movie], fraction: float = 0.1, *, by: str = "time", gap: int = 2
) -> tuple[list[Movie], list[Movie]]:
    """Split movies into training and validation parts.

    Parameters
    ----------
    movies : sequence of Movie
        At least two for ``by="movie"``.
    fraction : float
        Share of the movies, or of each movie's frames, kept for validation; between 0 and 1.
    by : {"time", "movie"}
        "time" keeps the last frames of each movie; stills and movies of fewer than 10 frames go to training whole, and
        where there is nothing longer the split falls back to "movie", which keeps the last movies of the list.
    gap : int
        Frames dropped between the two parts, so that no window reaches across.

    Returns
    -------
    train, validation : list of Movie
        Lazy parts; both non-empty.
    """
    if not 0 < fraction < 1:
        raise InputError(f"validation fraction is {fraction}, needs a number between 0 and 1")
    if by == "movie":
        if len(movies) < 2:
            raise InputError("a split by movie needs at least two movies, found 1; use by='time'")
        count = min(max(1, round(fraction * len(movies))), len(movies) - 1)
        return list(movies[:-count]), list(movies[-count:])
    if by != "time":
        raise InputError(f"by={by!r} is not known, needs 'time' or 'movie'")
    train, validation = [], []
    for movie in movies:
        n_t = movie.shape[0]
        kept = max(3, round(fraction * n_t))
        if n_t < 10 or n_t - kept - gap < 1:
            train.append(movie)
            continue
        train.append(movie[: n_t - kept - gap])
        validation.append(movie[n_t - kept :])
    if not validation:
        if len(movies) > 1:
            return split_movies(movies, fraction, by="movie")
        raise InputError(
            f"{movies[0].name} has {movies[0].shape[0]} frames, too few to keep some for validation; "
            "give validation images of their own"
        )
    return train, validation
