"""A measured movie and its restoration, for which maps are computed plane by plane."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any

from decrappify._common.progress import Progress, progress_bar
from decrappify.movie import Array, Movie, Plane, Shape5
from decrappify.trust.inputs import frames_of
from decrappify.trust.maps import Maps, MemoryMaps, StoredMaps, check_format, map_names

PlaneMaps = tuple[Sequence[Array], Mapping[str, Any]]  # one array (Y, X) for each kind of map, and the note of a plane


class MoviePair:
    """A measured movie and its restoration.

    Parameters
    ----------
    measured, restored : Movie
        On the same grid.
    what : str
        Name of the maps that are computed, such as "trust".

    Attributes
    ----------
    frames : list of int
        Measured frame of each restored one.

    Raises
    ------
    InputError
        If the movies do not fit each other.
    """

    def __init__(self, measured: Movie, restored: Movie, what: str) -> None:
        self.measured, self.restored, self.what = measured, restored, what
        self.frames = frames_of(restored, measured)

    @cached_property
    def blank(self) -> frozenset[Plane]:
        """Planes (t, c, z) of the result that were not recorded, or not restored."""
        lost = self.measured.missing
        return frozenset(
            (t, c, z)
            for t, c, z in self.restored.planes()
            if (t, c, z) in self.restored.missing or (self.frames[t], c, z) in lost
        )

    def planes(self, plane: Plane) -> tuple[Array, Array]:
        """Read the measured and the restored plane (Y, X)."""
        t, c, z = plane
        return self.measured.frame(self.frames[t], c, z), self.restored.frame(t, c, z)

    def shape(self, kinds: Sequence[str]) -> Shape5:
        """Return the shape of maps with some kinds for each channel."""
        n_t, n_c, n_z, n_y, n_x = self.restored.shape
        return n_t, n_c * len(kinds), n_z, n_y, n_x

    def metadata(self, kinds: Sequence[str]) -> dict[str, Any]:
        """Return the metadata of maps with some kinds for each channel."""
        restored, count = self.restored, len(kinds)
        return {
            "name": f"{restored.name} {self.what}",
            "pixel_size_um": restored.pixel_size_um,
            "frame_interval_s": restored.frame_interval_s,
            "unitless_spacing": restored.unitless_spacing,
            "channel_names": map_names(restored, kinds),
            "missing": sorted((t, count * c + k, z) for t, c, z in self.blank for k in range(count)),
        }

    def digest(self, *values: Any) -> str:
        """Return a digest of both movies and further values, which identifies an unfinished output."""
        restored, measured = self.restored, self.measured
        versions = [
            (restored.version(t, c, z), measured.version(self.frames[t], c, z)) for t, c, z in restored.planes()
        ]
        text = json.dumps([*values, restored.provenance, restored.shape, versions], default=str)
        return blake2b(text.encode(), digest_size=16).hexdigest()


@contextmanager
def opened(*inputs: Any) -> Iterator[list[Movie]]:
    """Open movies, and close those that were passed as paths."""
    from decrappify.io import open_movie

    movies: list[Movie] = []
    try:
        for each in inputs:
            movies.append(open_movie(each))
        yield movies
    finally:
        for given, movie in zip(inputs, movies, strict=False):  # fewer movies if one cannot be opened
            if isinstance(given, str | os.PathLike):
                movie.close()


@contextmanager
def opened_pair(measured: Any, restored: Any, what: str, output: Path | None) -> Iterator[MoviePair]:
    """Open a measured movie and its restoration.

    Raises
    ------
    InputError
        If they do not fit each other, or the output is one of them.
    FormatError
        If the output cannot contain maps.
    """
    from decrappify.io.store.outputs import refuse_input

    if output is not None:
        check_format(output)
    with opened(measured, restored) as (source, result):
        if output is not None:
            refuse_input(output, source)
            refuse_input(output, result)
        yield MoviePair(source, result, what)


@contextmanager
def opened_maps(
    pair: MoviePair, output: Path | None, kinds: Sequence[str], run_key: str, *, overwrite: bool, resume: bool
) -> Iterator[Maps]:
    """Create or resume maps with some kinds for each channel, in memory without an output."""
    shape, metadata = pair.shape(kinds), pair.metadata(kinds)
    maps: Maps
    if output is None:
        maps = MemoryMaps(shape, metadata, len(kinds))
    else:
        settings: dict[str, Any] = {"run_key": run_key, "overwrite": overwrite, "resume": resume}
        maps = StoredMaps(output, shape, metadata, len(kinds), **settings)
    try:
        yield maps
    finally:
        maps.close()


def evaluate_pair(
    pair: MoviePair, maps: Maps, evaluate: Callable[[Plane], PlaneMaps], progress: Progress | None
) -> None:
    """Evaluate and write the planes that are not finished; blank ones have no data."""
    planes = list(pair.restored.planes())
    left = [plane for plane in planes if not maps.is_done(plane)]
    name, done = f"{pair.what} of {pair.restored.name}", len(planes) - len(left)
    with progress_bar(progress, total=len(planes), desc=name, unit="plane", initial=done) as bar:
        for plane in left:
            maps.write(plane, *((None, {}) if plane in pair.blank else evaluate(plane)))
            bar.update(1)
