"""Blocks of a GIF file: number of frames, and whether its chain of blocks is complete."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

_IMAGE, _EXTENSION, _END = b"\x2c", b"\x21", b"\x3b"
_HEADER = 13  # bytes, with the size of the global color table in the lower bits of byte 10


def count_gif_frames(path: Path) -> tuple[int, bool]:
    """Return the number of frames up to the first damaged block, and whether the file is complete.

    The pixels are not decoded: damage inside a block of pixels is not detected.
    """
    n_frames = 0
    with path.open("rb") as file:
        header = file.read(_HEADER)
        if len(header) < _HEADER:
            return 0, False
        _skip_colors(file, header[10])
        while (kind := file.read(1)) in (_IMAGE, _EXTENSION):
            if kind == _IMAGE:
                descriptor = file.read(9)
                _skip_colors(file, descriptor[-1] if len(descriptor) == 9 else 0)
            file.read(1)  # size of the first code, or label of the extension
            if not _skip_parts(file):
                return n_frames, False
            n_frames += kind == _IMAGE
        return n_frames, kind == _END and not file.read().strip(b"\0")


def _skip_colors(file: BinaryIO, flags: int) -> None:
    if flags & 0x80:
        file.seek(3 << (flags & 7) + 1, 1)


def _skip_parts(file: BinaryIO) -> bool:
    """Skip the parts of a block up to the empty one; return False if the file ends before it."""
    while size := file.read(1):
        if size == b"\0":
            return True
        file.seek(size[0], 1)
    return False
