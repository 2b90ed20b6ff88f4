"""Store that a running restoration fills, as a movie."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

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
        except (MissingFileError, FormatError):  # renamed before, or while, it was opened
            return open_movie(self.output)
        return movie.derived(_GrowingSource(movie, self.output))


@dataclass(frozen=True)
class PlaneDone:
    """Plane of a growing store that can be read."""

    t: int
    c: int
    z: int


class _GrowingSource:
    """Planes of a growing store, and after its renaming those of the output; blank if neither exists."""

    def __init__(self, movie: Movie, output: Path) -> None:
        self._movie, self._output = movie, output
        self.shape, self.dtype = movie.shape, movie.dtype

    def read(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Any:
        """Read one region."""
        try:
            return self._movie.region(t, c, z, rows, columns)
        except (MissingFileError, FormatError):  # renamed, or discarded
            with suppress(MissingFileError, FormatError), open_movie(self._output) as finished:
                return finished.region(t, c, z, rows, columns)
        return np.zeros((rows.stop - rows.start, columns.stop - columns.start), self.dtype)

    def close(self) -> None:
        """Release the store."""
        self._movie.close()
