"""Headers of TIFF files that may be frames of a folder: size, axes and references to other files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import tifffile

from decrappify.errors import FormatError
from decrappify.io.formats.tiff.files.messages import tifffile_messages
from decrappify.io.integrity.damage import damage_errors


class Layout(NamedTuple):
    """Content of the header of one file."""

    pages: int
    shape: tuple[int, ...]
    dtype: str

    def __str__(self) -> str:
        return f"{' × '.join(map(str, self.shape))} {self.dtype} with {self.pages} page{'s' if self.pages > 1 else ''}"


def frame_layout(file: Path) -> Layout:
    """Read number, shape and dtype of the pages of a file."""
    with _opened_tiff(file) as tiff:
        page = tiff.pages.first
        return Layout(len(tiff.pages), page.shape, str(page.dtype))


def is_whole(file: Path) -> bool:
    """Return whether all pixels that the headers of a file state are within the file."""
    with _opened_tiff(file) as tiff:
        ends = [
            offset + n_bytes
            for page in tiff.pages
            for offset, n_bytes in zip(page.dataoffsets, page.databytecounts, strict=True)
        ]
    return max(ends, default=0) <= file.stat().st_size


def frame_axes(file: Path) -> tuple[str, int]:
    """Return the axes named in a TIFF file, and its number of planes."""
    with _opened_tiff(file) as tiff:
        series = tiff.series[0]
        return str(series.axes), len(series.pages)


def set_members(file: Path) -> set[str]:
    """Return the names of the files of an OME-TIFF set to which a file or its companion file refers."""
    try:
        with _opened_tiff(file) as tiff:
            text = tiff.ome_metadata or ""
            if "<BinaryOnly" not in text and (not tiff.is_ome or "FileName" not in text):
                return set()
    except FormatError:
        return set()  # raised when the file is opened
    named = set(re.findall(r'(?:FileName|MetadataFile)="([^"]+)"', text))
    for companion in [file.parent / name for name in named if name.lower().endswith((".ome", ".xml"))]:
        if companion.is_file():
            named |= set(re.findall(r'FileName="([^"]+)"', companion.read_text(encoding="utf-8", errors="replace")))
    return named


@contextmanager
def _opened_tiff(file: Path) -> Iterator[tifffile.TiffFile]:
    """Open a TIFF file with tifffile and convert its errors into one line."""
    with (
        damage_errors(f"cannot read {file.name} as TIFF", "the file is damaged or not a TIFF"),
        tifffile_messages(file),
        tifffile.TiffFile(file) as tiff,
    ):
        yield tiff
