from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decrappify import Movie
from decrappify.movie import ArraySource
from napari_decrappify.layers.lazy import MovieArray, as_dask, token

PIXELS = np.arange(4 * 2 * 3 * 5 * 6).reshape(4, 2, 3, 5, 6).astype(np.uint16)
VIEWS = {"TZYX": PIXELS[:, 1], "TCZYX": PIXELS, "ZYX": PIXELS[0, 1], "YX": PIXELS[0, 1, 0]}


class CountingSource(ArraySource):
    def __init__(self, array):
        super().__init__(array)
        self.counts = Counter()

    def read(self, t, c, z, rows, columns):
        self.counts[t, c, z] += 1
        return super().read(t, c, z, rows, columns)


def index(size):
    bounds = st.none() | st.integers(-size - 1, size + 1)
    steps = st.sampled_from([None, 1, 2, -1, -2])
    return st.integers(-size, size - 1) | st.builds(slice, bounds, bounds, steps)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_movie_array_indexes_like_numpy(data):
    axes = data.draw(st.sampled_from(sorted(VIEWS)))
    expected = VIEWS[axes]
    key = tuple(data.draw(index(size)) for size in expected.shape)[: data.draw(st.integers(0, expected.ndim))]
    view = MovieArray(Movie.from_array(PIXELS), axes, channel=1)
    np.testing.assert_array_equal(view[key], expected[key])
    np.testing.assert_array_equal(view[(..., *key[1:][:0])], expected)


def test_movie_array_accepts_ellipsis_and_single_index():
    view = MovieArray(Movie.from_array(PIXELS), "TZYX", channel=1)
    np.testing.assert_array_equal(view[..., 2], PIXELS[:, 1, ..., 2])
    np.testing.assert_array_equal(view[-1], PIXELS[-1, 1])
    np.testing.assert_array_equal(np.asarray(view, np.float32), PIXELS[:, 1].astype(np.float32))
    assert (view.ndim, view.size, len(view), view.dtype) == (4, 4 * 3 * 5 * 6, 4, np.uint16)
    with pytest.raises(IndexError, match="5 indices for an image with 4 axes"):
        view[0, 0, 0, 0, 0]


def test_movie_array_places_colors_last():
    np.testing.assert_array_equal(
        MovieArray(Movie.from_array(PIXELS), "TYXC")[:], PIXELS[:, :, 0].transpose(0, 2, 3, 1)
    )


def test_as_dask_reads_only_requested_planes():
    source = CountingSource(PIXELS)
    lazy = as_dask(MovieArray(Movie(source), "TZYX", channel=1))
    assert source.counts == {}
    np.testing.assert_array_equal(lazy[2, 1].compute(), PIXELS[2, 1, 1])
    assert source.counts == {(2, 1, 1): 1}


def test_as_dask_splits_very_large_planes():
    movie = Movie.from_array(np.broadcast_to(np.uint16(7), (1, 1, 1, 9000, 9000)))
    assert as_dask(MovieArray(movie, "YX")).chunks[0][0] == 2048
    assert as_dask(MovieArray(Movie.from_array(np.zeros((9, 8))), "YX")).chunks == ((9,), (8,))


def test_show_replaces_the_movie():
    view = MovieArray(Movie.from_array(PIXELS), "TZYX")
    view.show(Movie.from_array(PIXELS + 1))
    np.testing.assert_array_equal(view[0], PIXELS[0, 0] + 1)


def test_token_is_none_for_derived_data():
    lazy = as_dask(MovieArray(Movie.from_array(PIXELS), "TZYX"))
    assert token(lazy)
    assert token(lazy) != token(as_dask(MovieArray(Movie.from_array(PIXELS), "TZYX")))
    assert token(lazy + 1) is None
    assert token(lazy[1:]) is None
    assert token(PIXELS) is None
