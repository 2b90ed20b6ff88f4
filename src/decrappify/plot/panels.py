"""Movies, labels and contrast of a plot, with the checks that its functions share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from decrappify._common.checks import short
from decrappify._common.counting import counted
from decrappify.errors import InputError
from decrappify.movie import Array, Movie
from decrappify.trust.pair import opened

RGB = ("R", "G", "B")
Contrast = int | tuple[float, float]
_DARKEST, _BRIGHTEST = 0.5, 99.8  # percentiles shown as black and white
_SAMPLED = 1_000_000  # pixels from which the percentiles are computed


@contextmanager
def shown_movies(sources: Sequence[Any], plot: str) -> Iterator[list[Movie]]:
    """Open the movies of a plot; those of paths are closed at the end."""
    if not sources:
        raise InputError(f"{plot}() received no movie, expected at least one path, array or Movie")
    with opened(*sources) as movies:
        yield movies


def labels_of(movies: Sequence[Movie], labels: Sequence[str] | None) -> list[str]:
    """Return one label per movie, by default their names, numbered if they are equal.

    >>> movie = Movie.from_array(np.zeros((8, 8)))
    >>> labels_of([movie, movie], None), labels_of([movie], ["raw"])
    (['movie 1', 'movie 2'], ['raw'])
    """
    if labels is None:
        names = [movie.name for movie in movies]
        return [f"{name} {i}" if names.count(name) > 1 else name for i, name in enumerate(names, 1)]
    if isinstance(labels, str) or len(labels) != len(movies):
        count = "one string" if isinstance(labels, str) else counted(len(labels), "entry", "entries")
        raise InputError(f"labels has {count}, expected a list of {len(movies)}, one per movie")
    return [str(label) for label in labels]


def levels(images: Sequence[Array], contrast: Contrast) -> tuple[float, float]:
    """Return the gray levels shown as black and white.

    Parameters
    ----------
    images : sequence of arrays (Y, X)
        One of each movie.
    contrast : int or (float, float)
        The image that determines them by its percentiles 0.5 and 99.8, or the two levels.

    Examples
    --------
    >>> levels([np.zeros((8, 8)), np.ones((8, 8))], (2, 5)), levels([np.zeros((8, 8))], 0)
    ((2.0, 5.0), (0.0, 1.0))
    """
    if isinstance(contrast, int | np.integer) and not isinstance(contrast, bool):
        if not -len(images) <= contrast < len(images):
            raise InputError(f"contrast is {contrast}, expected the number of one of {counted(len(images), 'movie')}")
        image = images[contrast]
        step = max(1, int(np.sqrt(image.size / _SAMPLED)))
        sampled = image[::step, ::step]
        finite = sampled[np.isfinite(sampled)]
        low, high = np.percentile(finite, (_DARKEST, _BRIGHTEST)).tolist() if finite.size else (0.0, 1.0)
        return low, high if high > low else low + 1.0
    try:
        low, high = (float(level) for level in contrast)  # type: ignore[union-attr]
    except (TypeError, ValueError):
        low = high = np.nan
    if not low < high:
        text = "expected the number of a movie, or two gray levels (low, high)"
        raise InputError(f"contrast is {short(contrast)}, {text}")
    return low, high


def row_and_column_slices(crop: Any, shape: tuple[int, int], name: str) -> tuple[slice, slice]:
    """Return the displayed rows and columns of the planes of a movie.

    Parameters
    ----------
    crop : (y, x, height, width), (slice, slice) or None
        In pixels of the movie; None for whole planes.
    shape : (int, int)
        Of the planes (Y, X).
    name : str
        Of the movie, for messages.

    Examples
    --------
    >>> row_and_column_slices((4, 0, 3, 5), (8, 8), "cells")
    (slice(4, 7, None), slice(0, 5, None))
    """
    parts: Any = (slice(None), slice(None)) if crop is None else crop
    try:
        if len(parts) == 4:
            y, x, height, width = (int(value) for value in parts)
            parts = (slice(y, y + height), slice(x, x + width))
        rows, columns = (slice(*part.indices(length)) for part, length in zip(parts, shape, strict=True))
    except (TypeError, ValueError, AttributeError):
        text = "expected (y, x, height, width) or two slices (rows, columns)"
        raise InputError(f"crop is {short(crop)}, {text}") from None
    if rows.step != 1 or columns.step != 1 or rows.stop <= rows.start or columns.stop <= columns.start:
        raise InputError(f"crop {short(crop)} selects no pixels of {name}, whose frames have {shape} pixels (Y, X)")
    return slice(rows.start, rows.stop), slice(columns.start, columns.stop)
