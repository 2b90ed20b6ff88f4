"""Interface of an input to which frames are appended."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable

from decrappify.movie import Array, Movie, Plane

Parts = tuple[Hashable, ...]
"""Version of each file of a frame, None for one that does not exist."""


class GrowingFrames(ABC):
    """Files of an acquisition that is being written, frame by frame."""

    @abstractmethod
    def look(self) -> int:
        """Find new frames; return a number that no frame with a file reaches."""

    @abstractmethod
    def parts(self, t: int) -> Parts:
        """Return the versions of the files of frame `t`, at least one; None for each that does not exist."""

    @abstractmethod
    def is_readable(self, t: int) -> bool:
        """Return whether the files of a frame, all of which exist, are not truncated, as far as their headers state."""

    @abstractmethod
    def absent(self, t: int) -> frozenset[Plane]:
        """Return the planes of frame `t` without a file."""

    @abstractmethod
    def begin(self, n_frames: int) -> Movie:
        """Open the first frames, which are complete, as a movie; afterwards `read` and `version` may be called."""

    @abstractmethod
    def read(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
        """Read one region of a plane."""

    @abstractmethod
    def version(self, t: int, c: int, z: int) -> str | None:
        """Return the version of a plane as `Movie.version` of the finished movie does."""

    def close(self) -> None:  # noqa: B027 - optional
        """Close the files."""
