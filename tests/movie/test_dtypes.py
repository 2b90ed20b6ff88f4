"""Data types of images."""

from __future__ import annotations

import numpy as np
import pytest

from decrappify.errors import InputError
from decrappify.movie import Movie, image_dtype


def test_image_dtype_returns_native_byte_order():
    assert image_dtype(">f4") == np.dtype(np.float32)


@pytest.mark.parametrize("code", ["b", "h", "i", "l", "q", "Q", "f", "d"])
def test_movie_has_one_dtype_of_each_size(code):
    array = np.ones((2, 4, 4), code)
    dtype = Movie.from_array(array).dtype
    assert dtype == array.dtype
    assert dtype.char == np.dtype(dtype.name).char  # zarr does not accept the other C types of the same size
    assert image_dtype(code).char == dtype.char


@pytest.mark.skipif(np.dtype(np.longdouble).itemsize == 8, reason="the longest floats have 8 bytes on this system")
def test_movie_of_extended_floats_raises():
    with pytest.raises(InputError, match="real floats of up to 64 bits"):
        Movie.from_array(np.ones((2, 4, 4), np.longdouble))


@pytest.mark.parametrize(
    ("dtype", "message"),
    [
        ("unit8", "'unit8' is not known; did you mean 'uint8'"),
        ("float23", "did you mean 'float32'"),
        ("gray", "'gray' is not known; expected one such as 'uint8', 'uint16' or 'float32'"),
        ("bool", "'bool' cannot store an image; expected"),
        *[(np.longdouble, "cannot store an image")] * (np.dtype(np.longdouble).itemsize > 8),
    ],
)
def test_image_dtype_error_names_similar_dtypes(dtype, message):
    with pytest.raises(InputError, match=message):
        image_dtype(dtype)
