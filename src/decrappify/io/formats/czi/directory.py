"""Reader of the sub-block directory of a CZI file: its planes and tiles, without their pixels.

The layout follows the ZISRAW file format description: the file header points to a directory segment, which lists one
entry per sub-block. An entry has 32 bytes and 20 more for each of its dimensions; numbers are little-endian. libCZI
(``CziParse.cpp``) reads the same fields.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from decrappify.errors import FormatError

_SEGMENT_HEADER = 32
_DIRECTORY_HEADER = 128
_ENTRY_HEADER = 32
_DIMENSION = np.dtype(
    [("letter", "u1"), ("rest", "V3"), ("start", "<i4"), ("size", "<i4"), ("at", "<f4"), ("stored", "<i4")]
)
_ENTRY_START = struct.Struct("<2s26xi")
MOST_DIMENSIONS = 40
_EARLY_SCHEMA = b"DE"
COPY_AGAIN = "copy it again from the microscope"
LETTERS = "STCZRIHVBM"

Integers = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Blocks:
    """The sub-blocks of full resolution: one entry of every array per sub-block.

    Attributes
    ----------
    index : mapping of str to int array
        The numbers in the file along the dimensions S, T, C, Z, R, I, H, V, B and M that it has.
    x, y, width, height : int array
        Position and size in pixels.
    pixel_type : int array
        Pixel types by their number in the file.
    position : int64 array
        Byte positions of the sub-blocks in their file; 0 if unknown.
    here : bool array
        Whether the pixels are in this file; False if they are in another part of a recording in several files.
    longest : mapping of str to int
        The largest number of positions of one sub-block along a dimension; 1 except for line scans.
    """

    index: Mapping[str, Integers]
    x: Integers
    y: Integers
    width: Integers
    height: Integers
    pixel_type: Integers
    position: NDArray[np.int64]
    here: NDArray[np.bool_]
    longest: Mapping[str, int]

    def __len__(self) -> int:
        return len(self.x)

    def where(self, chosen: NDArray[np.bool_]) -> Blocks:
        """Return the sub-blocks that `chosen` marks."""
        return Blocks(
            {letter: values[chosen] for letter, values in self.index.items()},
            self.x[chosen],
            self.y[chosen],
            self.width[chosen],
            self.height[chosen],
            self.pixel_type[chosen],
            self.position[chosen],
            self.here[chosen],
            self.longest,
        )

    def numbers(self, letter: str) -> Integers:
        """Return the file's numbers along a dimension, 0 if the file does not have it."""
        return self.index[letter] if letter in self.index else np.zeros(len(self), np.int32)


def read_blocks(path: Path) -> Blocks | None:
    """Read the sub-blocks of full resolution.

    Parameters
    ----------
    path : Path
        A ``.czi`` file.

    Returns
    -------
    Blocks or None
        None for entries of an early version of the format, which only the library reads.

    Raises
    ------
    FormatError
        If the directory is damaged. libCZI crashes on some of these files.
    """
    try:
        with path.open("rb") as file:
            part, content, count = _directory(file, path.stat().st_size)
        if content[:2] == _EARLY_SCHEMA:
            return None
        return _blocks(_tables(content, count), part)
    except (struct.error, OverflowError, ValueError) as error:
        raise FormatError(f"{path.name} is damaged or truncated ({error}); {COPY_AGAIN}") from error


def grid_of_blocks(
    sizes: Mapping[str, int], rectangles: Mapping[int | None, tuple[int, int, int, int]], pixel_types: Mapping[int, int]
) -> Blocks:
    """Return the sub-blocks of a file in which every scene has every plane.

    Parameters
    ----------
    sizes : mapping of str to int
        Number of positions along each dimension.
    rectangles : mapping
        (x, y, width, height) of every scene by its number, None for a file without scenes.
    pixel_types : mapping of int to int
        Pixel type of every channel.
    """
    letters = [letter for letter in LETTERS if letter in sizes and letter != "S"]
    planes = list(itertools.product(*(range(sizes[letter]) for letter in letters)))
    rows = np.array([(number or 0, *box, *plane) for number, box in rectangles.items() for plane in planes], np.int32)
    columns = dict(zip(["S", "x", "y", "w", "h", *letters], rows.reshape(-1, 5 + len(letters)).T, strict=True))
    index = {letter: columns[letter] for letter in letters}
    if None not in rectangles:
        index["S"] = columns["S"]
    types = np.array([pixel_types.get(int(c), 0) for c in index["C"]], np.int32)
    unknown, here = np.zeros(len(types), np.int64), np.ones(len(types), np.bool_)
    return Blocks(index, columns["x"], columns["y"], columns["w"], columns["h"], types, unknown, here, {})


def read_at(file: BinaryIO, position: int, size: int) -> bytes:
    """Read exactly `size` bytes at `position`; raise struct.error if the file does not have them."""
    if position < 0 or size < 0:
        raise struct.error("position before the start of the file")
    try:
        file.seek(position)
    except OSError as error:  # a position that no file can have
        raise struct.error("position beyond the end of the file") from error
    content = file.read(size)
    if len(content) != size:
        raise struct.error("unexpected end of the file")
    return content


def _directory(file: BinaryIO, file_size: int) -> tuple[int, bytes, int]:
    """Return the number of this file in its recording, the bytes of the entries and their number."""
    header = read_at(file, 0, 112)
    part, position = struct.unpack_from("<iq", header, 80)
    head = read_at(file, position, _SEGMENT_HEADER + _DIRECTORY_HEADER)
    if not head.startswith(b"ZISRAWDIRECTORY"):
        raise ValueError("no directory at the stated position")
    allocated, used = struct.unpack_from("<qq", head, 16)
    (count,) = struct.unpack_from("<i", head, _SEGMENT_HEADER)
    if count < 0:
        raise ValueError(f"{count} sub-blocks in the directory")
    size = (used or allocated) - _DIRECTORY_HEADER
    rest = file_size - position - len(head)
    return part, read_at(file, position + len(head), size if 0 <= size <= rest else rest), count


def _tables(content: bytes, count: int) -> list[NDArray[Any]]:
    """Return the entries as structured arrays, one per number of dimensions."""
    if count == 0:
        return []
    whole = _entry_type(_dimension_count(content, 0))
    if len(content) >= count * whole.itemsize:
        table = np.frombuffer(content, whole, count)
        if (table["schema"] == b"DV").all() and (table["n"] == table["n"][0]).all():
            return [table]
    entries: dict[int, list[bytes]] = {}
    position = 0
    for _ in range(count):
        n = _dimension_count(content, position)
        size = _ENTRY_HEADER + n * _DIMENSION.itemsize
        entries.setdefault(n, []).append(content[position : position + size])
        position += size
    if position > len(content):
        raise ValueError("unexpected end of the directory")
    return [np.frombuffer(b"".join(same), _entry_type(n)) for n, same in entries.items()]


def _dimension_count(content: bytes, position: int) -> int:
    schema, n = _ENTRY_START.unpack_from(content, position)
    if schema != b"DV" or not 2 <= n <= MOST_DIMENSIONS:
        raise ValueError("a damaged entry of the directory")
    return int(n)


def _entry_type(n_dimensions: int) -> np.dtype[Any]:
    header = [("schema", "S2"), ("pixel_type", "<i4"), ("position", "<i8"), ("part", "<i4"), ("compression", "<i4")]
    rest = [("pyramid", "u1"), ("spare", "V5"), ("n", "<i4"), ("dimensions", _DIMENSION, (n_dimensions,))]
    return np.dtype([*header, *rest])


def _blocks(tables: list[NDArray[Any]], part: int) -> Blocks:
    """Return the sub-blocks of the entries, without those of the pyramid."""
    n_blocks = sum(map(len, tables))
    starts = {letter: np.zeros(n_blocks, np.int32) for letter in LETTERS + "XY"}
    sizes = {letter: np.ones(n_blocks, np.int32) for letter in LETTERS + "XY"}
    stored = {letter: np.ones(n_blocks, np.int32) for letter in "XY"}
    found, first = set(), 0
    for table in tables:
        span = slice(first, first + len(table))
        first += len(table)
        for column in table["dimensions"].T:
            letters = column["letter"] & 0xDF  # upper case
            for letter in {chr(code) for code in np.unique(letters)} & set(starts):
                rows = letters == ord(letter)
                found.add(letter)
                starts[letter][span][rows] = column["start"][rows]
                sizes[letter][span][rows] = column["size"][rows]
                if letter in stored:
                    stored[letter][span][rows] = column["stored"][rows]
    if n_blocks and not {"X", "Y"} <= found:
        raise ValueError("sub-blocks without a position")
    pyramid, pixel_type, parts = (
        np.concatenate([np.zeros(0, np.int32), *(table[name] for table in tables)]).astype(np.int32)
        for name in ("pyramid", "pixel_type", "part")
    )
    full = (pyramid == 0) & (stored["X"] >= sizes["X"]) & (stored["Y"] >= sizes["Y"])
    positions = np.concatenate([np.zeros(0, np.int64), *(table["position"] for table in tables)])
    here = parts == part
    return Blocks(
        {letter: starts[letter] for letter in LETTERS if letter in found},
        starts["X"],
        starts["Y"],
        sizes["X"],
        sizes["Y"],
        pixel_type,
        positions,
        here if here.any() else np.ones(n_blocks, np.bool_),
        {letter: int(sizes[letter][full].max(initial=1)) for letter in LETTERS if letter in found},
    ).where(full)
