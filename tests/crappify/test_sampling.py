from __future__ import annotations

import numpy as np
import pytest

from decrappify.crappify import BinDown, Crappifier, LineJitter, SampleDown
from decrappify.errors import InputError


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_bin_down_averages_areas(rng, factor):
    image = rng.random((12, 24), np.float32)
    blocks = image.reshape(12 // factor, factor, 24 // factor, factor)
    np.testing.assert_allclose(Crappifier([BinDown(factor)])(image, rng), blocks.mean((1, 3)), rtol=1e-5)


@pytest.mark.parametrize("factor", [2, 3, 4, 5])
def test_bin_down_and_sample_down_have_the_same_grid(rng, factor):
    ramp = np.arange(60, dtype=np.float32)[:, None] + 2 * np.arange(120, dtype=np.float32)[None]
    binned, sampled = (Crappifier([part(factor)])(ramp, rng) for part in (BinDown, SampleDown))
    np.testing.assert_allclose(sampled[1:-1, 1:-1], binned[1:-1, 1:-1], rtol=1e-4)


def test_sample_down_by_an_odd_factor_takes_the_middle_pixel(rng):
    image = rng.random((15, 15), np.float32)
    np.testing.assert_array_equal(Crappifier([SampleDown(3)])(image, rng), image[1::3, 1::3])


@pytest.mark.parametrize(("factor", "ratio"), [(2, 1.5), (3, 8.0), (4, 5.0)])
def test_sample_down_does_not_average_areas(rng, factor, ratio):
    noise = rng.normal(0, 1, (240, 240)).astype(np.float32)
    binned, sampled = (Crappifier([part(factor)])(noise, rng) for part in (BinDown, SampleDown))
    assert binned.var() == pytest.approx(factor**-2, rel=0.1)
    assert sampled.var() > ratio * binned.var()


@pytest.mark.parametrize("factor", [1, 0, 2.0, "2", True])
@pytest.mark.parametrize("part", [BinDown, SampleDown])
def test_invalid_factor_raises(part, factor):
    with pytest.raises(InputError, match=r"factor is .*, expected an integer of at least 2"):
        part(factor)


def test_size_that_the_scale_does_not_divide_raises_with_the_crop(rng):
    with pytest.raises(InputError, match=r"65 x 70 pixels .*8 times smaller; crop it to 64 x 64"):
        Crappifier([BinDown(2), SampleDown(4)])(np.zeros((65, 70), np.float32), rng)


def row_centers(image: np.ndarray) -> np.ndarray:
    return (image * np.arange(image.shape[-1])).sum(-1) / image.sum(-1)


def test_line_jitter_has_its_sigma_and_differs_between_frames(rng):
    line = np.exp(-((np.arange(64) - 32.0) ** 2) / 18).astype(np.float32)
    window = np.broadcast_to(line, (2, 400, 64))
    shift = row_centers(Crappifier([LineJitter(0.6)])(window, rng)) - 32
    assert shift.std() == pytest.approx(0.6, rel=0.08)
    assert abs(np.corrcoef(shift)[0, 1]) < 0.15


def test_bidirectional_offset_separates_even_and_odd_rows(rng):
    line = np.exp(-((np.arange(64) - 32.0) ** 2) / 18).astype(np.float32)
    centers = row_centers(Crappifier([LineJitter(0.0, bidirectional=1.4)])(np.tile(line, (10, 1)), rng))
    np.testing.assert_allclose(centers[::2], 32 - 0.7, atol=0.01)
    np.testing.assert_allclose(centers[1::2], 32 + 0.7, atol=0.01)
