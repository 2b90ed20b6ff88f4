"""Pairs of a degraded movie and its reference, and their channels, which are scored separately."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from decrappify.benchmarking.inputs.movies import repeated
from decrappify.datasets.pairs import pair_scale
from decrappify.errors import InputError
from decrappify.movie import Movie
from decrappify.training.data.inputs import as_movies, as_pairs

_SUFFIX = re.compile(r"(\.ome)?\.(tiff?|zarr|png|jpe?g|czi|mp4|mov|avi)$", re.IGNORECASE)


@dataclass(frozen=True)
class Pair:
    """A degraded movie and its reference.

    Attributes
    ----------
    name : str
        Name of the source, unique within a benchmark.
    field : str
        Field of view: pairs with the same reference are one field and count once in every interval.
    source : Movie
        (T, C, Z, Y, X).
    reference : Movie or None
        Its Y and X are `scale` times the source's; a single reference frame of a burst is repeated for each source
        frame.
    scale : int
        Integer factor between the two grids; 1 without a reference.
    fit_levels : bool
        Whether every result is fitted to the gray levels of the reference, if they differ from those of the source.
    """

    name: str
    field: str
    source: Movie
    reference: Movie | None
    scale: int = 1
    fit_levels: bool = False

    @property
    def views(self) -> list[View]:
        """One view per channel; the slices of a Z-stack of one time point are its frames."""
        n_t, n_channels, n_z = self.source.shape[:3]
        if n_t > 1 and n_z > 1:
            raise InputError(
                f"{self.name} has {n_t} frames and {n_z} slices, but only one of the two can be scored; "
                "use movies of one slice or of one frame, such as movie.select(slices=0) in Python"
            )
        kind = "movie" if n_t > 1 else "stack" if n_z > 1 else "still"
        return [
            View(
                name=self.name if n_channels == 1 else f"{self.name}, {self.source.channel_names[c]}",
                pair=self,
                channel=c,
                kind=kind,
            )
            for c in range(n_channels)
        ]


@dataclass(frozen=True)
class View:
    """One channel of a pair as frames; one image of the report.

    Attributes
    ----------
    kind : {"movie", "stack", "still"}
        Only a movie has metrics of motion and flicker.
    """

    name: str
    pair: Pair
    channel: int
    kind: str

    def of(self, movie: Movie) -> Movie:
        """Return this channel of a movie of the pair as (T, 1, 1, Y, X); the slices of a stack replace the frames."""
        channel = movie.select(channels=self.channel)
        return channel.z_as_time() if self.kind == "stack" else channel

    @property
    def source(self) -> Movie:
        """Degraded channel."""
        return self.of(self.pair.source)

    @property
    def reference(self) -> Movie | None:
        """Channel of the reference."""
        return None if self.pair.reference is None else self.of(self.pair.reference)


def checked_pairs(given: Any, *, folder_as: str = "auto") -> list[Pair]:
    """Return pairs from any input of ``train(pairs=...)``, or from ``(source, None)`` for data without a reference.

    `folder_as` is that of `decrappify.open_movie`.

    Raises
    ------
    InputError
        If there are none, or the shapes of a pair do not match.
    """
    if isinstance(given, list) and given and all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in given):
        movies, fields = [], []
        for low, high in given:
            found = _opened(low, high, folder_as)
            movies += found
            name = _field(low if high is None else high)
            fields += [name] if len(found) == 1 else [f"{name} {number}" for number in range(len(found))]
    else:
        movies = list(as_pairs(given, folder_as))
        fields = [str(i) for i in range(len(movies))]
    pairs = [_pair(source, reference, field) for (source, reference), field in zip(movies, fields, strict=True)]
    return _with_own_names(pairs)


def _opened(low: Any, high: Any, folder_as: str) -> list[tuple[Movie, Movie | None]]:
    if high is None:
        return [(movie, None) for movie in as_movies(low, folder_as)]
    return list(as_pairs([(low, high)], folder_as))


def _pair(source: Movie, reference: Movie | None, field: str) -> Pair:
    name = _SUFFIX.sub("", source.name)
    if reference is None:
        return Pair(name, field, source, None)
    scale = pair_scale(source, reference)
    return Pair(name, field, source, repeated(reference, source.shape[0]), scale)


def _field(given: Any) -> str:
    return str(Path(given).resolve()) if isinstance(given, str | Path) else str(id(given))


def _with_own_names(pairs: Sequence[Pair]) -> list[Pair]:
    names = [pair.name for pair in pairs]
    return [
        replace(pair, name=f"{pair.name} ({i + 1})") if names.count(pair.name) > 1 else pair
        for i, pair in enumerate(pairs)
    ]
