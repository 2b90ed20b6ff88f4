from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from decrappify.movie import FrameSource, Movie
from decrappify.noise.pixels.splitting import NoiseSplitter
from decrappify.noise.pixels.variance import MovieSplitter, excess_variance

OFFSET, GAIN = 100.0, 2.0


class CountedSource(FrameSource):
    """Planes of a movie, which are counted when they are read."""

    def __init__(self, movie):
        self.movie, self.shape, self.dtype, self.read_planes = movie, movie.shape, movie.dtype, 0

    def read(self, t, c, z, rows, columns):
        self.read_planes += 1
        return self.movie.region(t, c, z, rows, columns)


def movie_of(read_noise, n_frames=24, speed=0.0, side=128):
    """Return frames (T, Y, X) of spots on a background of 3 photons, with a read noise (Y, X) in gray levels."""
    rng = np.random.default_rng(0)
    spots = gaussian_filter((rng.random((side, side)) > 0.995).astype(float), 1.5) * 400
    light = np.stack([np.roll(spots, round(speed * t), 1) for t in range(n_frames)]) + 3
    return OFFSET + GAIN * rng.poisson(light) + rng.normal(0, 1, light.shape) * read_noise


def terms(read_noise):
    return NoiseSplitter(GAIN, float(np.square(read_noise).mean()) - GAIN * OFFSET)


def read_noise_map(side=128):
    return np.random.default_rng(1).lognormal(1.0, 0.5, (side, side))


@pytest.mark.parametrize("speed", [0.0, 1.0])
def test_excess_variance_is_that_of_the_read_noise_of_the_pixels(speed):
    read = read_noise_map()
    found = excess_variance(Movie.from_array(movie_of(read, 48, speed)), 0, terms(read))
    assert found is not None
    assert found.dtype == np.float32
    dim = gaussian_filter(movie_of(read, 48, speed).mean(0), 2) < OFFSET + 4 * GAIN
    true = np.square(read) - np.square(read).mean()
    assert np.corrcoef(found[dim], true[dim])[0, 1] > 0.85
    assert np.square(found - true)[dim].mean() < 0.35 * true[dim].var()


@pytest.mark.parametrize("speed", [0.0, 0.5, 2.0])
def test_equal_pixels_have_no_excess_whether_structure_moves_or_not(speed):
    read = np.full((128, 128), 3.0)
    assert excess_variance(Movie.from_array(movie_of(read, 48, speed)), 0, terms(read)) is None


def test_excess_variance_requires_frames_and_independent_noise():
    read = read_noise_map()
    assert excess_variance(Movie.from_array(movie_of(read, 11)), 0, terms(read)) is None
    correlated = NoiseSplitter(GAIN, -GAIN * OFFSET, (0.7, 0.7))
    assert excess_variance(Movie.from_array(movie_of(read, 24)), 0, correlated) is None


def test_excess_variance_of_a_long_stack_reads_some_runs_and_ignores_nan():
    read = read_noise_map(64)
    frames = np.stack([movie_of(read, 200, side=64)] * 2, axis=1)  # T, Z, Y, X
    frames[3, 1, 5, 5] = np.nan
    movie = Movie.from_array(frames, "TZYX")
    counted = CountedSource(movie)
    assert excess_variance(movie.derived(counted), 0, terms(read)) is not None
    assert counted.read_planes == 2 * 8 * 16 - 12  # the run with NaN ends with its fourth frame


def test_parts_of_a_region_use_its_pixels():
    excess = np.arange(12, dtype=np.float32).reshape(3, 4)
    splitter = MovieSplitter(NoiseSplitter(1.0, 0.0), excess)
    rows, columns = slice(1, 3), slice(0, 2)
    np.testing.assert_array_equal(splitter.part(rows, columns), [[4, 5], [8, 9]])
    np.testing.assert_array_equal(splitter.variance(np.full((2, 2), 10.0), rows, columns), [[14, 15], [18, 19]])
    assert MovieSplitter(NoiseSplitter(1.0, 0.0)).part(rows, columns) is None
