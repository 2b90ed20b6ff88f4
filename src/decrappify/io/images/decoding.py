"""Decoder of still images: PNG, JPEG and BMP files, at full bit depth; palettes become colors."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from decrappify._common.checks import reason
from decrappify.errors import FormatError, MissingFileError
from decrappify.io.integrity.damage import damage_errors
from decrappify.io.orientation import upright, upright_pair
from decrappify.limits.files import check_decoded_size, check_regular
from decrappify.movie import Array

if TYPE_CHECKING:
    from PIL import Image

_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_CHANNELS = {
    0: 1,
    2: 3,
    4: 1,
    6: 3,
}  # color type to channels without transparency; 3, a palette, is decoded by Pillow
_EXIF_ORIENTATION = 0x0112
GRAY_MODES = frozenset({"1", "L", "LA", "La", "I;16", "I;16B", "I;16L"})  # of Pillow


@dataclass(frozen=True, slots=True)
class ImageLayout:
    """Content of an image header.

    Attributes
    ----------
    channels : int
        1 (gray) or 3 (red, green, blue).
    rows, columns : int
        Size in pixels, in display orientation.
    dtype : numpy.dtype
        uint8 or uint16.
    """

    channels: int
    rows: int
    columns: int
    dtype: np.dtype[Any]

    def __str__(self) -> str:
        return (
            f"{self.rows} × {self.columns} {self.dtype} with {self.channels} channel{'s' if self.channels > 1 else ''}"
        )


def image_layout(path: Path) -> ImageLayout:
    """Read the header of an image file, without decoding."""
    with image_errors(path):
        png = plain_png(path)
        if png is not None:
            rows, columns = upright_pair((png.rows, png.columns), _png_orientation(path))
            return ImageLayout(png.channels, rows, columns, png.dtype)
        with opened(path) as image:
            dtype = np.dtype(np.uint16 if image.mode.startswith("I;16") else np.uint8)
            rows, columns = upright_pair(image.size[::-1], exif_orientation(image))
            return ImageLayout(1 if _is_gray(image) else 3, rows, columns, dtype)


def read_image(path: Path) -> Array:
    """Decode an image file into a (C, Y, X) array of uint8 or uint16, C as in `image_layout`; transparency is dropped.

    Raises
    ------
    MissingFileError, FormatError
        If the file does not exist, is damaged or is not an image.
    """
    with image_errors(path):
        png = plain_png(path)
        if png is not None:
            _check_size(path, png.rows * png.columns * png.channels * png.dtype.itemsize)
            return _channels_first(upright(png_pixels(path), _png_orientation(path)), png.channels)
        with opened(path) as image:
            channels = 1 if _is_gray(image) else 3
            _check_size(path, image.width * image.height * channels)
            return _channels_first(upright(pillow_pixels(image), exif_orientation(image)), channels)


def opened(path: Path) -> Image.Image:
    """Open an image file with Pillow, which reads its header."""
    from PIL import Image

    return Image.open(path)


def exif_orientation(image: Image.Image) -> int:
    """Return the orientation in the metadata of an image; see `decrappify.io.orientation`."""
    return int(image.getexif().get(_EXIF_ORIENTATION, 1))


def pillow_pixels(image: Image.Image, *, alpha: bool = False) -> Array:
    """Decode an image, as stored: gray (Y, X) or RGB (Y, X, 3); `alpha` adds a sample of the opacity."""
    if image.mode.startswith("I;16"):
        return np.asarray(image)
    mode = "L" if _is_gray(image) else "RGB"
    return np.asarray(image.convert({"L": "LA", "RGB": "RGBA"}[mode] if alpha else mode))


def png_pixels(path: Path) -> Array:
    """Decode a PNG file, as stored, at its full bit depth, which Pillow reduces to 8 bits for colors."""
    import imagecodecs

    return np.asarray(imagecodecs.png_decode(path.read_bytes()))


def _check_size(path: Path, nbytes: int) -> None:
    check_decoded_size(path.name, nbytes, path.stat().st_size)


def plain_png(path: Path) -> ImageLayout | None:
    """Read the header of a PNG of 8 or 16 bits without a palette; None for other files, which Pillow decodes."""
    with path.open("rb") as file:
        header = file.read(26)
    if len(header) < 26 or not header.startswith(_PNG_START):
        return None
    columns, rows, depth, color_type = struct.unpack(">IIBB", header[16:26])
    if depth not in (8, 16) or color_type not in _PNG_CHANNELS:
        return None
    return ImageLayout(_PNG_CHANNELS[color_type], rows, columns, np.dtype(f"uint{depth}"))


def _png_orientation(path: Path) -> int:
    """Return the orientation in the eXIf chunk of a PNG, which may precede or follow the pixels; 1 if absent."""
    from PIL import Image

    with path.open("rb") as file:
        file.seek(len(_PNG_START))
        while len(start := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", start)
            if kind == b"eXIf":
                exif = Image.Exif()
                exif.load(b"Exif\0\0" + file.read(length))
                return int(exif.get(_EXIF_ORIENTATION, 1))
            file.seek(length + 4, 1)  # and its checksum
    return 1


def _is_gray(image: Image.Image) -> bool:
    if image.mode in ("P", "PA"):
        palette = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
        return bool((palette == palette[:, :1]).all())
    return image.mode in GRAY_MODES


def _channels_first(pixels: Array, channels: int) -> Array:
    if pixels.ndim == 2:
        return np.ascontiguousarray(pixels)[np.newaxis]
    return np.ascontiguousarray(np.moveaxis(pixels[..., :channels], -1, 0))


@contextmanager
def image_errors(
    path: Path, kinds: str = "PNG, JPEG or BMP", advice: str = "save it as a tiled TIFF"
) -> Iterator[None]:
    """Convert the errors of a decoder to FormatError, and those of an absent file to MissingFileError.

    Parameters
    ----------
    path : Path
        The image file.
    kinds : str
        Formats that are read.
    advice : str
        Remedy for an image with too many pixels.
    """
    from PIL import Image

    check_regular(path)
    damage = damage_errors(f"{path.name} cannot be decoded as {kinds}", "it is damaged or another kind of file")
    with damage, warnings.catch_warnings():
        # The declared size is compared with the size of the file instead: 100 megapixels are usual for scans.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            yield
        except FileNotFoundError as error:
            if isinstance(error, MissingFileError):
                raise
            raise MissingFileError(f"{path} does not exist; check the path") from error
        except Image.DecompressionBombError as error:
            raise FormatError(f"{path.name} has too many pixels for one image ({reason(error)}); {advice}") from error
