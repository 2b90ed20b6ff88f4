from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decrappify.datasets import split_movies
from decrappify.datasets.split import split_fields
from decrappify.errors import InputError
from decrappify.movie import Movie


def numbered(n_t, name="m"):
    return Movie.from_array(np.arange(n_t)[:, None, None] * np.ones((1, 2, 2)), name=name)


def frames(movie):
    return [int(movie.frame(t)[0, 0]) for t in range(len(movie))]


@settings(max_examples=40, deadline=None)
@given(st.integers(10, 60), st.floats(0.05, 0.5), st.integers(0, 3))
def test_split_movies_splits_time_once_with_a_gap(n_t, fraction, gap):
    train, validation = split_movies([numbered(n_t)], fraction, gap=gap)
    first, last = frames(train[0]), frames(validation[0])
    assert first == list(range(len(first)))
    assert last == list(range(len(first) + gap, n_t))
    assert len(last) == max(3, round(fraction * n_t))


def test_split_movies_keeps_stills_and_short_movies_for_training():
    train, validation = split_movies([numbered(1), numbered(9), numbered(30)])
    assert [len(movie) for movie in train] == [1, 9, 25]
    assert [len(movie) for movie in validation] == [3]


@pytest.mark.parametrize("by", ["time", "movie"])
def test_split_movies_separates_complete_movies_if_requested_or_short(by):
    movies = [numbered(2, name) for name in "abcd"]
    train, validation = split_movies(movies, 0.3, by=by)
    assert ([movie.name for movie in train], [movie.name for movie in validation]) == (["a", "b", "c"], ["d"])
    assert [len(part) for part in split_movies(movies, 0.99, by="movie")] == [1, 3]


def plane(height, width, scale=1, n_t=1):
    """Return frames whose gray levels are the numbers of their rows."""
    rows = np.repeat(np.arange(height), scale)[:, None] * np.ones((1, width * scale))
    return Movie.from_array(np.repeat(rows[None], n_t, axis=0))


@pytest.mark.parametrize(
    ("shape", "trained", "kept"),
    [((256, 153), (208, 153), (48, 153)), ((1024, 614), (922, 614), (102, 614)), ((100, 180), (100, 135), (100, 45))],
)
def test_split_movies_splits_a_single_still_along_its_longer_side(shape, trained, kept):
    still = np.arange(np.prod(shape)).reshape(shape)
    train, validation = split_movies([Movie.from_array(still)])
    assert (train[0].shape[3:], validation[0].shape[3:]) == (trained, kept)
    np.testing.assert_array_equal(train[0].frame(0), still[: trained[0], : trained[1]])
    np.testing.assert_array_equal(validation[0].frame(0), still[-kept[0] :, -kept[1] :])


def test_split_fields_splits_source_and_target_of_a_pair_alike():
    burst, target = plane(200, 90, n_t=20), plane(200, 90, scale=2)
    (trained,), (kept,) = split_fields([(burst, target)])
    for source, target in (trained, kept):
        assert target.shape[3:] == (source.shape[3] * 2, source.shape[4] * 2)
        np.testing.assert_array_equal(target.frame(0)[::2, ::2], source.frame(19))
    assert trained[0].shape[3] + kept[0].shape[3] == 200
    assert kept[0].frame(0).min() > trained[0].frame(0).max()


def test_split_fields_splits_pairs_of_long_movies_in_time():
    (trained,), (kept,) = split_fields([(numbered(40), numbered(40))], gap=1)
    assert [len(movie) for movie in (*trained, *kept)] == [35, 35, 4, 4]


def test_split_fields_separates_complete_pairs_if_there_are_many():
    train, validation = split_fields([(plane(200, 200), plane(200, 200))] * 12)
    assert (len(train), len(validation)) == (11, 1)


@pytest.mark.parametrize(
    ("movies", "arguments", "message"),
    [
        ([numbered(30)], {"fraction": 0.0}, "validation fraction is 0.0, expected a number between 0 and 1"),
        ([numbered(30)], {"by": "movie"}, "needs at least two movies, found 1; use by='time'"),
        ([numbered(30)], {"by": "frame"}, "by='frame' is not known, expected 'time' or 'movie'"),
        ([numbered(5, "short")], {}, "short has 5 frames .*, which needs a second movie, 10 frames, or"),
        (
            [numbered(1, "still")],
            {},
            "image still has 1 frame of 2 x 2 pixels, .* or a side of 160 pixels",
        ),
    ],
)
def test_split_movies_rejects_unsuitable_arguments(movies, arguments, message):
    with pytest.raises(InputError, match=message):
        split_movies(movies, **arguments)
