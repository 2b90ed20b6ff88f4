"""Train/validation split by movie, by contiguous time or by a strip of the field, never by random frames.

Neighboring frames are nearly equal: a random split would leak training data into validation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from decrappify._common.counting import counted
from decrappify.errors import InputError
from decrappify.movie import Movie

FieldOfView = tuple[Movie, ...]
T = TypeVar("T")


class Parts(NamedTuple):
    """Training and validation parts of fields of view.

    Attributes
    ----------
    train, validation : list of tuples of Movie
        The parts.
    wholes : list of tuples of Movie
        The fields of which the validation parts are, in their order.
    """

    train: list[FieldOfView]
    validation: list[FieldOfView]
    wholes: list[FieldOfView]


_LONG = 10  # frames
_WIDE, _STRIP = 160, 48  # minimum size of a field with a strip, and size of the strip, in pixels


def split_movies(
    movies: Sequence[Movie], fraction: float = 0.1, *, by: str = "time", gap: int = 2
) -> tuple[list[Movie], list[Movie]]:
    """Split movies into training and validation parts.

    Parameters
    ----------
    movies : sequence of Movie
        At least two for ``by="movie"``.
    fraction : float
        Share of the movies, of each movie's frames, or of each field, kept for validation; between 0 and 1.
    by : {"time", "movie"}
        "time" keeps the last frames of each movie; stills and movies of fewer than 10 frames are used for training
        only. If all are shorter, the last movies of the list are kept if the fraction rounds to at least one movie,
        otherwise a strip at the end of the longer side of each field of at least 160 pixels, or the last movie if all
        fields are smaller. "movie" always keeps whole movies.
    gap : int
        Frames dropped between the two parts, so that no window includes frames of both.

    Returns
    -------
    train, validation : list of Movie
        Lazy parts; both non-empty.
    """
    if by == "movie":
        _check_fraction(fraction)
        if len(movies) < 2:
            raise InputError("a split by movie needs at least two movies, found 1; use by='time'")
        return _whole(movies, fraction)
    if by != "time":
        raise InputError(f"by={by!r} is not known, expected 'time' or 'movie'")
    train, validation = split_fields([(movie,) for movie in movies], fraction, gap=gap)
    return [movie for (movie,) in train], [movie for (movie,) in validation]


def split_fields(
    fields: Sequence[FieldOfView], fraction: float = 0.1, *, gap: int = 2
) -> tuple[list[FieldOfView], list[FieldOfView]]:
    """Split fields of view like `split_movies`; the movies of a field, such as (source, target), are split equally.

    The movies of a field may differ in scale; they are split by frames only if all have the same number of frames.
    """
    parts = split_parts(fields, fraction, gap=gap)
    return parts.train, parts.validation


def split_parts(fields: Sequence[FieldOfView], fraction: float = 0.1, *, gap: int = 2) -> Parts:
    """Split fields of view like `split_fields`, and return the fields of the validation parts, too."""
    _check_fraction(fraction)
    train: list[FieldOfView] = []
    validation: list[FieldOfView] = []
    wholes: list[FieldOfView] = []
    for field in fields:
        lengths = {movie.shape[0] for movie in field}
        n_t = min(lengths)
        kept = max(3, round(fraction * n_t))
        if len(lengths) > 1 or n_t < _LONG or n_t - kept - gap < 1:
            train.append(field)
            continue
        train.append(tuple(movie[: n_t - kept - gap] for movie in field))
        validation.append(tuple(movie[n_t - kept :] for movie in field))
        wholes.append(field)
    if validation:
        return Parts(train, validation, wholes)
    if round(fraction * len(fields)) >= 1:
        return _whole_fields(fields, fraction)
    return _strips(fields, fraction)


def _strips(fields: Sequence[FieldOfView], fraction: float) -> Parts:
    """Split off the end of the longer side of every field that is large enough."""
    train: list[FieldOfView] = []
    validation: list[FieldOfView] = []
    wholes: list[FieldOfView] = []
    for field in fields:
        height, width = min(movie.shape[3:] for movie in field)
        side = max(height, width)
        if side < _WIDE:
            train.append(field)
            continue
        start = side - max(round(fraction * side), min(_STRIP, side // 4))
        train.append(tuple(_part(movie, 0, start, side) for movie in field))
        validation.append(tuple(_part(movie, start, side, side) for movie in field))
        wholes.append(field)
    if validation:
        return Parts(train, validation, wholes)
    if len(fields) > 1:
        return _whole_fields(fields, fraction)
    first = min(fields[0], key=lambda movie: movie.shape[0])
    frames = f"{_LONG} frames" if first.shape[0] < _LONG else "more frames"
    what = "image" if first.shape[0] == 1 else "movie"
    raise InputError(
        f"the only {what} {first.name} has {counted(first.shape[0], 'frame')} of {height} x {width} pixels, too few to "
        f"keep some for validation, which needs a second {what}, {frames}, or a side of {_WIDE} pixels",
        advice=f"add {what}s, or pass separate validation images",
        option="validation",
    )


def _part(movie: Movie, start: int, stop: int, side: int) -> Movie:
    """Cut along the longer side, which is `side` pixels long on the coarsest grid of the field."""
    height, width = movie.shape[3:]
    scale = max(height, width) // side
    part = slice(start * scale, stop * scale)
    return movie.crop(rows=part) if height >= width else movie.crop(columns=part)


def _whole_fields(fields: Sequence[FieldOfView], fraction: float) -> Parts:
    train, validation = _whole(fields, fraction)
    return Parts(train, validation, validation)


def _whole(items: Sequence[T], fraction: float) -> tuple[list[T], list[T]]:
    count = min(max(1, round(fraction * len(items))), len(items) - 1)
    return list(items[:-count]), list(items[-count:])


def _check_fraction(fraction: float) -> None:
    if not 0 < fraction < 1:
        raise InputError(f"validation fraction is {fraction}, expected a number between 0 and 1")
