"""Movie of the store that a running restoration writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from decrappify import Movie, open_movie
from decrappify.errors import FormatError, MissingFileError


@dataclass(frozen=True)
class GrowingStore:
    """Store on disk that is renamed to its output when complete.

    Attributes
    ----------
    path, output : Path
        The store, and its final name; equal for a complete one.
    scale : int
        Upsampling factor of its planes.
    n_planes : int
        Number of its planes when complete.
    """

    path: Path
    output: Path
    scale: int
    n_planes: int

    def movie(self) -> Movie:
        """Open the store, or the output if it is complete; unfinished planes are black."""
        try:
            movie = open_movie(self.path, absent_chunks="fill")
        except (MissingFileError, FormatError):  # renamed before or during opening
            return open_movie(self.output)
        return _growing(movie, self.output)


@dataclass(frozen=True)
class PlaneDone:
    """Plane of a growing store that can be read."""

    t: int
    c: int
    z: int


def _growing(movie: Movie, output: Path) -> Movie:
    """Return a movie of a growing store, and of its output once it is renamed.

    Reading raises MissingFileError if the user has deleted both.
    """

    def region(t: int, c: int, z: int, rows: slice, columns: slice) -> Any:
        try:
            return movie.region(t, c, z, rows, columns)
        except (MissingFileError, FormatError):  # renamed, or discarded
            try:
                with open_movie(output) as finished:
                    return finished.region(t, c, z, rows, columns)
            except (MissingFileError, FormatError) as error:
                raise MissingFileError(
                    f"the result {output} was deleted, and the layer shows nothing; remove the layer, or restore again"
                ) from error

    return movie.map_regions(region)
