"""Training photographs: found in a folder, checked, and cached in memory at the resolution needed."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from decrappify.errors import DecrappifyError, InputError, MissingFileError
from decrappify.io.recognition.registry import frame_suffixes
from decrappify.movie import Array

logger = logging.getLogger(__name__)

Images = str | os.PathLike[str] | Sequence[str | os.PathLike[str] | Array]


class Photographs:
    """Sequence of color images as uint8 arrays (3, Y, X).

    Unreadable and gray images are omitted; their numbers are logged. If not all images fit into memory, the last ones
    are read from their files each time; only their headers are checked beforehand.

    Parameters
    ----------
    images : folder, or sequence of paths and arrays
        A folder is searched with its subfolders for JPEG, PNG, BMP and TIFF files; arrays are uint8 (Y, X, 3).
    shorter_side : int
        Larger images are reduced to this shorter side, by averaging.
    cache_bytes : int
        Memory for images from files.

    Raises
    ------
    MissingFileError
        If the folder does not exist.
    InputError
        If there are no color images, or an array has another shape or dtype.
    """

    def __init__(self, images: Images, *, shorter_side: int, cache_bytes: int = 2 * 1024**3) -> None:
        self._shorter_side = shorter_side
        self._entries: list[Path | Array] = []
        found = find_images(images)
        omitted = Counter[str]()
        for entry in found:
            try:
                kept = self._kept(entry, in_memory=cache_bytes > 0)
            except DecrappifyError as error:
                logger.debug("omitted: %s", error)
                omitted["gray" if isinstance(error, _GrayError) else "unreadable"] += 1
                continue
            cache_bytes -= kept.nbytes if isinstance(kept, np.ndarray) and isinstance(entry, Path) else 0
            self._entries.append(kept)
        summary = " and ".join(f"{count} {reason}" for reason, count in omitted.items())
        if not self._entries:
            raise InputError(
                f"found {summary or 'no images'}, nothing to train on, expected color images (.jpg, .png, .bmp or .tif)"
            )
        if omitted:
            logger.warning("omitted %s of %d images", summary, len(found))

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> Array:
        entry = self._entries[index]
        return reduced(_read(entry), self._shorter_side) if isinstance(entry, Path) else entry

    def _kept(self, entry: Path | Array, *, in_memory: bool) -> Path | Array:
        if isinstance(entry, Path) and not in_memory:
            return _with_color_header(entry)
        image = _read(entry) if isinstance(entry, Path) else entry
        if (image == image[:1]).all():
            raise _GrayError(f"{entry.name if isinstance(entry, Path) else 'an image'} is gray")
        return reduced(image, self._shorter_side)


class _GrayError(InputError):
    """An image without colors."""


def reduced(image: Array, shorter_side: int) -> Array:
    """Reduce a uint8 (3, Y, X) image by averaging to a shorter side of at most `shorter_side`; never enlarge.

    >>> reduced(np.zeros((3, 100, 150), np.uint8), 50).shape
    (3, 50, 75)
    """
    from PIL import Image

    height, width = image.shape[1:]
    factor = shorter_side / min(height, width)
    if factor >= 1:
        return image
    size = max(1, round(width * factor)), max(1, round(height * factor))
    whole = Image.fromarray(np.ascontiguousarray(np.moveaxis(image, 0, -1)))
    return np.ascontiguousarray(np.moveaxis(np.asarray(whole.resize(size, Image.Resampling.BOX)), -1, 0))


def find_images(images: Images) -> list[Path | Array]:
    """List the image files of a folder and its subfolders, sorted; for a sequence, paths and (3, Y, X) arrays."""
    if not isinstance(images, str | os.PathLike):
        return [_from_array(entry) if isinstance(entry, np.ndarray) else Path(entry) for entry in images]
    folder = Path(images)
    if not folder.is_dir():
        raise MissingFileError(f"folder {folder} of images does not exist; check the path, or pass a list of files")
    suffixes = frame_suffixes()
    return [*sorted(path for path in folder.rglob("*") if path.suffix.lower() in suffixes and path.is_file())]


def _from_array(image: Array) -> Array:
    if image.ndim != 3 or image.shape[-1] != 3 or image.dtype != np.uint8 or image.size == 0:
        raise InputError(f"the image has shape {image.shape} and dtype {image.dtype}, expected uint8 (Y, X, 3)")
    return np.ascontiguousarray(np.moveaxis(image, -1, 0))


def _with_color_header(path: Path) -> Path:
    from decrappify.io import open_movie

    with open_movie(path) as movie:
        _check(movie.shape, movie.dtype, path)
    return path


def _read(path: Path) -> Array:
    """Decode a file to uint8 (3, Y, X); of samples with 9 to 16 bits, the upper 8 are kept."""
    from decrappify.io import open_movie

    with open_movie(path) as movie:
        _check(movie.shape, movie.dtype, path)
        image = np.stack([movie.frame(0, channel) for channel in range(3)])
    return (image >> (_bits(path) - 8)).astype(np.uint8) if image.dtype == np.uint16 else image


def _bits(path: Path) -> int:
    """Return the bits per sample of a file with more than 8; only TIFF files have depths other than 16."""
    from decrappify.io.recognition.file_format import format_of

    form = format_of(path)
    if form is None or form.name != "TIFF":
        return 16
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        stated = tiff.pages.first.tags.valueof("BitsPerSample", default=16)
    return int(max(stated) if isinstance(stated, tuple) else stated)


def _check(shape: tuple[int, ...], dtype: np.dtype[np.generic], path: Path) -> None:
    if shape[:3] == (1, 1, 1):
        raise _GrayError(f"{path.name} is gray")
    if shape[:3] != (1, 3, 1) or dtype not in (np.uint8, np.uint16):
        raise InputError(f"{path.name} has shape {shape} and dtype {dtype}, expected one RGB image of 8 or 16 bits")
