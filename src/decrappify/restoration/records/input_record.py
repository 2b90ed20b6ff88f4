"""Record of the input read by a run: a checksum of every plane, so that an output never mixes two inputs."""

from __future__ import annotations

import logging
import sys
import threading
import zlib
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np

from decrappify._common.argument_names import setting
from decrappify._common.planes.sampling import evenly_spaced
from decrappify.errors import InputError
from decrappify.movie import Array, Movie, Plane

logger = logging.getLogger(__name__)

# On resuming, all planes of an input without files (an array) are compared up to this size, otherwise this number.
_AFFORDABLE_BYTES = 4 << 30
_SAMPLED_PLANES = 256
# If a file changes during a run, this many planes are read again immediately; all others at the end.
_COMPARED_AT_ONCE = 16


class ReadPlane(NamedTuple):
    """A plane as it was read.

    Attributes
    ----------
    crc : int
        CRC-32 of its pixels.
    version : str or None
        Digest of the result of `Movie.version` before reading; None if the input has none.
    """

    crc: int
    version: str | None


class ChangedInputError(InputError):
    """Error for a plane with pixels that differ from those read before.

    Attributes
    ----------
    plane : (t, c, z)
        The plane.
    """

    def __init__(self, name: str, plane: Plane) -> None:
        self.plane = plane
        t, c, z = plane
        super().__init__(
            f"frame {t} (channel {c}, slice {z}) of {name} has changed since it was first read; restore the changed "
            f"input into another output, or start again with {setting('overwrite', True)}"
        )


class InputRecord:
    """Checksums of all planes read in this run and in those that it resumes.

    Parameters
    ----------
    movie : Movie
        The input.

    Attributes
    ----------
    movie : Movie
        The same movie; every whole plane read from it is recorded, and compared if it was read before.
    """

    def __init__(self, movie: Movie) -> None:
        self._original = movie
        self._planes: dict[Plane, ReadPlane] = {}
        self._new: dict[Plane, ReadPlane] = {}
        self._latest: Plane | None = None
        self._is_comparing = False
        self._lock = threading.Lock()
        self.movie = movie.map_regions(self._read, keeps_versions=True)

    def version(self, plane: Plane) -> str | None:
        """Return a digest of the current version of a plane, None if it has none."""
        found = self._original.version(*plane)
        return None if found is None else sys.intern(blake2b(found.encode(), digest_size=8).hexdigest())

    def _read(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
        """Read one region; a whole plane is recorded."""
        pixels_of_plane = (slice(0, self._original.shape[3]), slice(0, self._original.shape[4]))
        if (rows, columns) != pixels_of_plane:
            return self._original.region(t, c, z, rows, columns)
        version = self.version((t, c, z))
        pixels = self._original.frame(t, c, z)
        self.add((t, c, z), pixels, version)
        return pixels

    def add(self, plane: Plane, pixels: Array, version: str | None) -> None:
        """Record a plane that was read.

        If the file of the previously read plane has changed since, a few planes of it are compared immediately, so that
        a run on a changed input does not continue until `confirm`.

        Raises
        ------
        ChangedInputError
            If its pixels differ from those read before.
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
        """Compare all planes with files that have changed since they were read; other planes are not read again.

        The version also changes if only the mode or the number of links of a file changes; only the pixels distinguish
        this from a file that was overwritten and had its modification time reset.

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
        """Compare the input with the record of an earlier run, and adopt that record.

        Planes with the same version are not read. If the files were changed or copied, all others are read. Of an input
        without versions (an array), all planes are read if it has up to 4 GB, else 256 planes; the others are compared
        when they are read again.

        Raises
        ------
        ChangedInputError
            If a plane has other pixels; the record is then not adopted.
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

    def planes(self) -> dict[Plane, ReadPlane]:
        """Return all planes that were read."""
        with self._lock:
            return dict(self._planes)

    def adopt(self, rows: Iterable[Any]) -> None:
        """Adopt the planes that another process has read in the same run, as rows of its `take_new`.

        Raises
        ------
        ChangedInputError
            If one has other pixels than were read before.
        """
        for plane, found in recorded_planes(rows).items():
            with self._lock:
                if self._planes.setdefault(plane, found).crc != found.crc:
                    raise ChangedInputError(self.movie.name, plane)

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
            "%s is not a file with a modification time; comparing %d of the %d planes that the unfinished run read",
            name, len(picks), total,
        )  # fmt: skip
        return [doubtful[pick] for pick in picks]


def recorded_planes(rows: Iterable[Any]) -> dict[Plane, ReadPlane]:
    """Parse rows of `InputRecord.take_new`; invalid rows are skipped.

    >>> recorded_planes([[0, 0, 2, 77, None], "damaged"])
    {(0, 0, 2): ReadPlane(crc=77, version=None)}
    """
    found: dict[Plane, ReadPlane] = {}
    for row in rows:
        if isinstance(row, list) and len(row) == 5 and all(isinstance(value, int) for value in row[:4]):
            found[row[0], row[1], row[2]] = ReadPlane(row[3], row[4])
    return found


def changed_plane(rows: Iterable[Any]) -> Plane | None:
    """Return a plane of which processes of one run have read different pixels, None if there is none.

    >>> changed_plane([[0, 0, 0, 5, "a"], [1, 0, 0, 7, "b"], [0, 0, 0, 6, "c"]])
    (0, 0, 0)
    """
    checksums: dict[Plane, int] = {}
    for row in rows:
        for plane, found in recorded_planes([row]).items():
            if checksums.setdefault(plane, found.crc) != found.crc:
                return plane
    return None
