"""Frames of a Zarr array to which an acquisition appends: along T, or into chunks of an array of full length."""

from __future__ import annotations

from contextlib import suppress
from itertools import product
from pathlib import Path

from decrappify.errors import FormatError, InputError
from decrappify.io.formats.omezarr.reading.open import open_omezarr
from decrappify.io.formats.omezarr.reading.source import OmeZarrSource
from decrappify.io.growing.frames import GrowingFrames, Parts
from decrappify.io.integrity.file_guard import file_version
from decrappify.io.integrity.missing_planes import missing_notes
from decrappify.movie import Array, Movie, Plane

_DOCUMENTS = ("zarr.json", ".zarray")


class ZarrFrames(GrowingFrames):
    """Frames of an array on a disk; one is complete when all its chunks exist.

    If chunks contain several frames, those of one are complete when the next chunk exists.

    Parameters
    ----------
    path : Path
        The store.
    scene : int
        Number of the image.
    axes : str, optional
        As for `open_omezarr`.
    omits_fill : bool
        Whether the writer omits chunks in which all pixels have the fill value.
    """

    def __init__(self, path: Path, scene: int, axes: str | None, *, omits_fill: bool) -> None:
        with missing_notes():
            self._movie = open_omezarr(path, scene=scene, axes=axes, absent_chunks="fill")
        source = self._movie._source
        assert isinstance(source, OmeZarrSource)
        self._omits_fill = omits_fill
        self._use(source.reopened())
        self._document = self._document_version()

    def look(self) -> int:
        """Reopen the array if its metadata changed, and return its length."""
        version = self._document_version()
        if version != self._document:
            with suppress(FormatError, OSError, ValueError, KeyError):  # half-written: at the next look
                self._use(self._source.reopened())
                self._document = version
        return self._source.shape[0]

    def parts(self, t: int) -> Parts:
        """Return the versions of the chunks of a frame."""
        found: list[str | bool | None] = list(self._versions(t // self._length))
        if self._length > 1:
            following = t // self._length + 1
            exists = following < self._chunks.grid[0] and any(v is not None for v in self._versions(following))
            found.append(exists or None)
        return tuple(found)

    def is_readable(self, t: int) -> bool:
        """Return whether the chunks are not empty; damaged ones are found when they are decoded."""
        return all(self._chunks.stored_bytes((t // self._length, *place)) for place in product(*self._others))

    def absent(self, t: int) -> frozenset[Plane]:
        """Return the planes without one of their chunks; none if the writer omits chunks of the fill value."""
        if self._omits_fill:
            return frozenset()
        size, (_, n_c, n_z) = self._chunks.size, self._source.shape[:3]
        places = product(*self._others)
        lost = {place[:2] for place in places if self._chunks.stored_bytes((t // self._length, *place)) is None}
        return frozenset(
            (t, c, z) for c, z in product(range(n_c), range(n_z)) if (c // size["C"], z // size["Z"]) in lost
        )

    def begin(self, n_frames: int) -> Movie:
        """Return the metadata of the array with the pixels of its first frames."""
        movie = self._movie.derived(self._source, missing=())
        return movie.select(frames=slice(0, n_frames))

    def read(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
        """Read one region of a plane."""
        return self._source.read(t, c, z, rows, columns)

    def version(self, t: int, c: int, z: int) -> str | None:
        """Return a digest of the versions of the chunks of a plane."""
        return self._source.version(t, c, z)

    def _use(self, source: OmeZarrSource) -> None:
        self._source, self._chunks = source, source.chunks
        self._length, self._others = self._chunks.size["T"], [range(count) for count in self._chunks.grid[1:]]
        if self._chunks.folder is None:
            raise InputError("a growing store must be in a folder on a disk")

    def _versions(self, chunk: int) -> list[str | None]:
        keys = (self._chunks.key((chunk, *place)) for place in product(*self._others))
        return [file_version(f"{self._chunks.folder}/{key}") for key in keys]

    def _document_version(self) -> list[str | None]:
        return [file_version(f"{self._chunks.folder}/{name}") for name in _DOCUMENTS]
