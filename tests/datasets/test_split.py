from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decrappify.datasets import split_movies
from decrappify.errors import InputError
from decrappify.movie import Movie


def numbered(n_t, name="m"):
    return Movie.from_array(np.arange(n_t)[:, None, None] * np.ones((1, 2, 2)), name=name)


def frames(movie):
    return [int(movie.frame(t)[0, 0]) for t in range(len(movie))]


@settings(max_examples=40, deadline=None)
@given(st.integers(10, 60), st.floats(0.05, 0.5), st.integers(0, 3))
def test_time_is_split_once_with_a_gap(n_t, fraction, gap):
    train, validation = split_movies([numbered(n_t)], fraction, gap=gap)
    first, last = frames(train[0]), frames(validation[0])
    assert first == list(range(len(first)))
    assert last == list(range(len(first) + gap, n_t))
    assert len(last) == max(3, round(fraction * n_t))


def test_stills_and_short_movies_train_whole():
    train, validation = split_movies([numbered(1), numbered(9), numbered(30)])
    assert [len(movie) for movie in train] == [1, 9, 25]
    assert [len(movie) for movie in validation] == [3]


@pytest.mark.parametrize("by", ["time", "movie"])
def test_where_there_is_no_time_whole_movies_are_kept(by):
    movies = [numbered(2, name) for name in "abcd"]
    train, validation = split_movies(movies, 0.3, by=by)
    assert ([movie.name for movie in train], [movie.name for movie in validation]) == (["a", "b", "c"], ["d"])
    assert [len(part) for part in split_movies(movies, 0.99, by="movie")] == [1, 3]


@pytest.mark.parametrize(
    ("movies", "arguments", "message"),
    [
        ([numbered(30)], {"fraction": 0.0}, "validation fraction is 0.0, needs a number between 0 and 1"),
        ([numbered(30)], {"by": "movie"}, "needs at least two movies, found 1; use by='time'"),
        ([numbered(30)], {"by": "frame"}, "by='frame' is not known, needs 'time' or 'movie'"),
        ([numbered(5, "short")], {}, "short has 5 frames, too few to keep some for validation"),
    ],
)
def test_mistakes_end_in_one_line(movies, arguments, message):
    with pytest.raises(InputError, match=message):
        split_movies(movies, **arguments)
