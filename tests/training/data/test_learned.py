from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from decrappify.crappify import BinDown, Crappifier, Gaussian
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


def test_pixel_sizes_are_those_of_the_degraded_images(cells):
    sized = cells.replace(pixel_size_um=(None, 0.1, 0.12), name="sized")
    binned = Crappifier([BinDown(2), Gaussian((0.02, 0.2))], "bin")
    data = read_training_data([cells, sized], binned, None, Split(options=DataOptions(shrink=(1, 2), validation=cells)))
    assert learned_range(data, 1) == {
        "pixel_size": {"lowest_um": 0.24, "highest_um": 0.48, "stated": "by 1 of 2 sources"}
    }
    assert learned_range(read_training_data(cells, binned, None, Split()), 1) == {}
    pairs = read_training_data(None, None, [(sized, cells)], Split())
    assert learned_range(pairs, 1)["pixel_size"]["highest_um"] == 0.12
