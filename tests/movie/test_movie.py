from __future__ import annotations

import math

import dask.array
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decrappify.errors import InputError
from decrappify.movie import Movie


@pytest.fixture
def pixels(rng):
    return rng.integers(0, 4000, (6, 2, 3, 5, 7), dtype=np.uint16)


@pytest.fixture
def movie(pixels):
    return Movie.from_array(
        pixels,
        name="cells",
        pixel_size_um=(1.0, 0.2, 0.1),
        frame_interval_s=2.0,
        channel_names=("actin", "nuclei"),
        channel_colors=("00FF00", None),
        provenance={"microscope": "disk"},
    )


@pytest.mark.parametrize(
    ("shape", "axes", "expected"),
    [
        ((5, 7), None, (1, 1, 1, 5, 7)),
        ((4, 5, 7), None, (4, 1, 1, 5, 7)),
        ((4, 5, 7), "ZYX", (1, 1, 4, 5, 7)),
        ((5, 7, 3), "YXC", (1, 3, 1, 5, 7)),
        ((7, 5), "XY", (1, 1, 1, 5, 7)),
    ],
)
def test_from_array_converts_any_order_to_five_axes(rng, shape, axes, expected):
    array = rng.integers(0, 255, shape, dtype=np.uint8)
    movie = Movie.from_array(array, axes)
    assert movie.shape == expected
    order = [
        (axes or {2: "YX", 3: "TYX"}[array.ndim]).index(axis)
        for axis in "TCZYX"
        if axis in (axes or "TYX"[-array.ndim :])
    ]
    np.testing.assert_array_equal(np.asarray(movie), array.transpose(order).reshape(expected))


def test_frame_and_region_equal_those_of_the_array(movie, pixels):
    np.testing.assert_array_equal(movie.frame(-1, 1, 2), pixels[5, 1, 2])
    np.testing.assert_array_equal(movie.region(2, 0, 1, slice(1, 4), slice(-3, None)), pixels[2, 0, 1, 1:4, -3:])
    assert (len(movie), movie.nbytes, movie.dtype) == (6, pixels.nbytes, np.uint16)
    assert list(movie.planes())[:4] == [(0, 0, 0), (0, 0, 1), (0, 0, 2), (0, 1, 0)]


@settings(max_examples=20, deadline=None)
@given(st.slices(6), st.slices(2), st.slices(3))
def test_select_matches_numpy(frames, channels, slices):
    pixels = np.arange(6 * 2 * 3 * 4).reshape(6, 2, 3, 2, 2)
    expected = pixels[frames][:, channels][:, :, slices]
    if expected.size == 0:
        with pytest.raises(InputError, match="select nothing from movie"):
            Movie.from_array(pixels).select(frames, channels, slices)
    else:
        np.testing.assert_array_equal(np.asarray(Movie.from_array(pixels).select(frames, channels, slices)), expected)


@settings(max_examples=30, deadline=None)
@given(st.tuples(st.integers(-7, 7), st.integers(-7, 7)), st.tuples(st.integers(-9, 9), st.integers(-9, 9)))
def test_crop_matches_numpy(rows, columns):
    pixels = np.arange(2 * 5 * 7).reshape(2, 1, 1, 5, 7)
    expected = pixels[..., slice(*rows), slice(*columns)]
    movie = Movie.from_array(pixels)
    if not expected.size:
        with pytest.raises(InputError, match="select nothing"):
            movie.crop(slice(*rows), slice(*columns))
        return
    part = movie.crop(slice(*rows), slice(*columns))
    np.testing.assert_array_equal(np.asarray(part), expected)
    np.testing.assert_array_equal(np.asarray(part.crop(slice(1), slice(-1, None))), expected[..., :1, -1:])


def test_crop_keeps_metadata_and_rejects_steps(movie):
    part = movie.crop(columns=slice(2, 4))
    assert (part.shape, part.pixel_size_um, part.channel_names) == (
        (6, 2, 3, 5, 2),
        (1.0, 0.2, 0.1),
        ("actin", "nuclei"),
    )
    with pytest.raises(InputError, match="a crop with step 2 would change the pixel size, expected step 1"):
        movie.crop(rows=slice(0, 5, 2))


def test_select_keeps_metadata_and_scales_spacings_by_steps(movie):
    part = movie.select(slice(0, 6, 2), 1, slice(None, None, 2))
    assert part.shape == (3, 1, 2, 5, 7)
    assert (part.frame_interval_s, part.pixel_size_um) == (4.0, (2.0, 0.2, 0.1))
    assert (part.channel_names, part.channel_colors) == (("nuclei",), (None,))
    assert (part.name, part.provenance) == ("cells", {"microscope": "disk"})
    assert movie[2].shape == movie[np.int64(2)].shape == (1, 2, 3, 5, 7)


def test_z_as_time_swaps_the_axes_and_back(movie, pixels):
    swapped = movie.z_as_time()
    np.testing.assert_array_equal(np.asarray(swapped), pixels.swapaxes(0, 2))
    np.testing.assert_array_equal(np.asarray(swapped.z_as_time()), pixels)
    assert (swapped.frame_interval_s, swapped.provenance["z_as_time"]) == (None, True)


def test_lazy_array_is_computed_per_frame():
    def read(block_info):
        if block_info[None]["chunk-location"][0] != 2:
            raise RuntimeError("another frame was read")
        return np.ones((1, 4, 4), np.float32)

    movie = Movie.from_array(
        dask.array.map_blocks(read, chunks=((1,) * 5, 4, 4), dtype=np.float32, meta=np.empty((0, 0, 0), np.float32))
    )
    assert movie[1:4].frame(1).sum() == 16


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frame_interval_s": -1}, "frame_interval_s is -1, expected a number of seconds above 0, or None"),
        ({"frame_interval_s": math.inf}, "frame_interval_s is inf, expected"),
        ({"pixel_size_um": (None, 0, 0.1)}, "pixel_size_um is 0, expected a number of micrometers above 0, or None"),
        ({"pixel_size_um": np.array([1, math.nan, 1])}, "pixel_size_um is .*nan"),
    ],
)
def test_replace_raises_for_a_spacing_that_is_not_positive(changes, message):
    movie = Movie.from_array(np.zeros((2, 4, 4)), frame_interval_s=2)
    with pytest.raises(InputError, match=message):
        movie.replace(**changes)
    assert movie.replace(frame_interval_s=None, pixel_size_um=(None, 0.1, 0.1)).frame_interval_s is None


def test_from_array_converts_booleans_and_drops_invalid_spacings():
    movie = Movie.from_array(np.eye(3, dtype=bool), frame_interval_s=0.0, pixel_size_um=(float("nan"), -1, 0.5))
    assert movie.frame(0).dtype == np.uint8
    assert (movie.frame_interval_s, movie.pixel_size_um) == (None, (None, None, 0.5))
    assert movie.channel_names == ("C0",)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Movie.from_array(np.zeros((2, 3, 4, 5))), "has 4 axes; expected .* axes='TCYX'"),
        (lambda: Movie.from_array(np.zeros((2, 3)), "TZ"), "axes='TZ' does not fit"),
        (lambda: Movie.from_array(np.zeros((2, 3), complex)), "dtype complex128 is not an image"),
        (lambda: Movie.from_array(np.zeros((0, 3, 3))), "of at least 1 each"),
        (
            lambda: Movie.from_array(np.zeros((2, 3)), channel_names=("a", "b")),
            "channel_names of movie has 2 .* expected 1",
        ),
        (lambda: Movie.from_array(np.zeros((2, 3)), pixel_size_um=(1.0,)), r"expected three values \(z, y, x\)"),
        (lambda: Movie.from_array(np.zeros((2, 3, 3))).frame(2), "frame 2 is not in movie, which has frames 0 to 1"),
        (lambda: Movie.from_array(np.zeros((2, 3, 3))).frame(0, c=1), "channel 1 is not in movie"),
        (lambda: Movie.from_array(np.zeros((2, 3, 3)))["a"], r"indexed by frames, such as movie\[10:20\]"),
        (lambda: Movie.from_array(np.zeros((2, 3))).select(channels="GFP"), "channel 'GFP' is not an index of movie"),
        (lambda: Movie.from_array(np.zeros((2, 3))).select(frames=[0]), "expected an integer or a slice"),
        (lambda: Movie.from_array(np.zeros((2, 3))).replace(shape=3), "no metadata 'shape'; replace.. changes name, "),
        (lambda: Movie.from_array(np.zeros((2, 3))).replace(frame_interval_s="2 s"), "is '2 s', expected a number, or"),
        (lambda: Movie.from_array(np.zeros((2, 3, 3)))[5:], "frames 5: select nothing"),
    ],
)
def test_movie_errors_are_one_line(make, message):
    with pytest.raises(InputError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_movie_closes_its_source(movie):
    closed = []
    movie._source.close = lambda: closed.append(True)
    with movie:
        assert "cells" in repr(movie)
    assert closed == [True]


def test_movie_tuple_index_matches_numpy(movie, pixels):
    for index in [np.s_[1, 0, 2], np.s_[1:5:2, :, 0], np.s_[..., 2:, ::3], np.s_[-1, ..., 4], np.s_[2, 1, 1, 3, 6]]:
        np.testing.assert_array_equal(movie[index], pixels[index])
    assert movie[1:1, 0].shape == (0, 3, 5, 7)
    assert (movie.ndim, movie.size) == (5, pixels.size)


@pytest.mark.parametrize("index", ["0", (0, 0, 0, 0, 0, 0), ([0, 1],), (slice(None, None, -1),), True, (9,)])
def test_movie_rejects_unsupported_indices_in_one_line(movie, index):
    with pytest.raises(InputError, match=r"^[^\n]+$"):
        movie[index]


def test_movie_iterates_over_single_frame_movies(movie, pixels):
    frames = list(movie)
    assert [frame.shape[0] for frame in frames] == [1] * 6
    np.testing.assert_array_equal(np.concatenate([np.asarray(frame) for frame in frames]), pixels)


def test_movie_works_with_dask_from_array(movie, pixels):
    lazy = dask.array.from_array(movie, chunks=(1, 1, 1, -1, -1))
    np.testing.assert_array_equal(lazy[2:4, 1].mean(axis=0).compute(), pixels[2:4, 1].mean(axis=0))
    np.testing.assert_array_equal(lazy[3, 0, 1, ::2].compute(), pixels[3, 0, 1, ::2])


def test_movie_missing_planes_follow_selection_and_swap(pixels):
    movie = Movie.from_array(pixels, missing={(5, 1, 2), (4, 0, 0)})
    assert movie.select(frames=slice(1, None, 2), channels=1).missing == {(2, 0, 2)}
    assert movie.z_as_time().missing == {(2, 1, 5), (0, 0, 4)}
    assert movie.crop(rows=slice(2)).missing == movie.missing
    assert movie[:4].missing == frozenset()


def test_movie_spacing_without_unit_follows_selection_and_swap(pixels):
    movie = Movie.from_array(pixels, unitless_spacing={"T": 5, "Z": 2, "X": 0.3}, pixel_size_um=(None, None, 0.1))
    assert movie.unitless_spacing == {"T": 5.0, "Z": 2.0}
    assert movie.select(frames=slice(None, None, 2)).unitless_spacing == {"T": 10.0, "Z": 2.0}
    assert movie.z_as_time().unitless_spacing == {"T": 2.0, "Z": 5.0}
