"""Data types of images."""

from __future__ import annotations

import numpy as np
import pytest

from decrappify.errors import InputError
from decrappify.movie import image_dtype


def test_image_dtype_returns_native_byte_order():
    assert image_dtype(">f4") == np.dtype(np.float32)


@pytest.mark.parametrize(
    ("dtype", "message"),
    [
        ("unit8", "'unit8' is not known; did you mean 'uint8'"),
        ("float23", "did you mean 'float32'"),
        ("gray", "'gray' is not known; expected one such as 'uint8', 'uint16' or 'float32'"),
        ("bool", "'bool' cannot store an image; expected"),
    ],
)
def test_image_dtype_error_names_similar_dtypes(dtype, message):
    with pytest.raises(InputError, match=message):
        image_dtype(dtype)
