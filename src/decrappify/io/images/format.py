"""Format record of still images: PNG, JPEG and BMP."""

from __future__ import annotations

from pathlib import Path

from decrappify.io.format import Format, FrameFiles
from decrappify.movie import Movie

_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")


def _open(path: Path) -> Movie:
    from decrappify.io.images.image import open_image

    return open_image(path)


def _layout(path: Path) -> object:
    from decrappify.io.images.decoding import image_layout

    return image_layout(path)


def _accepts(head: bytes) -> bool:
    """Return whether a file begins with the two letters of BMP, with which text may also begin."""
    return head.startswith(b"BM")


FORMAT = Format(
    name="still image",
    suffixes=_SUFFIXES,
    signatures=((0, b"\x89PNG\r\n\x1a\n"), (0, b"\xff\xd8\xff")),
    accepts=_accepts,
    open=_open,
    frames=FrameFiles(suffixes=_SUFFIXES, layout=_layout, spellings={".jpeg": ".jpg"}, of_cameras=(".jpg", ".jpeg")),
)
