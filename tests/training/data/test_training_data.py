"""Held-out parts of training data."""

from __future__ import annotations

import numpy as np
import pytest

from decrappify.crappify import Crappifier, Gaussian
from decrappify.movie import Movie
from decrappify.normalization import NormalizationRule, measure
from decrappify.training.config.options import DataOptions
from decrappify.training.data.training_data import Split, read_training_data


@pytest.fixture
def still(rng):
    """Return a still whose right end, which is held out, is ten times dimmer."""
    pixels = rng.random((64, 320)) * np.where(np.arange(320) < 260, 1000, 100)
    return Movie.from_array(pixels, "YX")


def test_held_out_strip_has_the_normalization_of_the_whole_still(still):
    data = read_training_data([still], Crappifier([Gaussian(0.0)]), None, Split())
    patches = data.held_out(2, seed=0)
    assert patches.movies[0].shape[4] < 100
    assert patches.movies[0].normalizations == [measure(still, 0, NormalizationRule())]
    assert patches[0]["target"].max() < 0.5


def test_held_out_strips_of_pairs_have_the_normalizations_of_the_whole_images(still):
    data = read_training_data(None, None, [(still, still)], Split())
    patches = data.held_out(2, seed=0)
    expected = [measure(still, 0, NormalizationRule())]
    assert [each[0].normalizations for each in (patches.sources, patches.targets)] == [expected, expected]


def test_held_out_slices_have_the_normalization_of_the_whole_stack(rng):
    pixels = rng.random((20, 64, 64)) * np.linspace(10, 1, 20)[:, None, None]
    stack = Movie.from_array(pixels, "ZYX")
    options = DataOptions(time_axis="Z")
    data = read_training_data([stack], Crappifier([Gaussian(0.0)]), None, Split(options=options))
    (kept,) = data.held_out(2, seed=0).movies
    assert kept.shape[0] == 3
    assert kept.normalizations == [measure(stack.z_as_time(), 0, NormalizationRule())]
