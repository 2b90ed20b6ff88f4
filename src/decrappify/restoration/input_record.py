"""What a run has read of its input: a checksum of every plane, so that no output mixes the frames of two inputs."""

from __future__ import annotations

import logging
import sys
import threading
import zlib
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np

from decrappify._common.sampling import evenly_spaced
from decrappify.errors import InputError
from decrappify.movie import Array, Movie, Plane, Shape5

logger = logging.getLogger(__name__)

# Of an input that has no file to show a change (an array), as many planes are read again when a run is resumed.
_AFFORDABLE_BYTES = 4 << 30
_SAMPLED_PLANES = 256
# When a file changes during a run, as many planes are read again at once; all others at the end.
_COMPARED_AT_ONCE = 16


class ReadPlane(NamedTuple):
    """A plane as it was read.

    Attributes
    ----------
    crc : int
        CRC-32 of its pixels.
    version : str or None
        Digest of what `Movie.version` returned before; None where the input has none.
    """

    crc: int
    version: str | None


class ChangedInputError(InputError):
    """A plane whose pixels are not those that were read before.

    Attributes
    ----------
    plane : (t, c, z)
        The plane.
    """

    def __init__(self, name: str, plane: Plane) -> None:
        self.plane = plane
        t, c, z = plane
        super().__init__(
            f"frame {t} (channel {c}, slice {z}) of {name} has other pixels than when it was read before, as the input "
            "was changed; restore it into another output, or start again with overwrite=True (--overwrite)"
        )


class InputRecord:
    """Checksums of all planes that were read, in this run and in those that it continues.

    Parameters
    ----------
    movie : Movie
        The input.

    Attributes
    ----------
    movie : Movie
        The same movie; every whole plane that is read of it is recorded, and compared if it was read before.
    """

    def __init__(self, movie: Movie) -> None:
        self._original = movie
        self._planes: dict[Plane, ReadPlane] = {}
        self._new: dict[Plane, ReadPlane] = {}
        self._latest: Plane | None = None
        self._is_comparing = False
        self._lock = threading.Lock()
        self.movie = movie.derived(_RecordedSource(movie, self), missing=movie.missing)

    def version(self, plane: Plane) -> str | None:
        """Return a digest of the version of a plane now, None where it has none."""
        found = self._original.version(*plane)
        return None if found is None else sys.intern(blake2b(found.encode(), digest_size=8).hexdigest())

    def add(self, plane: Plane, pixels: Array, version: str | None) -> None:
        """Record a plane that was read.

        If the file of the plane read before has changed since, a few planes of it are compared at once, so that a run
        on another input does not last until `confirm`.

        Raises
        ------
        ChangedInputError
            If its pixels are not those of an earlier time.
        """
        found = ReadPlane(zlib.crc32(np.ascontiguousarray(pixels).data), version)
        with self._lock:
            before = self._planes.get(plane, found)
            if before.crc != found.crc:
                raise ChangedInputError(self.movie.name, plane)
            if before is found or before.version != version:
                self._planes[plane] = self._new[plane] = found
            latest, self._latest = self._latest, plane
        if latest is not None and not self._is_comparing and self._is_doubtful(latest):
            self._compare(self._sample())

    def confirm(self) -> None:
        """Compare all planes whose files have changed since they were read; the others are not read again.

        A file that was written in place with its time set back differs from one whose mode or links changed in its
        pixels alone.

        Raises
        ------
        ChangedInputError
            If a plane has other pixels.
        """
        self._compare(sorted(self._planes))

    def _compare(self, planes: Sequence[Plane]) -> None:
        self._is_comparing = True
        try:
            for plane in planes:
                if self._is_doubtful(plane):
                    self.movie.frame(*plane)
        finally:
            self._is_comparing = False

    def _is_doubtful(self, plane: Plane) -> bool:
        version = self._planes[plane].version
        return version is not None and version != self.version(plane)

    def _sample(self) -> list[Plane]:
        planes = sorted(self._planes)
        step = -(-len(planes) // _COMPARED_AT_ONCE)
        return planes[::step]

    def take_new(self) -> list[list[Any]]:
        """Return the planes read since the last call, as rows (t, c, z, checksum, version) for a journal."""
        with self._lock:
            new, self._new = self._new, {}
        return [[*plane, *read] for plane, read in new.items()]

    def verify(self, recorded: Mapping[Plane, ReadPlane]) -> None:
        """Compare the input with what an earlier run recorded of it, and adopt that.

        Planes whose version is the same are not read. If the files were changed or copied, all others are read. Of an
        input without versions (an array), all are read up to 4 GB, of a larger one 256 planes; the rest is compared
        when it is read again.

        Raises
        ------
        ChangedInputError
            If a plane has other pixels; nothing is adopted then.
        """
        present = dict(self._planes)
        try:
            doubtful = []
            for plane, before in recorded.items():
                now = self._planes.setdefault(plane, before)
                if now.crc != before.crc:
                    raise ChangedInputError(self.movie.name, plane)
                if now is before and (before.version is None or before.version != self.version(plane)):
                    doubtful.append(plane)
            for plane in self._picked(sorted(doubtful), len(recorded)):
                self.movie.frame(*plane)
        except ChangedInputError:
            self._planes = present
            raise
        self._new = {plane: read for plane, read in self._new.items() if recorded.get(plane) != read}

    def checksum(self, planes: Iterable[Plane]) -> str | None:
        """Return one checksum over the pixels of planes, None if not all were read."""
        total = 0
        for plane in planes:
            read = self._planes.get(plane)
            if read is None:
                return None
            total = zlib.crc32(f"{plane} {read.crc}".encode(), total)
        return f"{total:08x}"

    def _picked(self, doubtful: list[Plane], total: int) -> list[Plane]:
        if not doubtful:
            return []
        name, has_versions = self.movie.name, self.version(doubtful[0]) is not None
        if has_versions:
            logger.warning(
                "%s was changed, moved or copied since the unfinished run; comparing %d of the %d planes that it read",
                name, len(doubtful), total,
            )  # fmt: skip
            return doubtful
        n_bytes = len(doubtful) * self.movie.nbytes // int(np.prod(self.movie.shape[:3]))
        if n_bytes <= _AFFORDABLE_BYTES:
            return doubtful
        picks = evenly_spaced(len(doubtful), _SAMPLED_PLANES)
        logger.warning(
            "%s has no file that would show a change; comparing %d of the %d planes that the unfinished run read",
            name, len(picks), total,
        )  # fmt: skip
        return [doubtful[pick] for pick in picks]


class _RecordedSource:
    """The planes of a movie, each recorded when it is read as a whole."""

    def __init__(self, movie: Movie, record: InputRecord) -> None:
        self._movie, self._record = movie, record
        self.shape: Shape5 = movie.shape
        self.dtype = movie.dtype

    def read(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
        """Read one region; a whole plane is recorded."""
        if (rows.start, rows.stop, columns.start, columns.stop) != (0, self.shape[3], 0, self.shape[4]):
            return self._movie.region(t, c, z, rows, columns)
        version = self._record.version((t, c, z))
        pixels = self._movie.frame(t, c, z)
        self._record.add((t, c, z), pixels, version)
        return pixels

    def version(self, t: int, c: int, z: int) -> str | None:
        """Return the version of the movie's plane."""
        return self._movie.version(t, c, z)

    def close(self) -> None:
        """Release the movie."""
        self._movie.close()


def recorded_planes(rows: Iterable[Any]) -> dict[Plane, ReadPlane]:
    """Read back rows of `InputRecord.take_new`; what is not such a row is left out.

    >>> recorded_planes([[0, 0, 2, 77, None], "damaged"])
    {(0, 0, 2): ReadPlane(crc=77, version=None)}
    """
    found = {}
    for row in rows:
        if isinstance(row, list) and len(row) == 5 and all(isinstance(value, int) for value in row[:4]):
            found[row[0], row[1], row[2]] = ReadPlane(row[3], row[4])
    return found
