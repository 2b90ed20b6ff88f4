from __future__ import annotations

import numpy as np

from decrappify.domain import sampled_regions
from decrappify.movie import Movie


def test_regions_cover_three_planes_spread_over_the_movie():
    pixels = np.arange(9)[:, None, None] * np.ones((9, 40, 50))
    assert [region[0, 0] for region in sampled_regions(Movie.from_array(pixels, "TYX"))] == [0, 4, 8]


def test_regions_exclude_constant_planes_among_others():
    pixels = np.arange(9)[:, None, None] + np.random.default_rng(0).random((9, 40, 50))
    pixels[4] = 0
    assert [int(region[0, 0]) for region in sampled_regions(Movie.from_array(pixels, "TYX"))] == [0, 8]


def test_regions_of_large_planes_are_small():
    movie = Movie.from_array(np.broadcast_to(np.uint8(3), (2, 5000, 6000)), "TYX")
    assert [region.shape for region in sampled_regions(movie)] == [(256, 256)] * 8


def test_regions_exclude_missing_planes():
    pixels = np.arange(3)[:, None, None] * np.ones((3, 40, 50))
    movie = Movie.from_array(pixels, "TYX").replace(missing=[(0, 0, 0)])
    assert [region[0, 0] for region in sampled_regions(movie)] == [1, 2]
