"""Check of the sub-block segments of a CZI file before libCZI reads them.

libCZI allocates as much memory as a segment declares and crashes if that fails. The layout follows the ZISRAW file
format description.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from decrappify.io.formats.czi.directory import LETTERS, MOST_DIMENSIONS, Blocks, read_at

_HEADER = struct.Struct("<16sqqiiq2s26xi")
_SEGMENT_HEADER = 32


class SegmentCheck:
    """Check of the segments of individual planes; each segment is checked once.

    Parameters
    ----------
    path : Path
        The ``.czi`` file.
    blocks : Blocks
        The sub-blocks of a scene; those in other files of the recording are not checked.
    """

    def __init__(self, path: Path, blocks: Blocks) -> None:
        blocks = blocks.where(blocks.here & (blocks.position > 0))
        letters = [letter for letter in LETTERS if letter in blocks.index and letter not in "SM"]
        order = np.lexsort([blocks.index[letter] for letter in reversed(letters)]) if letters else slice(None)
        self._path = path
        self._columns = [(letter, blocks.index[letter][order]) for letter in letters]
        self._positions = blocks.position[order]
        self._checked: set[int] = set()

    def __call__(self, index: Mapping[str, int]) -> None:
        """Check the segments of one plane.

        Parameters
        ----------
        index : mapping of str to int
            Numbers of the plane in the file, along its dimensions.

        Raises
        ------
        ValueError
            If a segment is damaged.
        """
        first, last = 0, len(self._positions)
        for letter, column in self._columns:
            low, high = np.searchsorted(column[first:last], [index[letter], index[letter] + 1])
            first, last = first + int(low), first + int(high)
        positions = [position for position in self._positions[first:last].tolist() if position not in self._checked]
        if not positions:
            return
        file_size = self._path.stat().st_size
        with self._path.open("rb") as file:
            for position in positions:
                try:
                    _check_header(read_at(file, position, _HEADER.size), file_size - position - _SEGMENT_HEADER)
                except struct.error as error:
                    raise ValueError(f"no sub-block at byte {position}") from error
                self._checked.add(position)


def _check_header(header: bytes, rest: int) -> None:
    name, allocated, used, metadata, attachment, data, schema, n_dimensions = _HEADER.unpack(header)
    if not name.startswith(b"ZISRAWSUBBLOCK"):
        raise ValueError("no sub-block at the stated position")
    announced = min(max(allocated, used), rest)
    if min(metadata, attachment, data) < 0 or metadata + attachment + data > announced:
        raise ValueError(f"a sub-block states {data} bytes of pixels in a segment of {announced}")
    if schema == b"DV" and not 0 < n_dimensions <= MOST_DIMENSIONS:
        raise ValueError(f"a sub-block states {n_dimensions} dimensions, expected 1 to {MOST_DIMENSIONS}")
