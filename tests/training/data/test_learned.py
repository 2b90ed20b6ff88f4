from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from decrappify.crappify import Crappifier, Gaussian
from decrappify.domain import CARD_KEY
from decrappify.movie import Movie
from decrappify.training.config.options import DataOptions
from decrappify.training.data.learned import learned_range
from decrappify.training.data.training_data import Split, read_training_data

NOISE = Crappifier([Gaussian((0.02, 0.2))], "noise")


@pytest.fixture(scope="module")
def cells():
    blobs = gaussian_filter(np.random.default_rng(0).random((12, 130, 120)), (0, 4, 4))
    return Movie.from_array((1000 * (blobs - blobs.min()) / np.ptp(blobs)).astype(np.uint16), "TYX", name="cells")


@pytest.mark.parametrize(("n_patches", "is_present"), [(19, False), (40, True)])
def test_learned_range_is_present_from_20_patches(cells, n_patches, is_present):
    data = read_training_data(cells, NOISE, None, Split(options=DataOptions(shrink=(1, 2))))
    entry = learned_range(data, n_patches)
    assert (CARD_KEY in entry) == is_present
    assert not is_present or entry[CARD_KEY]["noise"][4] > 3 * entry[CARD_KEY]["noise"][0]


def test_learned_range_of_pairs_is_measured_on_the_sources(cells):
    noisy = Movie.from_array(np.asarray(cells)[:, 0, 0] + np.random.default_rng(3).normal(0, 90, (12, 130, 120)), "TYX")
    entry = learned_range(read_training_data(None, None, [(noisy, cells)], Split()), 25)
    extent = np.subtract(*np.percentile(np.asarray(cells), (99.8, 1)))
    assert entry[CARD_KEY]["noise"][2] == pytest.approx(90 / extent, rel=0.2)
