"""CZI files with properties that pylibCZIrw cannot write: further dimensions, pyramids, other parts, line scans."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pylibCZIrw import czi

from decrappify.movie import Array


@dataclass
class Entry:
    """One entry of the sub-block directory; `dimensions` contains [start, size, stored size] by letter."""

    pixel_type: int
    position: int
    part: int
    compression: int
    pyramid: int
    dimensions: dict[str, list[int]]

    def rename(self, old: str, new: str) -> None:
        self.dimensions = {new if letter == old else letter: values for letter, values in self.dimensions.items()}


def write_planes(
    path: Path, planes: dict[tuple[int, int, int, int], Array | list[Array]], offsets: dict[int, int] | None = None
) -> Path:
    """Write planes by (scene, t, c, z); scenes are side by side. A list of planes is numbered M 0, 1, ..."""
    with czi.create_czi(str(path), exist_ok=True) as document:
        for (scene, t, c, z), pixels in planes.items():
            for one in pixels if isinstance(pixels, list) else [pixels]:
                document.write(
                    one if one.ndim == 3 else one[..., np.newaxis],
                    plane={"T": t, "C": c, "Z": z},
                    scene=scene,
                    location=((offsets or {}).get(scene, 100 * scene), 0),
                )
        document.write_metadata("cells")
    return path


def edit_metadata(path: Path, change: Callable[[str], str]) -> Path:
    with czi.edit_czi(str(path)) as document:
        xml = document.read_metadata_xml()
        assert change(xml) != xml
        with document.edit_session() as session:
            session.set_xml(change(xml))
    return path


def edit_directory(path: Path, change: Callable[[list[Entry]], Any]) -> Path:
    """Edit the list of entries in place with `change`, and write it as a new directory and into the sub-blocks."""
    content = bytearray(path.read_bytes())
    (position,) = struct.unpack_from("<q", content, 84)
    (count,) = struct.unpack_from("<i", content, position + 32)
    at, entries = position + 160, []
    for _ in range(count):
        schema, pixel_type, place, part, compression, pyramid, n = struct.unpack_from("<2siqiiB5xi", content, at)
        assert schema == b"DV"
        at += 32
        dimensions = {}
        for _ in range(n):
            letter, start, size, _, stored = struct.unpack_from("<4siifi", content, at)
            dimensions[letter.rstrip(b"\0").decode()] = [start, size, stored]
            at += 20
        entries.append(Entry(pixel_type, place, part, compression, pyramid, dimensions))
    change(entries)
    body = struct.pack("<i124x", len(entries))
    for entry in entries:
        packed = _packed(entry)
        body += packed
        content[entry.position + 48 : entry.position + 48 + len(packed)] = packed  # the copy in the sub-block
    struct.pack_into("<q", content, 84, len(content))
    content += struct.pack("<16sqq", b"ZISRAWDIRECTORY", len(body), len(body)) + body
    path.write_bytes(content)
    return path


def _packed(entry: Entry) -> bytes:
    dimensions = entry.dimensions.items()
    head = (entry.pixel_type, entry.position, entry.part, entry.compression, entry.pyramid, len(dimensions))
    rows = (
        struct.pack("<4siifi", letter.encode(), start, size, 0.0, stored)
        for letter, (start, size, stored) in dimensions
    )
    return struct.pack("<2siqiiB5xi", b"DV", *head) + b"".join(rows)


def rename_dimension(path: Path, old: str, new: str) -> Path:
    return edit_directory(path, lambda entries: [entry.rename(old, new) for entry in entries])
