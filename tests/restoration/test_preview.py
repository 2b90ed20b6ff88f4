from __future__ import annotations

import threading

import numpy as np
import pytest

from decrappify.errors import Cancelled, InputError
from decrappify.inference.options import InferenceOptions
from decrappify.movie import Movie
from decrappify.restoration import Preview, RestorationOptions, restore

from .conftest import CountingSource, PoolingNetwork, as_model

REGIONS = [
    (slice(0, 45), slice(0, 70)),
    (slice(13, 31), slice(22, 23)),
    (slice(0, 9), slice(51, 70)),
    (slice(37, 45), slice(3, 40)),
]


@pytest.mark.parametrize(("rows", "columns"), REGIONS)
@pytest.mark.parametrize(("n_frames", "scale"), [(1, 1), (3, 1), (3, 2)])
def test_preview_region_equals_that_of_the_restored_movie(movie, rows, columns, n_frames, scale):
    model = as_model(PoolingNetwork(n_frames, scale=scale))
    whole = restore(movie, model, inference=InferenceOptions(device="cpu"))
    preview = Preview(movie, model, inference=InferenceOptions(device="cpu"))
    for t, c in ((0, 1), (3, 0)):
        region = preview.region(t, c, 0, rows, columns)
        place = np.s_[rows.start * scale : rows.stop * scale, columns.start * scale : columns.stop * scale]
        assert region.dtype == movie.dtype
        np.testing.assert_allclose(region[0].astype(int), whole.frame(t, c)[place].astype(int), atol=1)


def test_preview_returns_all_channels_of_a_model(movie):
    model = as_model(PoolingNetwork(in_channels=2))
    region = Preview(movie, model, inference=InferenceOptions(device="cpu")).region(
        1, 0, 0, slice(8, 30), slice(10, 50)
    )
    expected = np.asarray(restore(movie, model, inference=InferenceOptions(device="cpu")))[1, :, 0, 8:30, 10:50]
    np.testing.assert_allclose(region.astype(int), expected.astype(int), atol=1)


def test_preview_takes_windows_along_z(rng):
    stack = Movie.from_array(rng.integers(90, 4000, (1, 1, 5, 40, 44), dtype=np.uint16))
    model = as_model(PoolingNetwork(3))
    region = Preview(
        stack, model, inference=InferenceOptions(device="cpu"), options=RestorationOptions(window_axis="Z")
    ).region(0, 0, 3, slice(4, 20), slice(8, 30))
    expected = restore(
        stack, model, inference=InferenceOptions(device="cpu"), options=RestorationOptions(window_axis="Z")
    ).frame(0, 0, 3)[4:20, 8:30]
    np.testing.assert_allclose(region[0].astype(int), expected.astype(int), atol=1)


def test_preview_reads_only_the_window_of_the_frame(rng):
    source = CountingSource(rng.integers(90, 4000, (9, 48, 48), dtype=np.uint16))
    preview = Preview(Movie(source), as_model(PoolingNetwork(3)), inference=InferenceOptions(device="cpu"))
    source.counts.clear()
    preview.region(5, 0, 0, slice(0, 16), slice(0, 16))
    assert source.counts == {(4, 0, 0): 1, (5, 0, 0): 1, (6, 0, 0): 1}


def test_preview_can_be_cancelled_and_repeated(movie):
    preview = Preview(movie, as_model(PoolingNetwork()), inference=InferenceOptions(device="cpu"))
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        preview.region(0, 0, 0, slice(0, 20), slice(0, 20), cancel=cancel)
    assert preview.region(0, 0, 0, slice(0, 20), slice(0, 20)).shape == (1, 20, 20)


@pytest.mark.parametrize(
    ("place", "rows", "columns"),
    [
        ((6, 0, 0), slice(0, 9), slice(0, 9)),
        ((0, 2, 0), slice(0, 9), slice(0, 9)),
        ((0, 0, 0), slice(9, 9), slice(0, 9)),
        ((0, 0, 0), slice(0, 46), slice(0, 9)),
        ((0, 0, 0), slice(0, 9), slice(-3, 9)),
    ],
)
def test_preview_rejects_regions_outside_the_movie(movie, place, rows, columns):
    preview = Preview(movie, as_model(PoolingNetwork()), inference=InferenceOptions(device="cpu"))
    with pytest.raises(InputError, match=r"is not a region of cells of shape \(6, 2, 1, 45, 70\)"):
        preview.region(*place, rows, columns)
