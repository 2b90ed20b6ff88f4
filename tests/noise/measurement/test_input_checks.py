"""Checks of dark frames and good images."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from tests.noise.specimens import record, spots

from decrappify.errors import InputError
from decrappify.movie import Movie
from decrappify.noise import calibrate
from decrappify.noise.estimate import Estimate
from decrappify.noise.measurement.dark import Dark
from decrappify.noise.measurement.input_checks import check_dark_level, hint_at_slices


@pytest.fixture
def movie():
    return record(np.repeat(spots(0, side=64), 6, axis=0))


def test_calibrate_raises_for_the_movie_as_dark_frames_or_good_images(movie):
    with pytest.raises(InputError, match=r"dark is .*, which has the same pixels as the movie .*; expected frames rec"):
        calibrate(movie, dark=movie.copy())
    with pytest.raises(InputError, match=r"high is .*same pixels.*; expected good images"):
        calibrate(movie, high=[movie[:3], movie])


def test_calibrate_raises_for_dark_frames_with_light(movie, rng):
    lit = rng.normal(np.median(movie) + 40, 3, movie.shape).round().astype(np.uint16)
    with pytest.raises(InputError, match=r"dark is .*, whose mean gray level .* is above the median"):
        calibrate(movie, dark=lit)


def test_calibrate_warns_of_dark_frames_of_another_size(movie, rng):
    dark = rng.normal(100, 3, (4, 96, 96)).round().astype(np.uint16)
    with pytest.warns(UserWarning, match=r"have 96 x 96 pixels \(Y, X\), the movie .* 64 x 64: .* valid only if"):
        assert calibrate(movie, dark=dark).noise.offset.value == pytest.approx(100, abs=0.1)


def test_calibrate_hints_at_slices_that_may_be_frames(movie):
    with pytest.warns(UserWarning, match="6 slices of .* single images; if they are frames, open it with axes='TYX'"):
        assert calibrate(Movie.from_array(movie, axes="ZYX")).noise.hot_pixels.value is None


def test_hint_at_slices_is_omitted_for_slices_with_a_known_distance(movie):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hint_at_slices(Movie.from_array(movie, axes="ZYX", pixel_size_um=(0.3, 0.1, 0.1)))
        hint_at_slices(Movie.from_array(movie, axes="ZYX", unitless_spacing={"Z": 2.0}))


def test_check_dark_level_warns_of_dark_frames_brighter_than_the_background():
    check_dark_level("dark", Dark(offset=Estimate(102.0)), median=150.0, darkest=100.0, noise_sd=3.0)
    with pytest.warns(UserWarning, match=r"\(mean gray level 104\) are brighter than the background"):
        check_dark_level("dark", Dark(offset=Estimate(104.0)), median=150.0, darkest=100.0, noise_sd=3.0)


def test_calibrate_warns_of_dark_frames_with_more_noise_than_the_movie(movie, rng):
    dark = rng.normal(100, 40, movie.shape).clip(0).round().astype(np.uint16)
    with pytest.warns(UserWarning, match=r"have more noise \(standard deviation .*\) than the movie \(.*\): check"):
        calibrate(movie, dark=dark)
