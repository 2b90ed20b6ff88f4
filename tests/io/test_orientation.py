from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from decrappify.io.orientation import orientation_of_rotation, stored_region, upright, upright_pair

SIDES = st.integers(1, 7)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright_equals_the_exif_transpose_of_pillow(orientation, tmp_path):
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    image = Image.fromarray(pixels)
    image.getexif()[274] = orientation
    image.save(tmp_path / "a.png", exif=image.getexif())
    with Image.open(tmp_path / "a.png") as stored:
        np.testing.assert_array_equal(upright(pixels, orientation), np.asarray(ImageOps.exif_transpose(stored)))
    assert upright(pixels, orientation).shape == upright_pair((3, 4), orientation)


@settings(max_examples=60, deadline=None)
@given(st.data(), SIDES, SIDES, st.integers(0, 9))
def test_stored_region_is_the_region_of_the_upright_image(data, height, width, orientation):
    stored = np.arange(height * width).reshape(height, width)
    displayed = upright(stored, orientation)
    slices = []
    for side in displayed.shape:
        start = data.draw(st.integers(0, side - 1))
        slices.append(slice(start, data.draw(st.integers(start + 1, side))))
    part = stored[stored_region(*slices, stored.shape, orientation)]
    np.testing.assert_array_equal(upright(part, orientation), displayed[tuple(slices)])


def test_upright_keeps_further_axes_and_ignores_unknown_values():
    pixels = np.arange(24).reshape(2, 4, 3)
    assert upright(pixels, 8).shape == (4, 2, 3)
    np.testing.assert_array_equal(upright(pixels, 0), pixels)
    np.testing.assert_array_equal(upright(pixels, 17), pixels)


def test_orientation_of_rotation_turns_clockwise():
    pixels = np.arange(6).reshape(2, 3)
    for quarter in range(-4, 5):
        turned = upright(pixels, orientation_of_rotation(90 * quarter))
        np.testing.assert_array_equal(turned, np.rot90(pixels, -quarter))
