from __future__ import annotations

import numpy as np
import pytest

from decrappify.colorization.watermark import add_watermark


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("background", [0.0, 0.5, 1.0])
def test_watermark_contrasts_with_any_background(dtype, background):
    full_scale = np.iinfo(dtype).max
    image = np.full((400, 600, 3), background * full_scale).astype(dtype)
    marked = add_watermark(image)
    assert marked.dtype == dtype
    assert np.ptp(marked[350:, :200].astype(float)) > 0.45 * full_scale


def test_watermark_is_small_and_in_the_lower_left_corner_of_a_copy():
    image = np.full((400, 600, 3), 90, np.uint8)
    marked = add_watermark(image)
    assert (image == 90).all()
    rows, columns = np.nonzero((marked != 90).any(axis=2))
    assert rows.min() > 0.9 * 400
    assert 12 <= np.ptp(rows) <= 30  # about 5 % of 400
    assert columns.min() < 20
    assert columns.max() < 250


@pytest.mark.parametrize("shape", [(1, 1, 3), (5, 400, 3), (300, 12, 3), (20, 20, 3)])
def test_add_watermark_accepts_tiny_images(shape):
    marked = add_watermark(np.zeros(shape, np.uint8))
    assert (marked.shape, marked.dtype) == (shape, np.uint8)


def test_watermark_of_a_narrow_image_is_smaller():
    marked = add_watermark(np.zeros((600, 80, 3), np.uint8))
    columns = np.nonzero(marked.any(axis=(0, 2)))[0]
    assert np.ptp(columns) > 40
    assert columns.max() < 79
