"""Positions and further dimensions of the scenes of a CZI file, from its directory and metadata."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

from decrappify.io.format import SceneDetails
from decrappify.io.formats.czi import metadata as czi_metadata
from decrappify.io.formats.czi.czi import open_blocks
from decrappify.io.formats.czi.directory import COPY_AGAIN, Blocks
from decrappify.io.formats.czi.layout import further_numbers, rectangle, scene_blocks, scene_numbers
from decrappify.io.formats.czi.selection import KINDS
from decrappify.io.integrity.damage import damage_errors

_Position = tuple[float, float] | None


def read_details(path: Path) -> list[SceneDetails]:
    """Return the details of every scene.

    The positions are those of the sub-blocks, which have one coordinate system in a file. If all scenes begin at the
    same pixel, as in files that were saved scene by scene, the stage positions of the metadata are used.
    """
    reader, blocks = open_blocks(path)
    try:
        with damage_errors(f"{path.name} cannot be read", COPY_AGAIN):
            root = czi_metadata.parse_metadata(reader.raw_metadata, path.name)
            numbers = scene_numbers(blocks)
            further = [further_numbers(scene_blocks(blocks, number)) for number in numbers]
            positions = _positions(root, blocks, numbers)
            return [
                SceneDetails(position, found, {letter: KINDS[letter] for letter in found})
                for position, found in zip(positions, further, strict=True)
            ]
    finally:
        reader.close()


def _positions(root: Element, blocks: Blocks, numbers: Sequence[int | None]) -> list[_Position]:
    _, size_y, size_x = czi_metadata.pixel_size_um(root)
    if not size_y or not size_x:  # some files state 0
        return [None] * len(numbers)
    boxes = [rectangle(scene_blocks(blocks, number)) for number in numbers]
    if len({box[:2] for box in boxes}) > 1:
        return [(top * size_y, left * size_x) for left, top, _, _ in boxes]
    centers = czi_metadata.scene_centers_um(root, numbers)
    return [
        None if center is None else (center[0] - height * size_y / 2, center[1] - width * size_x / 2)
        for center, (_, _, width, height) in zip(centers, boxes, strict=True)
    ]
