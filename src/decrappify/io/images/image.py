"""Movies from single image files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from decrappify.errors import FormatError
from decrappify.io.images.decoding import ImageLayout, image_layout, read_image
from decrappify.io.integrity.file_guard import FileGuard, GuardedSource, file_version
from decrappify.movie import Array, Movie, Shape5


def open_image(path: str | os.PathLike[str]) -> Movie:
    """Open a PNG, JPEG or BMP file as a still.

    Parameters
    ----------
    path : path
        A ``.png``, ``.jpg`` or ``.bmp`` file.

    Returns
    -------
    Movie
        (1, C, 1, Y, X) of the file's dtype; color images have channels R, G and B.

    Raises
    ------
    MissingFileError, FormatError
        If the file does not exist or is not an image.
    """
    file = Path(path)
    layout = image_layout(file)
    colors: dict[str, Any] = {}
    if layout.channels == 3:
        colors = {"channel_names": ("R", "G", "B"), "channel_colors": ("FF0000", "00FF00", "0000FF")}
    return Movie(ImageSource(file, layout), name=file.name, **colors)


class ImageSource(GuardedSource):
    """Pixels of one image file; decoded once and kept, since its channels are read one by one."""

    def __init__(self, file: Path, layout: ImageLayout) -> None:
        self._file = file
        self._guard = FileGuard([file])
        self._pixels: Array | None = None
        self._decoded_version: str | None = None
        self.shape: Shape5 = (1, layout.channels, 1, layout.rows, layout.columns)
        self.dtype = layout.dtype

    def read(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
        """Read one region; the complete image is decoded."""
        version = file_version(self._file)
        if self._pixels is None or version != self._decoded_version:
            self._pixels, self._decoded_version = self._decoded(), version
        return self._pixels[c, rows, columns].copy()

    def close(self) -> None:
        """Discard the decoded pixels."""
        self._pixels = None

    def _decoded(self) -> Array:
        self._guard.check()
        pixels = read_image(self._file)
        self._guard.check()
        expected = (self.shape[1], *self.shape[3:])
        if pixels.shape != expected or pixels.dtype != self.dtype:
            raise FormatError(
                f"{self._file.name} is now {pixels.shape} {pixels.dtype}, was {expected} {self.dtype} when opened; "
                "open it again"
            )
        return pixels
