from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from decrappify.crappify import BinDown, Crappifier, Gaussian
from decrappify.domain import CARD_KEY, measure_features
from decrappify.movie import Movie
from decrappify.normalization import NormalizationRule
from decrappify.training.config.options import DataOptions
from decrappify.training.data.fields import crappified_fields, learned_range, measured_fields
from decrappify.training.data.training_data import Split, read_training_data

NOISE = Crappifier([Gaussian((0.02, 0.2))], "noise")


@pytest.fixture(scope="module")
def cells():
    blobs = gaussian_filter(np.random.default_rng(0).random((12, 130, 120)), (0, 4, 4))
    return Movie.from_array((1000 * (blobs - blobs.min()) / np.ptp(blobs)).astype(np.uint16), "TYX", name="cells")


def test_crappified_fields_are_repeatable_and_each_has_its_setting(cells):
    first, second = (list(crappified_fields([cells], NOISE, NormalizationRule(), 6)) for _ in range(2))
    assert [np.array_equal(a[0], b[0]) for a, b in zip(first, second, strict=True)] == [True] * 6
    noise = [measure_features(regions)["noise"] for regions in first]
    assert all(abs(a - b) > 1e-3 for a, b in pairwise(sorted(noise)))


def test_crappified_fields_have_the_size_of_the_source(cells):
    halved = Crappifier([BinDown(factor=2)])
    odd = Movie.from_array(np.asarray(cells)[:, 0, 0, :127, :119], "TYX")
    assert [region.shape for (region,) in crappified_fields([odd], halved, NormalizationRule(), 2)] == [(63, 59)] * 2


def test_fields_that_cannot_be_normalized_are_left_out(cells):
    constant = Movie.from_array(np.full((1, 130, 120), 3, np.uint8), "TYX")
    fields = list(crappified_fields([cells, constant], NOISE, NormalizationRule(), 20))
    assert 0 < len(fields) < 20


def test_measured_fields_are_regions_of_the_sources(cells):
    fields = list(measured_fields([cells], 7))
    assert [region.shape for (region,) in fields] == [(130, 120)] * 7
    assert fields[0][0].dtype == np.uint16


@pytest.mark.parametrize(("n_patches", "is_known"), [(19, False), (40, True)])
def test_learned_range_is_known_after_20_patches(cells, n_patches, is_known):
    data = read_training_data(cells, NOISE, None, Split(options=DataOptions(shrink=(1, 2))))
    entry = learned_range(data, n_patches)
    assert (CARD_KEY in entry) == is_known
    assert not is_known or entry[CARD_KEY]["noise"][4] > 3 * entry[CARD_KEY]["noise"][0]


def test_learned_range_of_pairs_is_that_of_the_sources(cells):
    noisy = Movie.from_array(np.asarray(cells)[:, 0, 0] + np.random.default_rng(3).normal(0, 90, (12, 130, 120)), "TYX")
    entry = learned_range(read_training_data(None, None, [(noisy, cells)], Split()), 25)
    assert entry[CARD_KEY]["noise"][2] == pytest.approx(0.09, rel=0.3)
