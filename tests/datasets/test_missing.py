"""Exclusion of planes that were never recorded from targets and windows."""

from __future__ import annotations

import numpy as np
import pytest

from decrappify.crappify import Crappifier
from decrappify.datasets.pairs import PairDataset
from decrappify.datasets.tuples import TupleDataset
from decrappify.errors import InputError
from decrappify.movie import Movie

DARK = -0.1  # a plane of zeros is a third of the range below the darkest pixel
MISSING = {(t, 0, 0) for t in (0, 2, 3, 7)}


def patches(rng):
    return np.kron(rng.integers(1000, 4000, (8, 1, 1, 6, 6), dtype=np.uint16), np.ones((4, 4), np.uint16))


@pytest.fixture
def aborted(rng):
    pixels = patches(rng)
    for place in MISSING:
        pixels[place] = 0
    return Movie.from_array(pixels, name="aborted", missing=MISSING)


@pytest.mark.parametrize("cache_bytes", [0, 1 << 30])
def test_tuples_contain_recorded_planes_only(aborted, cache_bytes):
    data = TupleDataset(
        [aborted], Crappifier([]), n_frames=3, patch_size=16, length=60, augment=False, cache_bytes=cache_bytes
    )
    assert all(float(sample["target"].min()) > DARK and float(sample["source"].min()) > DARK for sample in data)


def test_pairs_contain_recorded_planes_only(aborted, rng):
    target = Movie.from_array(patches(rng), missing={(1, 0, 0)})
    data = PairDataset([(aborted, target)], n_frames=3, patch_size=16, length=60, augment=False)
    assert all(float(sample["source"].min()) > DARK for sample in data)
    disjoint = Movie.from_array(np.asarray(target), missing={(t, 0, 0) for t in range(8)} - MISSING)
    with pytest.raises(InputError, match="no frame that was recorded in both"):
        PairDataset([(aborted, disjoint)], n_frames=1, patch_size=16, length=1)[0]


def test_dataset_rejects_a_movie_without_recorded_planes(aborted):
    nothing = aborted.select(frames=slice(2, 4))
    with pytest.raises(InputError, match="every plane of channel 0 of aborted is missing"):
        TupleDataset([nothing], Crappifier([]), n_frames=1, patch_size=16)
