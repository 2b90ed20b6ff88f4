from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from decrappify.crappify import BinDown, Crappifier, Gaussian
from decrappify.domain import measure_features
from decrappify.movie import Movie
from decrappify.normalization import NormalizationRule
from decrappify.training.data.fields import crappified_fields, measured_fields

NOISE = Crappifier([Gaussian((0.02, 0.2))], "noise")


@pytest.fixture(scope="module")
def cells():
    blobs = gaussian_filter(np.random.default_rng(0).random((12, 130, 120)), (0, 4, 4))
    return Movie.from_array((1000 * (blobs - blobs.min()) / np.ptp(blobs)).astype(np.uint16), "TYX", name="cells")


def test_crappified_fields_are_reproducible_and_draw_one_noise_level_each(cells):
    first, second = (list(crappified_fields([cells], NOISE, NormalizationRule(), 6)) for _ in range(2))
    assert [np.array_equal(a[0], b[0]) for a, b in zip(first, second, strict=True)] == [True] * 6
    noise = [measure_features(regions)["noise"] for regions in first]
    assert all(abs(a - b) > 1e-3 for a, b in pairwise(sorted(noise)))
    assert len(first[0]) == 3


def test_crappified_fields_have_the_size_of_the_source(cells):
    halved = Crappifier([BinDown(factor=2)])
    odd = Movie.from_array(np.asarray(cells)[:, 0, 0, :127, :119], "TYX")
    assert [region.shape for region in next(crappified_fields([odd], halved, NormalizationRule(), 1))] == [(63, 59)] * 3


def test_crappified_fields_skip_fields_that_cannot_be_normalized(cells):
    constant = Movie.from_array(np.full((1, 130, 120), 3, np.uint8), "TYX")
    fields = list(crappified_fields([cells, constant], NOISE, NormalizationRule(), 20))
    assert 0 < len(fields) < 20


def test_measured_fields_are_regions_of_the_sources(cells):
    fields = list(measured_fields([cells], 7))
    assert [region.shape for regions in fields for region in regions] == [(130, 120)] * 21
    assert fields[0][0].dtype == np.uint16
