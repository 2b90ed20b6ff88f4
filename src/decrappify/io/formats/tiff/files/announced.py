"""Checks of the number of planes that a TIFF file declares, before tifffile creates a list of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from decrappify.errors import FormatError
from decrappify.io.formats.tiff.files.scene_axes import scene_axes
from decrappify.io.formats.tiff.metadata.ome import announced_axes, announced_pixels

_MOST_SCENES = 10_000  # of a series; listing opens each of them
_MOST_PLANES = 2_000_000  # of a recording; tifffile creates a list of all declared planes, present or not
_MOST_LISTED = 20_000_000  # where the first page may be a thumbnail


def check_micromanager(path: Path, file: Any) -> None:
    """Raise FormatError if a Micro-Manager image stack declares more planes than a recording can have."""
    metadata = file.micromanager_metadata if file.is_mmstack else None
    if not metadata:
        return
    summary, index = metadata.get("Summary"), metadata.get("IndexMap")
    words = summary if isinstance(summary, Mapping) else {}
    counts = [words.get(key, 1) for key in ("Channels", "Slices", "Frames", "Positions")]
    recorded = [1] * 4 if index is None or not len(index) else [int(number) + 1 for number in index[:, :4].max(axis=0)]
    _check(path, math.prod(max(int(count), least) for count, least in zip(counts, recorded, strict=True)))


def check_ome(path: Path, images: Iterable[Element], page_pixels: int) -> None:
    """Raise FormatError if an image of the OME-XML declares more planes than a recording can have.

    tifffile divides the declared pixels by the pixels of a page, `page_pixels`, to compute the number of planes.
    """
    for image in images:
        _check(path, math.prod(announced_axes(image)[1]))
        _check(path, announced_pixels(image) // page_pixels, _MOST_LISTED)


def check_scenes(path: Path, axes: str, shape: Sequence[int], kind: str) -> None:
    """Raise FormatError if a series declares more positions and mosaic tiles than a recording can have."""
    sizes = dict(zip(axes, shape, strict=True))
    total = math.prod(sizes[axis] for axis in scene_axes(axes, kind))
    if total > _MOST_SCENES:
        raise FormatError(f"{path} states {total} scenes; its metadata are damaged: copy it again")


def _check(path: Path, total: int, most: int = _MOST_PLANES) -> None:
    if total > most:
        raise FormatError(f"{path} states {total} planes; its metadata are damaged: copy it again")
