"""Frames of one Zarr array, which may lack chunks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from decrappify._common.argument_names import setting
from decrappify._common.counting import counted
from decrappify.errors import DecrappifyError, FormatError, RemoteError
from decrappify.io.formats.omezarr.blosc import with_checked_blosc
from decrappify.io.formats.omezarr.reading.chunks import Judgment, StoredChunks, check_absent_chunks, judge
from decrappify.io.formats.omezarr.reading.codec_errors import codec_reason
from decrappify.io.integrity.damage import damage_errors
from decrappify.io.integrity.file_guard import FileGuard
from decrappify.io.integrity.missing_planes import list_planes
from decrappify.io.remote.guard import RemoteGuard
from decrappify.io.remote.path import Location
from decrappify.limits.files import check_decoded_size, check_extent, check_missing
from decrappify.limits.reached import raise_if_limit
from decrappify.movie import AXES, Array, FrameSource, Plane, Shape5

_DOCUMENTS = ("zarr.json", ".zarray")
_ATTEMPTS = 3
_NAMED = 3  # absent chunks in a message
_LARGE_CHUNK = 64 << 20  # bytes: smaller ones are decoded without a check


class OmeZarrSource(FrameSource):
    """Regions of one Zarr array; only the chunks that intersect a region are read and decoded.

    Parameters
    ----------
    array : zarr.Array
        Any subset of the axes, in any order.
    axes : str
        One letter of ``TCZYX`` per dimension.
    path : Path or RemotePath
        For messages.
    missing : iterable of (t, c, z)
        Planes that were never recorded.
    absent_chunks : {"auto", "missing", "fill"}
        Meaning of absent chunks, see `decrappify.io.formats.omezarr.reading.chunks.judge`.
    complete : bool
        Whether the writer stores every chunk.
    growing : bool
        Whether the array is being written: its chunks are not listed, its metadata document may change, and absent
        chunks have the fill value.

    Attributes
    ----------
    missing : frozenset of (t, c, z)
        Planes that were never recorded, or that lost chunks.
    notes : list of str
        Notes about chunks that are read as the fill value, one line each.
    missing_note : str
        Note about planes that are missing because of absent chunks; empty if there are none.
    """

    def __init__(
        self,
        array: zarr.Array[Any],
        axes: str,
        path: Location,
        missing: Iterable[Iterable[int]] = (),
        *,
        absent_chunks: str = "auto",
        complete: bool = False,
        growing: bool = False,
    ) -> None:
        sizes = dict(zip(axes, array.shape, strict=True))
        self.shape: Shape5 = tuple(sizes.get(axis, 1) for axis in AXES)  # type: ignore[assignment]
        check_extent(path.name, self.shape)
        if min(self.shape) < 1:  # such as before the first frame of an acquisition
            raise FormatError(f"{path} has shape {self.shape} (TCZYX), which contains no pixels; check the acquisition")
        self.dtype = np.dtype(np.uint8 if array.dtype.kind == "b" else array.dtype).newbyteorder("=")
        if self.dtype.kind not in "uif":
            raise FormatError(f"{path} contains {array.dtype}, which is not an image, expected integers or real floats")
        check_extent(path.name, self.shape)  # before its chunks are listed
        array = with_checked_blosc(array)
        self._array: Any = array
        self._axes, self._path = axes, path
        self._how, self._growing = check_absent_chunks("fill" if growing else absent_chunks), growing
        self._chunks = StoredChunks(array, axes)
        self._guard = self._new_guard()
        self._remedy = "copy the store again" if self._chunks.remote is None else "check the store on the server"
        self.notes: list[str] = []
        self.missing_note = ""
        stated = frozenset((int(t), int(c), int(z)) for t, c, z in missing)
        self.missing: frozenset[Plane] = stated | self._find_absent(stated, complete)

    def read(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
        """Read one region as a (Y, X) array."""
        self._check_chunk({"T": t, "C": c, "Z": z, "Y": rows.start, "X": columns.start})
        what = f"frame {t} (channel {c}, slice {z}) of {self._path} cannot be decoded"
        check = self._guard.check if self._chunks.remote is None else None  # no further requests to a server that fails
        with damage_errors(what, self._remedy, check, partial(self._why, t, c, z, rows, columns)):
            plane = self._read(t, c, z, rows, columns)
        if (t, c, z) in self.missing and self._chunks.fill != 0 and self._chunks.is_fill(plane).all():
            return np.zeros(plane.shape, self.dtype)
        return plane.astype(self.dtype, copy=False)

    def reopened(self) -> OmeZarrSource:
        """Return the source of the same array with its present length, see `growing`."""
        place = self._array.store_path
        return OmeZarrSource(
            zarr.open_array(place.store, path=place.path, mode="r"), self._axes, self._path, growing=True
        )

    @property
    def chunks(self) -> StoredChunks:
        """The stored chunks of the array."""
        return self._chunks

    @property
    def files(self) -> tuple[Path, ...]:
        """Folders of the array and of its chunks, each of which may be a link; empty if they are not on a disk."""
        folder = self._chunks.folder
        return () if folder is None else (folder, folder / "c")

    def version(self, t: int, c: int, z: int) -> str | None:
        """Return a digest of the versions of the chunks of a plane; None if they have none."""
        return self._chunks.version(t, c, z)

    def _new_guard(self) -> FileGuard | RemoteGuard:
        """Return the guard of the metadata documents of the array; limit the size of the files of a remote one."""
        folder, remote = self._chunks.folder, self._chunks.remote
        if remote is not None:
            remote.largest = 2 * math.prod(self._array.shards or self._array.chunks) * self.dtype.itemsize + (1 << 20)
            return RemoteGuard(remote, _DOCUMENTS)
        if folder is None or self._growing:
            return FileGuard(())
        return FileGuard(folder / name for name in _DOCUMENTS if (folder / name).exists())

    def _check_chunk(self, start: dict[str, int]) -> None:
        """Raise an error if a chunk is too large to be decoded, estimated from the first chunk file of a region."""
        chunks, folder = self._array.chunks, self._chunks.folder
        nbytes = math.prod(chunks) * self._array.dtype.itemsize
        if nbytes < _LARGE_CHUNK or folder is None:
            return
        stored = self._array.shards or chunks
        place = tuple(start[axis] // size for axis, size in zip(self._axes, stored, strict=True))
        file = folder / self._array.metadata.encode_chunk_key(place)
        if file.is_file():
            check_decoded_size(f"a chunk of {self._path}", nbytes, file.stat().st_size)

    def _read(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
        """Read a region, repeatedly if a chunk may be read as the fill value because its disk was not reachable."""
        index = {"T": t, "C": c, "Z": z, "Y": rows, "X": columns}
        before: Array | None = None
        for _ in range(_ATTEMPTS):
            plane = np.asarray(self._array[tuple(index[axis] for axis in self._axes)])
            if self._axes.index("Y") > self._axes.index("X"):
                plane = plane.T
            of_fill = list(self._chunks.of_fill(plane, t, c, z, rows, columns))
            for place in of_fill:
                if not self._is_known_absent(place):
                    self._check_stored(t, c, z, place)
            if of_fill or self._chunks.remote is None:  # a check of a remote document is a request
                self._guard.check()
            doubtful = any(not self._is_known_absent(place) for place in of_fill)
            if not doubtful or _are_equal(before, plane):
                return plane
            before = plane
        raise FormatError(
            f"frame {t} (channel {c}, slice {z}) of {self._path} differs between repeated reads; wait until it "
            "is complete and its disk is connected, and repeat the run"
        )

    def _check_stored(self, t: int, c: int, z: int, place: tuple[int, ...]) -> None:
        """Raise an error if a chunk that was read as the fill value does not exist, or is an empty file."""
        n_bytes = self._chunks.stored_bytes(place)
        if n_bytes:
            return
        self._guard.check()
        if n_bytes is None:
            raise self._gone(t, c, z, place)
        raise FormatError(  # zarr reads an empty shard as the fill value
            f"frame {t} (channel {c}, slice {z}) of {self._path} cannot be decoded: its chunk "
            f"{self._chunks.key(place)} is an empty file; {self._remedy}"
        )

    def _why(self, t: int, c: int, z: int, rows: slice, columns: slice, error: Exception) -> str:
        """Return which chunk of a region cannot be decoded, and why."""
        leading = [index // self._chunks.size[axis] for index, axis in zip((t, c, z), "TCZ", strict=True)]
        down, across = (
            range(part.start // size, -(-part.stop // size))
            for part, size in ((rows, self._chunks.size["Y"]), (columns, self._chunks.size["X"]))
        )
        for place in ((*leading, y, x) for y in down for x in across):
            try:
                self._chunks.read(place)
            except RemoteError:
                raise
            except Exception as damage:  # noqa: BLE001 -- decoders raise errors of any kind
                raise_if_limit(damage, "reading a chunk")
                return f"the data of chunk {self._chunks.key(place)} are damaged: {codec_reason(damage)}"
        return codec_reason(error)

    def _is_known_absent(self, place: tuple[int, ...]) -> bool:
        if self._absent is None:
            return self._how == "fill"
        return bool(self._absent[place])

    def _gone(self, t: int, c: int, z: int, place: tuple[int, ...]) -> FormatError:
        chunk = f"frame {t} (channel {c}, slice {z}) of {self._path} lacks its chunk {self._chunks.key(place)}"
        if self._absent is None:
            advice = (
                f"{self._remedy}, or pass {setting('absent_chunks', 'fill')} if its writer omits chunks of the "
                f"fill value {float(self._chunks.fill):g}, or {setting('absent_chunks', 'missing')} to list them first"
            )
            return FormatError(chunk, advice=advice, option="absent_chunks")
        return FormatError(f"{chunk}, which existed when it was opened; restore it, or {self._remedy}")

    def _find_absent(self, stated: frozenset[Plane], complete: bool) -> frozenset[Plane]:
        """Find the absent chunks, and return the planes that count as not recorded because of them."""
        self._absent = None if self._growing else self._chunks.absent(when_asked=self._how == "missing")
        if self._absent is None or not self._absent.any():
            return frozenset()
        found = judge(self._absent, self._holds_fill, how=self._how, complete=complete)
        n_lost = found.n_planes(self._chunks.size, self.shape)
        advice = f"pass {setting('absent_chunks', 'fill')} to read absent chunks as the fill value"
        check_missing(str(self._path), n_lost, math.prod(self.shape[:3]) - n_lost, advice)
        lost = found.planes(self._chunks.size, self.shape) - stated
        if self._how == "auto" or lost:
            self._note(lost, found)
        return lost

    def _holds_fill(self, place: tuple[int, ...]) -> bool:
        with suppress(DecrappifyError), damage_errors("a chunk cannot be decoded", ""):
            return bool(self._chunks.is_fill(self._chunks.read(place)).any())
        return False  # a damaged chunk is reported when its frame is read

    def _note(self, lost: frozenset[Plane], found: Judgment) -> None:
        name, fill = self._path.name, f"{float(self._chunks.fill):g}"
        n_planes = int(np.prod(self.shape[:3], dtype=np.int64))
        if lost:
            where = "every plane" if len(lost) == n_planes else list_planes(lost, self.shape[:3])
            self.missing_note = (
                f"{name}: {len(lost)} of {counted(n_planes, 'plane')} missing ({where}): {self._named_absent(lost)} in "
                f"the store; {self._remedy}, or pass {setting('absent_chunks', 'fill')} if its writer omits chunks of "
                f"the fill value {fill}"
            )
        if found.doubtful.any():
            planes = int(found.doubtful.any(axis=(3, 4)).sum())
            self.notes.append(
                f"{name}: {int(found.doubtful.sum())} absent chunks in {counted(planes, 'plane')} are read as the fill "
                f"value {fill}, as in mosaics, masks and thresholded data; {setting('absent_chunks', 'missing')} "
                "counts these planes as missing"
            )

    def _named_absent(self, lost: frozenset[Plane]) -> str:
        """Return the absent chunks of the lost planes as text."""
        assert self._absent is not None, "chunks are absent only if they were listed"
        size = self._chunks.size
        leading = sorted({tuple(i // size[axis] for i, axis in zip(plane, "TCZ", strict=True)) for plane in lost})
        count = int(sum(np.count_nonzero(self._absent[place]) for place in leading))
        first = [(*place, y, x) for place in leading[:_NAMED] for y, x in np.argwhere(self._absent[place])[:_NAMED]]
        keys = ", ".join(self._chunks.key(place) for place in first[:_NAMED])
        more = f" and {count - _NAMED} more" if count > _NAMED else ""
        return f"chunk{'s' * (count > 1)} {keys}{more} {'is' if count == 1 else 'are'} not"


def _are_equal(before: Array | None, now: Array) -> bool:
    return before is not None and np.array_equal(before, now, equal_nan=now.dtype.kind == "f")
