"""Normalized access to a movie for patch sampling: small movies cached in memory, large ones read region by region."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from decrappify._common.nan_advice import WITHOUT_NAN, unfilled_nan
from decrappify._common.progress import Check, with_check
from decrappify.errors import InputError
from decrappify.movie import Array, ArraySource, Movie
from decrappify.normalization import NormalizationRule, finite_frame, measure
from decrappify.windows import recorded_window


class NormalizedMovie:
    """A movie in network units, one normalization per channel.

    Parameters
    ----------
    movie : Movie
        The movie; NaN or a constant channel raises an error.
    rule : NormalizationRule
        Rule of the normalization.
    in_memory : bool
        Whether to read the movie once and cache it in its own dtype.
    whole : Movie, optional
        The movie of which `movie` is a part, and whose normalization it has, as in a restoration; by default `movie`.
    check : callable, optional
        Called before each channel that is measured, and each plane that is cached; it may raise an exception to stop.
    """

    def __init__(
        self,
        movie: Movie,
        rule: NormalizationRule,
        *,
        in_memory: bool,
        whole: Movie | None = None,
        check: Check | None = None,
    ) -> None:
        measured = movie if whole is None else whole
        with unfilled_nan():
            channels = with_check(range(movie.shape[1]), check)
            self.normalizations = [measure(measured, channel, rule) for channel in channels]
            if in_memory:
                pixels = np.empty(movie.shape, movie.dtype)
                for t, c, z in with_check(movie.planes(), check):
                    pixels[t, c, z] = finite_frame(movie, t, c, z)
                movie = movie.derived(ArraySource(pixels, "TCZYX"))
        self.movie = movie
        self.shape = movie.shape

    def is_recorded(self, t: int, channels: Sequence[int], z: int) -> bool:
        """Return whether frame `t` of slice `z` was recorded in all `channels`."""
        missing = self.movie.missing
        return not missing or not any((t, c, z) in missing for c in channels)

    def recorded_place(self, t: int, channels: Sequence[int], z: int, rng: np.random.Generator) -> tuple[int, int]:
        """Return (t, z) if it was recorded, else another frame and slice that were, drawn at random.

        Raises
        ------
        InputError
            If there are none.
        """
        if self.is_recorded(t, channels, z):
            return t, z
        n_t, _, n_z = self.shape[:3]
        places = [place for place in np.ndindex(n_t, n_z) if self.is_recorded(place[0], channels, place[1])]
        if not places:
            raise InputError(f"{self.movie.name} has no frame that was recorded in channels {list(channels)}; omit it")
        place = places[int(rng.integers(len(places)))]
        return place[0], place[1]

    def window(self, t: int, channels: Sequence[int], z: int, n_frames: int) -> tuple[int, ...]:
        """Return the frames that predict frame `t`, all of them recorded."""
        return recorded_window(t, self.shape[0], n_frames, lambda i: self.is_recorded(i, channels, z))

    def region(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
        """Read a (Y, X) float32 region of one plane in network units."""
        pixels = self.movie.region(t, c, z, rows, columns)
        if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
            raise InputError(f"frame {t} of {self.movie.name} contains NaN or infinity; {WITHOUT_NAN}")
        return self.normalizations[c].apply(pixels)


def cache_movies(
    movies: list[Movie],
    rule: NormalizationRule,
    cache_bytes: int,
    wholes: Sequence[Movie] | None = None,
    check: Check | None = None,
) -> list[NormalizedMovie]:
    """Normalize each movie like its entry of `wholes`, and cache as many as fit into `cache_bytes`, smallest first.

    `check` is called often; it may raise an exception to stop.
    """
    budget = cache_bytes
    kept: dict[int, bool] = {}
    for index in sorted(range(len(movies)), key=lambda i: movies[i].nbytes):
        kept[index] = movies[index].nbytes <= budget
        budget -= movies[index].nbytes if kept[index] else 0
    measured = movies if wholes is None else wholes
    return [
        NormalizedMovie(movie, rule, in_memory=kept[index], whole=whole, check=check)
        for index, (movie, whole) in enumerate(zip(movies, measured, strict=True))
    ]
