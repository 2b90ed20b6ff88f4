"""Readers of photographs: upright, at full bit depth, with their metadata."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from decrappify.errors import InputError
from decrappify.io.images.decoding import (
    GRAY_MODES,
    exif_orientation,
    image_errors,
    opened,
    pillow_pixels,
    plain_png,
    png_pixels,
)
from decrappify.io.images.deep_scans import DeepScan, read_deep_scan
from decrappify.io.orientation import upright, upright_pair
from decrappify.limits.files import check_decoded_size
from decrappify.limits.memory import check_memory
from decrappify.movie import Array

if TYPE_CHECKING:
    from PIL import Image


# EXIF tags, also used in TIFF
DESCRIPTION, MAKER, CAMERA, DATE, ARTIST, COPYRIGHT = 0x010E, 0x010F, 0x0110, 0x0132, 0x013B, 0x8298
_KEPT_TAGS = (DESCRIPTION, MAKER, CAMERA, DATE, ARTIST, COPYRIGHT)
_BITS = 0x0102
_DECODING_COPIES = 5  # Pillow stores color in 4 bytes per pixel; rotation and conversion copy it; measured
_COLOR_MODES = frozenset({"RGB", "RGBA", "P", "PA", "YCbCr"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Photograph:
    """Pixels of a photograph and its metadata.

    Attributes
    ----------
    pixels : ndarray of uint8 or uint16, (Y, X, 3)
        Red, green, blue, upright; gray photographs have three equal channels.
    alpha : ndarray of the same dtype, (Y, X), or None
        Opacity.
    icc_profile : bytes or None
        Color space, if it is an RGB space.
    dpi : (float, float) or None
        Pixels per inch along X and Y.
    tags : dict
        EXIF tags to keep: description, camera, date, artist, copyright.
    """

    pixels: Array
    alpha: Array | None = None
    icc_profile: bytes | None = None
    dpi: tuple[float, float] | None = None
    tags: dict[int, str] = field(default_factory=dict)


def read_photograph(path: Path) -> Photograph:
    """Read a PNG, JPEG, BMP or TIFF file of one image; 16 bits remain 16 bits.

    Raises
    ------
    MissingFileError, FormatError
        If the file does not exist, is damaged or is not an image.
    InputError
        If it contains several pages, or colors that are neither gray nor RGB.
    """
    with _reading(path):
        scan = read_deep_scan(path)
    if scan is not None:
        return _photograph_of(scan)
    with _reading(path), opened(path) as image:
        _check_kind(path, image)
        turned = exif_orientation(image) in (5, 6, 7, 8)
        profile = image.info.get("icc_profile") or b""
        metadata: dict[str, Any] = {
            "icc_profile": profile if profile[16:20] == b"RGB " else None,  # a gray one does not match the colors
            "dpi": _dpi(image.info.get("dpi"), turned=turned),
            "tags": _tags(image),
        }
        nbytes = image.width * image.height * len(image.getbands())
        check_decoded_size(path.name, nbytes, path.stat().st_size)
        check_memory(_DECODING_COPIES * nbytes, f"reading {path.name}", "scale it down first, or close other programs")
        pixels, alpha = _split(_pixels(path, image))
        return Photograph(pixels=pixels, alpha=alpha, **metadata)


def read_description(path: Path) -> str:
    """Return the description in the metadata of an image file; empty if missing."""
    with _reading(path):
        scan = read_deep_scan(path)
    if scan is not None:
        return scan.tags.get(DESCRIPTION, "").strip("\0 ")
    with _reading(path), opened(path) as image:
        return _tags(image).get(DESCRIPTION, "")


def _photograph_of(scan: DeepScan) -> Photograph:
    pixels, alpha = _split(upright(scan.pixels, scan.orientation))
    return Photograph(
        pixels=pixels,
        alpha=alpha,
        icc_profile=scan.icc_profile if scan.icc_profile[16:20] == b"RGB " else None,
        dpi=_dpi(scan.dpi, turned=upright_pair((0, 1), scan.orientation) == (1, 0)),
        tags={tag: scan.tags[tag].strip("\0 ") for tag in _KEPT_TAGS if tag in scan.tags},
    )


def _check_kind(path: Path, image: Image.Image) -> None:
    pages = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)  # MPO: JPEG of a camera with previews
    if pages > 1:
        raise InputError(f"{path.name} contains {pages} pages or frames, expected one; save each as a separate file")
    if image.mode not in GRAY_MODES | _COLOR_MODES:
        raise InputError(f"{path.name} has colors of kind {image.mode}; save it as RGB or grayscale first")


def _tags(image: Image.Image) -> dict[int, str]:
    exif = image.getexif()
    tags = {tag: _text(exif[tag]) for tag in _KEPT_TAGS if tag in exif}
    remark = image.info.get("Description") or image.info.get("comment")  # of PNG, and of JPEG
    if remark and DESCRIPTION not in tags:
        tags[DESCRIPTION] = _text(remark)
    return tags


def _text(value: object) -> str:
    """Return the text of a tag, which Pillow decodes as Latin-1, decoded as UTF-8 if valid."""
    try:
        raw = value if isinstance(value, bytes) else str(value).encode("latin-1")
        text = raw.decode()
    except UnicodeError:
        text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
    return text.strip("\0 ")


def _pixels(path: Path, image: Image.Image) -> Array:
    """Return upright pixels: (Y, X) or (Y, X, 1 to 4)."""
    deep = _deep_pixels(path, image)
    pixels = pillow_pixels(image, alpha=image.has_transparency_data) if deep is None else deep
    return upright(pixels, exif_orientation(image))


def _deep_pixels(path: Path, image: Image.Image) -> Array | None:
    """Return the pixels, as stored, of a 16-bit PNG or TIFF, whose colors Pillow would reduce to 8 bits; else None."""
    png = plain_png(path)
    if png is not None and png.dtype == np.uint16:
        return png_pixels(path)
    if image.format == "TIFF" and np.max(image.getexif().get(_BITS, 8)) == 16:
        import tifffile

        with tifffile.TiffFile(path) as tiff:
            page = tiff.pages.first
            pixels = page.asarray()
            if int(page.photometric) == 0:  # white is zero
                pixels = np.iinfo(pixels.dtype).max - pixels
            planar = pixels.ndim == 3 and int(page.planarconfig) == 2
            return np.moveaxis(pixels, 0, -1) if planar else pixels
    return None


def _split(pixels: Array) -> tuple[Array, Array | None]:
    """Split (Y, X) or (Y, X, 1 to 4) into colors (Y, X, 3) and opacity (Y, X), the second or fourth channel."""
    channels = pixels if pixels.ndim == 3 else pixels[..., None]
    n_colors = 3 if channels.shape[2] >= 3 else 1
    colors = np.ascontiguousarray(np.broadcast_to(channels[..., :n_colors], (*channels.shape[:2], 3)))
    alpha = np.ascontiguousarray(channels[..., n_colors]) if channels.shape[2] in (2, 4) else None
    return colors, alpha


def _dpi(dpi: Any, *, turned: bool) -> tuple[float, float] | None:
    if dpi is None:
        return None
    along_x, along_y = (float(value) for value in dpi)
    if not (np.isfinite([along_x, along_y]).all() and along_x > 0 and along_y > 0):
        return None
    return (along_y, along_x) if turned else (along_x, along_y)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Convert the exceptions of Pillow, tifffile and the codecs, and ignore their warnings of damaged tags."""
    from decrappify.io.formats.tiff.files.messages import tifffile_messages

    with (
        image_errors(path, "PNG, JPEG, BMP or TIFF", "scale it down first"),
        warnings.catch_warnings(),
        tifffile_messages(path),
    ):
        warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
        yield
