"""High-resolution images at a fraction of their size."""

from __future__ import annotations

import numpy as np
import pytest

from decrappify.crappify import crappifier_preset
from decrappify.datasets import TupleDataset
from decrappify.datasets.shrink import with_shrunk
from decrappify.errors import InputError
from decrappify.movie import Movie, bin_movie


def test_bin_movie_computes_block_means(rng):
    pixels = rng.integers(0, 60000, (3, 21, 19)).astype(np.uint16)
    half = bin_movie(Movie.from_array(pixels, pixel_size_um=(None, 0.1, 0.2)), 2)
    assert half.shape == (3, 1, 1, 10, 9)
    assert half.pixel_size_um == (None, 0.2, 0.4)
    expected = pixels[1, :20, :18].reshape(10, 2, 9, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(half.frame(1), expected, rtol=1e-6)
    np.testing.assert_allclose(half.region(1, 0, 0, slice(2, 7), slice(3, 8)), expected[2:7, 3:8], rtol=1e-6)


def test_bin_movie_by_one_returns_the_movie(rng):
    movie = Movie.from_array(rng.random((2, 8, 8)))
    assert bin_movie(movie, 1) is movie


def test_with_shrunk_omits_images_smaller_than_a_patch(rng):
    movies = [Movie.from_array(rng.random((2, side, side)).astype(np.float32)) for side in (32, 70)]
    assert [movie.shape[3] for movie in with_shrunk(movies, (1, 2, 4), 32)] == [32, 70, 35]


@pytest.mark.parametrize("factor", [0, 1.5, True, "2"])
def test_bin_movie_rejects_invalid_factors(factor):
    with pytest.raises(InputError, match="expected an integer of at least 1"):
        bin_movie(Movie.from_array(np.eye(8)), factor)


def test_with_shrunk_requires_factor_one():
    with pytest.raises(InputError, match="expected factors that include 1"):
        with_shrunk([Movie.from_array(np.eye(8))], (2,), 4)


def test_dataset_contains_every_size(rng):
    movie = Movie.from_array(rng.random((3, 96, 96)).astype(np.float32))
    dataset = TupleDataset([movie], crappifier_preset("confocal"), patch_size=16, shrink=(1, 2, 4), length=4)
    assert [cached.shape[3] for cached in dataset.movies] == [96, 48, 24]
    assert dataset[0]["source"].shape == (3, 16, 16)
