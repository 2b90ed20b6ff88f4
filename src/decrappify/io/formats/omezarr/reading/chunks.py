"""Stored and absent chunks of a Zarr array, and the decision whether absent ones were lost or omitted by the writer.

A writer may omit chunks in which all pixels have the fill value (zarr's default); an absent chunk is read as the
fill value. A chunk that was deleted or never written looks the same, so a rule is needed to distinguish them.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from zarr.core.sync import sync
from zarr.storage import LocalStore

from decrappify._common.argument_names import setting
from decrappify._common.planes.sampling import evenly_spaced
from decrappify.errors import InputError
from decrappify.io.integrity.file_guard import file_version
from decrappify.io.remote.store import RemoteStore
from decrappify.movie import AXES, Array, Plane

WAYS = ("auto", "missing", "fill")
# Largest number of stored chunks for which the store is listed on opening, by default and for absent_chunks="missing".
LISTED, LISTED_WHEN_ASKED = 500_000, 20_000_000
# Largest number of chunks whose existence is requested one by one from a server that does not list its files.
PROBED, PROBED_WHEN_ASKED = 1_000, 100_000
_SAMPLED = 32  # incomplete planes with examined pixels
_NEIGHBORS = 4  # examined chunks of each

Place = tuple[int, ...]


def check_absent_chunks(absent_chunks: str) -> str:
    """Return `absent_chunks` if it is a valid option; raise InputError otherwise."""
    if absent_chunks not in WAYS:
        raise InputError(
            f"{setting('absent_chunks', absent_chunks)} is not known, expected 'auto', 'missing' or 'fill'"
        )
    return absent_chunks


class StoredChunks:
    """The stored chunks of an array: its shards if it has them, else its chunks.

    A chunk that is absent from an existing shard was omitted by the writer, as a shard is written as a unit.

    Parameters
    ----------
    array : zarr.Array
        An array in any store.
    axes : str
        One letter of ``TCZYX`` per dimension.

    Attributes
    ----------
    folder : Path or None
        Folder of the array; None if it is not on disk.
    remote : RemoteStore or None
        Store of an array on a server.
    fill : scalar
        Value of the pixels of absent chunks.
    size : dict of str to int
        Pixels of a chunk along each of ``TCZYX``.
    grid : tuple of int
        Number of chunks along T, C, Z, Y and X.
    """

    def __init__(self, array: Any, axes: str) -> None:
        self._array, self._axes = array, axes
        self._encode, self._order = array.metadata.encode_chunk_key, [AXES.index(axis) for axis in axes]
        store = array.store_path.store
        self.folder = store.root / array.store_path.path if isinstance(store, LocalStore) else None
        self.remote = store if isinstance(store, RemoteStore) else None
        self.fill = array.fill_value if array.fill_value is not None else array.dtype.type(0)
        stored = array.shards or array.chunks
        self.size = dict.fromkeys(AXES, 1) | dict(zip(axes, stored, strict=True))
        shape = dict.fromkeys(AXES, 1) | dict(zip(axes, array.shape, strict=True))
        self.grid = tuple(-(-shape[axis] // self.size[axis]) for axis in AXES)

    def key(self, place: Place) -> str:
        """Return the key of a chunk, relative to the array."""
        return str(self._encode(tuple([place[i] for i in self._order])))

    def stored_bytes(self, place: Place) -> int | None:
        """Return the size of a stored chunk; None if it does not exist now."""
        if self.folder is not None:
            try:
                return int((self.folder / self.key(place)).stat().st_size)
            except OSError:
                return None
        chunk = self._array.store_path / self.key(place)
        try:
            return int(sync(chunk.store.getsize(chunk.path)))
        except FileNotFoundError:
            return None

    def absent(self, *, when_asked: bool = False) -> NDArray[np.bool_] | None:
        """Return which chunks are absent, (T, C, Z, Y, X), by listing the store; None if there are too many chunks."""
        if math.prod(self.grid) > (LISTED_WHEN_ASKED if when_asked else LISTED):
            return None
        counts = dict(zip(AXES, self.grid, strict=True))
        own = [counts[axis] for axis in self._axes]
        keys = self._stored_keys(own, PROBED_WHEN_ASKED if when_asked else PROBED)
        if keys is None:
            return None
        absent = np.fromiter((key not in keys for key in self._all_keys(own)), bool, math.prod(own)).reshape(own)
        return absent.transpose([self._axes.index(axis) for axis in AXES if axis in self._axes]).reshape(self.grid)

    def _stored_keys(self, counts: list[int], most_probed: int) -> set[str] | None:
        """Return the keys of the stored chunks; None if a server does not list them, and they are too many to probe."""
        if self.folder is not None:
            return _files_under(self.folder)
        if self.remote is None:
            return sync(_keys_of(self._array.store_path))
        found = sync(self.remote.stored_keys())
        if found is not None or math.prod(counts) > most_probed:
            return found
        keys = list(self._all_keys(counts))
        states = sync(self.remote.states(keys))
        return {key for key, state in zip(keys, states, strict=True) if state is not None}

    def _all_keys(self, counts: list[int]) -> Iterator[str]:
        """Yield the key of every chunk in the order of the array's axes; faster than one call per chunk."""
        encode = self._array.metadata.encode_chunk_key
        start, *between, end = encode((0,) * len(counts)).split("0")
        last = [count - 1 for count in counts]
        if any(text != between[0] for text in between) or start + (between or [""])[0].join(
            map(str, last)
        ) + end != encode(tuple(last)):
            yield from map(encode, product(*map(range, counts)))  # an unknown chunk key encoding
            return
        separator = (between or [""])[0]
        for index in product(*([str(i) for i in range(count)] for count in counts)):
            yield f"{start}{separator.join(index)}{end}"

    def version(self, t: int, c: int, z: int) -> str | None:
        """Return a digest of the versions of the chunks of a plane; None if they have none.

        Those of files are size, times and inode; those of a server are size, entity tag and modification time.
        """
        leading = [index // self.size[axis] for index, axis in zip((t, c, z), "TCZ", strict=True)]
        keys = map(self.key, product(*((i,) for i in leading), range(self.grid[3]), range(self.grid[4])))
        if self.folder is not None:
            folder = str(self.folder)
            versions = [str(file_version(f"{folder}/{key}")) for key in keys]
        elif self.remote is not None:
            states = sync(self.remote.states(list(keys)))
            if any(state is not None and state.version is None for state in states):
                return None
            versions = ["None" if state is None else str(state.version) for state in states]
        else:
            return None
        return blake2b("".join(versions).encode(), digest_size=8).hexdigest()

    def of_fill(self, plane: Array, t: int, c: int, z: int, rows: slice, columns: slice) -> Iterator[Place]:
        """Yield the chunks of a region (Y, X) with only the fill value inside the region."""
        leading = [index // self.size[axis] for index, axis in zip((t, c, z), "TCZ", strict=True)]
        height, width = self.size["Y"], self.size["X"]
        for y in range(rows.start // height, -(-rows.stop // height)):
            down = slice(max(0, y * height - rows.start), max(0, (y + 1) * height - rows.start))
            for x in range(columns.start // width, -(-columns.stop // width)):
                across = slice(max(0, x * width - columns.start), max(0, (x + 1) * width - columns.start))
                part = plane[down, across]
                if part.size and self.is_fill(part[0, 0]) and self.is_fill(part).all():
                    yield (*leading, y, x)

    def is_fill(self, values: Any) -> Any:
        """Compare with the fill value, which may be NaN."""
        return np.isnan(values) if self.fill != self.fill else values == self.fill

    def read(self, place: Place) -> Array:
        """Read the first plane of a chunk."""
        index = {
            axis: slice(at * self.size[axis], (at + 1) * self.size[axis]) if axis in "YX" else at * self.size[axis]
            for axis, at in zip(AXES, place, strict=True)
        }
        return np.asarray(self._array[tuple(index[axis] for axis in self._axes)])


@dataclass(frozen=True, slots=True)
class Judgment:
    """Decision about absent chunks.

    Attributes
    ----------
    lost : ndarray of bool, (T, C, Z) of chunks
        Planes that count as not recorded.
    filled : ndarray of bool, (T, C, Z, Y, X) of chunks
        Absent chunks that are read as the fill value.
    doubtful : ndarray of bool, (T, C, Z, Y, X) of chunks
        Those of `filled` that may have been lost.
    """

    lost: NDArray[np.bool_]
    filled: NDArray[np.bool_]
    doubtful: NDArray[np.bool_]

    def n_planes(self, size: dict[str, int], shape: tuple[int, ...]) -> int:
        """Return the number of planes that count as not recorded."""
        t, c, z = (
            np.minimum(size[axis], length - size[axis] * np.arange(count))
            for axis, length, count in zip("TCZ", shape, self.lost.shape, strict=False)
        )
        return int((self.lost * t[:, None, None] * c[:, None] * z).sum())

    def planes(self, size: dict[str, int], shape: tuple[int, ...]) -> frozenset[Plane]:
        """Return the planes (t, c, z) that count as not recorded."""
        inside = [
            [range(i * size[axis], min((i + 1) * size[axis], length)) for i in range(count)]
            for axis, length, count in zip("TCZ", shape, self.lost.shape, strict=False)
        ]
        return frozenset(
            plane
            for t, c, z in np.argwhere(self.lost).tolist()
            for plane in product(inside[0][t], inside[1][c], inside[2][z])
        )


def judge(
    absent: NDArray[np.bool_], holds_fill: Callable[[Place], bool], *, how: str = "auto", complete: bool = False
) -> Judgment:
    """Decide whether absent chunks were lost, or omitted because all their pixels have the fill value.

    Parameters
    ----------
    absent : ndarray of bool, (T, C, Z, Y, X) of chunks
        Which chunks are absent.
    holds_fill : callable
        Returns whether the stored pixels of a chunk include the fill value.
    how : {"auto", "missing", "fill"}
        "missing": planes with an absent chunk count as not recorded. "fill": absent chunks have the fill value. "auto":
        the rule under Notes.
    complete : bool
        Whether the writer stores every chunk, so that an absent one is lost.

    Notes
    -----
    A plane without any chunk counts as not recorded. A chunk that is absent in every plane, while others exist, is a
    gap (of a mosaic) and has the fill value. Any other absent chunk has the fill value if the fill value occurs among
    the stored pixels of its plane near it (up to 4 chunks are examined), as in masks and thresholded data; otherwise,
    as with a camera offset, the chunk was lost, and its plane counts as not recorded. Of more than 32 planes with such
    chunks, 32 are examined, and the majority decides for the others.

    Gaps are certain if the fill value also occurs next to them, as with a black border.

    Examples
    --------
    >>> absent = np.zeros((3, 1, 1, 2, 2), bool)
    >>> absent[1] = absent[2, 0, 0, 1, 1] = True
    >>> judge(absent, lambda place: False).lost.ravel(), judge(absent, lambda place: True).lost.ravel()
    (array([False,  True,  True]), array([False,  True, False]))
    """
    nowhere = np.zeros_like(absent)
    if how == "fill":
        return Judgment(np.zeros(absent.shape[:3], bool), absent, nowhere)
    if how == "missing" or complete:
        return Judgment(np.asarray(absent.any(axis=(3, 4))), nowhere, nowhere)
    empty = np.asarray(absent.all(axis=(3, 4)))
    with_chunks = absent[~empty]
    gaps = with_chunks.all(axis=0) if len(with_chunks) > 1 else np.zeros(absent.shape[3:], bool)
    scattered = np.asarray((absent & ~gaps).any(axis=(3, 4)) & ~empty)

    def is_meant(plane: Place) -> bool:
        return any(holds_fill((*plane, y, x)) for y, x in _beside(absent[plane]))

    meant = {plane: is_meant(plane) for plane in _picked(scattered)}
    lost = empty | scattered if 2 * sum(meant.values()) < len(meant) else empty
    for plane, as_fill in meant.items():
        lost[plane] = not as_fill
    filled = absent & ~lost[..., None, None]
    certain = gaps.any() and all(meant[plane] if plane in meant else is_meant(plane) for plane in _picked(~lost))
    return Judgment(lost, filled, filled & ~gaps if certain else filled)


def _picked(planes: NDArray[np.bool_]) -> list[Place]:
    """Return up to 32 of the planes that are True, evenly spread."""
    places = np.argwhere(planes)
    picks = evenly_spaced(len(places), _SAMPLED)
    return [(int(t), int(c), int(z)) for t, c, z in places[picks]]


def _beside(absent: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the stored chunks of a plane that are nearest to an absent one."""
    there, gone = np.argwhere(~absent), np.argwhere(absent)
    distance = [int(np.abs(gone - place).max(axis=1).min()) for place in there]
    return [(int(y), int(x)) for y, x in there[np.argsort(distance, kind="stable")[:_NEIGHBORS]]]


def _files_under(folder: Path) -> set[str]:
    start, found = len(str(folder)) + 1, set()
    for parent, _, names in os.walk(folder):
        prefix = f"{parent[start:].replace(os.sep, '/')}/" if len(parent) >= start else ""
        found.update([prefix + name for name in names])
    return found


async def _keys_of(store_path: Any) -> set[str]:
    prefix = f"{store_path.path}/" if store_path.path else ""
    return {key.removeprefix(prefix) async for key in store_path.store.list_prefix(prefix)}
