from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import maximum_filter

from decrappify._common.planes.bands import bands
from decrappify.restoration.measurement.medians import block_medians
from decrappify.restoration.measurement.neighbors import excess_by_bands, highest_neighbor

RING = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], bool)


@pytest.mark.parametrize("shape", [(300, 900), (2, 70_000), (700, 3), (2, 2)])
def test_highest_neighbor_equals_a_mirrored_maximum_filter(rng, shape):
    plane = rng.normal(size=shape).astype(np.float32)
    expected = maximum_filter(plane, footprint=RING, mode="mirror")
    np.testing.assert_array_equal(highest_neighbor(plane), expected)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1)])
def test_highest_neighbor_accepts_thin_planes(rng, shape):
    plane = rng.normal(size=shape).astype(np.float32)
    padded = np.pad(plane, 1, mode="edge")
    expected = maximum_filter(padded, footprint=RING)[1:-1, 1:-1]
    np.testing.assert_array_equal(highest_neighbor(plane), expected)


@pytest.mark.parametrize("sign", [1, -1])
def test_excess_by_bands_covers_the_plane_in_small_bands(rng, sign):
    plane = rng.normal(size=(300, 900)).astype(np.float32)
    found = list(excess_by_bands(plane, sign))
    assert [top for top, _ in found] == [rows.start for rows in bands(plane.shape)]
    assert len(found) > 1
    assert max(band.size for _, band in found) <= 1 << 16
    expected = sign * plane - maximum_filter(sign * plane, footprint=RING, mode="mirror")
    np.testing.assert_array_equal(np.concatenate([band for _, band in found]), expected)


@pytest.mark.parametrize("shape", [(4, 4), (150, 86), (9, 4)])
def test_block_medians_equal_the_median_of_each_block(rng, shape):
    plane = rng.integers(0, 9, shape).astype(np.float32)
    rows, columns = shape[0] // 4, shape[1] // 4
    blocks = plane[: 4 * rows, : 4 * columns].reshape(rows, 4, columns, 4)
    np.testing.assert_array_equal(block_medians(plane), np.median(blocks, axis=(1, 3)).ravel())


def test_block_medians_of_a_plane_smaller_than_a_block_are_its_pixels():
    assert block_medians(np.float32([[1, 2, 3]])).tolist() == [1, 2, 3]
