"""Record of how movies were opened, to open the same ones in other processes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from decrappify.io.remote.path import Location, location

if TYPE_CHECKING:
    from decrappify.movie import Movie


@dataclass(frozen=True, slots=True)
class Opening:
    """Arguments of `open_movie`.

    Attributes
    ----------
    path : Path or RemotePath
        Absolute path, or address with its credentials.
    options : mapping
        Keyword arguments.
    """

    path: Location
    options: Mapping[str, Any]


_openings: WeakKeyDictionary[Movie, Opening] = WeakKeyDictionary()


def record_opening(movie: Movie, source: str | os.PathLike[str], options: Mapping[str, Any]) -> None:
    """Record that `movie` was opened from a path or address with these arguments."""
    _openings[movie] = opening_of_path(source, options)


def opening_of(movie: Movie) -> Opening | None:
    """Return how a movie was opened; None for a movie that was not opened from a path, or was changed since."""
    return _openings.get(movie)


def opening_of_path(source: str | os.PathLike[str], options: Mapping[str, Any] | None = None) -> Opening:
    """Return the arguments that open a path from any folder.

    >>> opening_of_path("https://host/cells.ome.zarr").path
    RemotePath('https://host/cells.ome.zarr')
    """
    path = location(source)
    return Opening(path.absolute() if isinstance(path, Path) else path, dict(options or {}))
