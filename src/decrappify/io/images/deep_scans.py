"""Reader of scans with 9 to 15 bits per sample, which image libraries for photographs do not open."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from decrappify.io.formats.tiff.pages.integers import use_whole_words
from decrappify.limits.files import check_decoded_size
from decrappify.movie import Array

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_BITS, _ORIENTATION, _ICC = 258, 274, 34675
_INCHES = {2: 1.0, 3: 2.54}
_GRAY, _COLORED = (0, 1), (2,)  # photometric interpretations


class DeepScan(NamedTuple):
    """Pixels of a scan and their metadata.

    Attributes
    ----------
    pixels : ndarray of uint16, (Y, X) or (Y, X, S)
        From 0 to 65535, white is the largest value; as stored, not rotated.
    orientation : int
        Value of the Orientation tag.
    icc_profile : bytes
        Color space; empty if missing.
    dpi : (float, float) or None
        Pixels per inch along X and Y, as stored.
    tags : dict
        Texts in the file, by tag number.
    """

    pixels: Array
    orientation: int
    icc_profile: bytes
    dpi: tuple[float, float] | None
    tags: dict[int, str]


def read_deep_scan(path: Path) -> DeepScan | None:
    """Read a gray or RGB TIFF file of one page with 9 to 15 bits per sample, None for any other file.

    Values are scaled to 16 bits by the depth that the file states: its full range becomes the full range of uint16.
    """
    with path.open("rb") as file:
        if not file.read(4).startswith(_TIFF):
            return None
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        if len(tiff.pages) != 1:
            return None
        page: Any = tiff.pages.first
        stated = page.tags.valueof(_BITS, default=1)
        depths = set(stated) if isinstance(stated, tuple) else {stated}
        photometric = int(page.photometric)
        if len(depths) != 1 or photometric not in _GRAY + _COLORED or page.sampleformat != 1:
            return None
        bits = int(depths.pop())
        if not 8 < bits < 16:
            return None
        use_whole_words(page)
        check_decoded_size(path.name, page.nbytes, path.stat().st_size)
        pixels = stretched(page.asarray(), bits)
        if photometric == 0:  # white is zero
            pixels = 65535 - pixels
        if pixels.ndim == 3 and int(page.planarconfig) == 2:
            pixels = np.moveaxis(pixels, 0, -1)
        tags = {tag.code: tag.value for tag in page.tags if isinstance(tag.value, str)}
        icc = page.tags.valueof(_ICC, default=b"")
        return DeepScan(pixels, int(page.tags.valueof(_ORIENTATION, default=1)), bytes(icc), _dpi(page), tags)


def stretched(values: Array, bits: int) -> Array:
    """Scale values of `bits` bits to 16 bits.

    >>> stretched(np.array([0, 2048, 4095], np.uint16), 12).tolist()
    [0, 32776, 65535]
    """
    largest = (1 << bits) - 1
    wide = np.minimum(values.astype(np.uint32), largest)
    return ((wide * 65535 + largest // 2) // largest).astype(np.uint16)


def _dpi(page: Any) -> tuple[float, float] | None:
    scale = _INCHES.get(int(page.tags.valueof("ResolutionUnit", default=2)))
    along = [page.tags.valueof(f"{axis}Resolution", default=(0, 1)) for axis in "XY"]
    if scale is None or not all(isinstance(value, tuple) and len(value) == 2 and all(value) for value in along):
        return None
    return along[0][0] / along[0][1] * scale, along[1][0] / along[1][1] * scale
