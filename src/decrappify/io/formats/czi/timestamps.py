"""Reader of the ``TimeStamps`` attachment of a CZI file, the seconds of every frame, which pylibCZIrw does not read.

The layout follows the ZISRAW file format description: a 32-byte header starts every segment, the file header
points to the attachment directory, and the attachment contains a count and little-endian doubles.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

from decrappify.io.formats.czi.directory import read_at

_SEGMENT_HEADER = 32
_DIRECTORY_HEADER = 256
_ENTRY = 128
_ATTACHMENT_HEADER = 256
_MOST_STAMPS = 10_000_000  # larger counts indicate a damaged file


def read_timestamps(path: Path) -> tuple[float, ...]:
    """Read the seconds of the frames of a CZI file, in order of T; empty if there are no readable time stamps."""
    try:
        with path.open("rb") as file:
            position = _attachment_position(file, b"TimeStamps")
            return () if position is None else _stamps(file, position)
    except (struct.error, OverflowError):
        return ()  # truncated or damaged: the pixels may still be readable


def _attachment_position(file: BinaryIO, name: bytes) -> int | None:
    header = read_at(file, 0, 112)
    if not header.startswith(b"ZISRAWFILE"):
        return None
    *_, directory = struct.unpack_from("<iqqiq", header, 80)
    if directory <= 0:
        return None
    head = read_at(file, directory, _SEGMENT_HEADER + 4)
    if not head.startswith(b"ZISRAWATTDIR"):
        return None
    (count,) = struct.unpack_from("<i", head, _SEGMENT_HEADER)
    for number in range(count):
        entry = read_at(file, directory + _SEGMENT_HEADER + _DIRECTORY_HEADER + number * _ENTRY, _ENTRY)
        if entry[48:].rstrip(b"\0") == name:
            return int(struct.unpack_from("<q", entry, 12)[0])
    return None


def _stamps(file: BinaryIO, position: int) -> tuple[float, ...]:
    data = position + _SEGMENT_HEADER + _ATTACHMENT_HEADER
    _, count = struct.unpack("<ii", read_at(file, data, 8))
    if not 0 < count <= _MOST_STAMPS:
        return ()
    return struct.unpack(f"<{count}d", read_at(file, data + 8, 8 * count))
