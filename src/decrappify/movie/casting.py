"""Lazy dtype conversion of movies: values are rounded and clipped, never rescaled."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import DTypeLike

from decrappify._common.argument_names import setting
from decrappify._common.planes.saturation import count_outside, saturate
from decrappify.errors import InputError
from decrappify.movie.dtypes import image_dtype
from decrappify.movie.movie import Movie
from decrappify.movie.sources import Array
from decrappify.movie.views import ComputedView

_BAND_PIXELS = 1 << 20  # converted at once


def cast_movie(movie: Movie, dtype: DTypeLike | None) -> Movie:
    """Return the movie in another dtype, lazily; the same movie if `dtype` is None or the dtype of the movie.

    Integers are rounded to nearest and clipped to the range of `dtype`; gray levels are never rescaled.
    `warn_of_clipping` reports the clipped pixels of the frames read so far.

    Raises
    ------
    InputError
        If `dtype` is not an image dtype; when a frame is read, if it contains NaN and `dtype` is an integer dtype.
    """
    if dtype is None:
        return movie
    wanted = image_dtype(dtype)
    return movie if wanted == movie.dtype else movie.map_regions(_Cast(movie, wanted), dtype=wanted)


def warn_of_clipping(movie: Movie, *, stacklevel: int = 3) -> None:
    """Warn of the share of pixels clipped so far while frames of a movie from `cast_movie` were read."""
    source = movie._source
    cast = source.compute if isinstance(source, ComputedView) else None
    if isinstance(cast, _Cast) and cast.clipped:
        share = 100 * cast.clipped / cast.read_pixels
        digits = max(0, 1 - int(np.floor(np.log10(share))))
        warnings.warn(
            f"{share:.{digits}f} % of the pixels of {movie.name} were clipped to the limits of {movie.dtype.name} "
            f"({cast.clipped} of {cast.read_pixels}); save it with a wider dtype, such as "
            f"{setting('dtype', 'float32')}, to keep them",
            stacklevel=stacklevel,
        )


class _Cast:
    """Region function that converts the dtype and counts the clipped pixels."""

    def __init__(self, movie: Movie, dtype: np.dtype[np.generic]) -> None:
        self._movie, self._dtype = movie, dtype
        self.clipped = self.read_pixels = 0

    def __call__(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
        frame = self._movie.region(t, c, z, rows, columns)
        if self._dtype.kind in "ui" and frame.dtype.kind == "f" and np.isnan(frame).any():
            raise InputError(
                f"frame {t} of {self._movie.name} contains NaN, which {self._dtype.name} cannot represent; save "
                "it as float32, or repair the file"
            )
        self.read_pixels += frame.size
        self.clipped += sum(count_outside(frame, self._dtype))
        return saturate(frame, self._dtype)


def as_uint8(image: Array) -> Array:
    """Convert a uint8 or uint16 image (Y, X, 3) to uint8, rounded; in bands, as uint32 takes four times the memory.

    >>> as_uint8(np.array([[[0, 128, 129], [257, 65406, 65535]]], np.uint16)).tolist()
    [[[0, 0, 1], [1, 254, 255]]]
    """
    if image.dtype == np.uint8:
        return image
    rounded = np.empty(image.shape, np.uint8)
    rows = max(1, _BAND_PIXELS // max(1, image.shape[1]))
    for start in range(0, image.shape[0], rows):
        band = slice(start, start + rows)
        rounded[band] = (image[band].astype(np.uint32) + 128) // 257
    return rounded
