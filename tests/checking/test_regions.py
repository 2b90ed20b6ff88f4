"""Regions of a check, and the windows that are read around them."""

from __future__ import annotations

import numpy as np
import pytest

from decrappify.checking.regions import read_window, sample_regions
from decrappify.movie import Movie
from decrappify.normalization import Normalization
from decrappify.restoration.measurement.channels import Channel


@pytest.mark.parametrize(
    ("shape", "count", "frames"),
    [
        ((1, 1, 1, 100, 90), 1, 1),
        ((40, 1, 1, 100, 90), 16, 16),
        ((1, 1, 1, 1100, 1100), 16, 1),
        ((2, 1, 1, 512, 512), 8, 2),
    ],
)
def test_sample_regions_are_bounded_and_spread(shape, count, frames):
    movie = Movie.from_array(np.broadcast_to(np.uint8(0), shape), "TCZYX")
    regions = sample_regions(movie)
    assert len(regions) == count
    assert len({region.t for region in regions}) == frames
    assert len({(region.t, region.rows.start, region.columns.start) for region in regions}) == count


def test_read_window_reads_gray_levels_of_the_region_and_skips_missing_frames():
    array = np.random.default_rng(0).integers(0, 60000, (5, 40, 40)).astype(np.uint16)
    movie = Movie.from_array(array).replace(missing={(3, 0, 0)})
    region = next(region for region in sample_regions(movie) if region.t == 2)
    indices, frames = read_window(movie, Channel(Normalization(500.0, 9000.0)), region, 3)
    assert indices == (1, 2, 1)
    assert sorted(frames) == [1, 2]
    np.testing.assert_allclose(frames[1], array[1], atol=0.01)


def test_sample_regions_use_other_frames_than_constant_ones_and_their_neighbors():
    array = np.random.default_rng(0).integers(0, 99, (40, 64, 64)).astype(np.uint16)
    array[::3] = 7  # all of the frames that would be sampled, for a movie of 40
    array[20:31] = 7
    movie = Movie.from_array(array)
    assert {region.t % 3 for region in sample_regions(movie)} == {1, 2}
    assert not any(20 <= region.t < 31 for region in sample_regions(movie))
    array[:10] = np.arange(64)
    assert {region.t for region in sample_regions(movie, reach=1)} <= set(range(11))
    array[1::2] = 7  # no frame has neighbors that are not constant
    assert {region.t % 2 for region in sample_regions(movie, reach=1)} == {0}
    assert len(sample_regions(Movie.from_array(np.zeros((4, 64, 64), np.uint16)))) == 4
