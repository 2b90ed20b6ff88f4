from __future__ import annotations

import numpy as np
import pytest

from decrappify.colorization.watermark import add_watermark


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("ground", [0.0, 0.5, 1.0])
def test_the_note_contrasts_with_any_ground(dtype, ground):
    full_scale = np.iinfo(dtype).max
    picture = np.full((400, 600, 3), ground * full_scale).astype(dtype)
    marked = add_watermark(picture)
    assert marked.dtype == dtype
    assert np.ptp(marked[350:, :200].astype(float)) > 0.45 * full_scale


def test_it_is_a_small_note_in_the_lower_left_corner_of_a_copy():
    picture = np.full((400, 600, 3), 90, np.uint8)
    marked = add_watermark(picture)
    assert (picture == 90).all()
    rows, columns = np.nonzero((marked != 90).any(axis=2))
    assert rows.min() > 0.9 * 400
    assert 12 <= np.ptp(rows) <= 30  # about 5 % of 400
    assert columns.min() < 20
    assert columns.max() < 250


@pytest.mark.parametrize("shape", [(1, 1, 3), (5, 400, 3), (300, 12, 3), (20, 20, 3)])
def test_tiny_images_are_marked_as_far_as_space_permits(shape):
    assert add_watermark(np.zeros(shape, np.uint8)).shape == shape


def test_a_narrow_image_gets_smaller_type_that_fits():
    marked = add_watermark(np.zeros((600, 80, 3), np.uint8))
    columns = np.nonzero(marked.any(axis=(0, 2)))[0]
    assert np.ptp(columns) > 40
    assert columns.max() < 79
