from __future__ import annotations

import numpy as np
import pytest

from decrappify.movie import Movie
from decrappify.noise.pixels.read_noise import read_variance
from decrappify.noise.pixels.splitting import NoiseSplitter

GAIN, OFFSET = 2.0, 100.0


def measured(light, read, shape=(6, 128, 128)):
    """Return the read variance in squared photoelectrons that is found with a background of `light` photons."""
    rng = np.random.default_rng(0)
    photons = np.tile(light + 30 * (np.arange(shape[-1]) >= 96), (*shape[:-1], 1))
    pixels = OFFSET + GAIN * (rng.poisson(photons) + read * rng.standard_normal(shape))
    terms = NoiseSplitter(GAIN, (GAIN * read) ** 2 - GAIN * OFFSET)
    return read_variance(Movie.from_array(pixels), 0, terms) / GAIN**2


@pytest.mark.parametrize(("light", "read"), [(0.0, 1.0), (0.1, 1.5), (1.0, 1.0), (2.0, 2.0), (0.5, 0.7)])
def test_read_variance_is_about_that_of_the_camera(light, read):
    assert measured(light, read) == pytest.approx(read**2, rel=0.4)


@pytest.mark.parametrize("light", [0.3, 1.0, 4.0, 50.0])
def test_photons_alone_have_no_read_variance(light):
    assert measured(light, 0.1) == 0


def test_read_variance_requires_a_gain_and_finite_dim_pixels():
    pixels = np.full((2, 64, 64), np.nan)
    assert read_variance(Movie.from_array(pixels), 0, NoiseSplitter(GAIN, -GAIN * OFFSET)) == 0
    assert read_variance(Movie.from_array(np.zeros((2, 64, 64))), 0, NoiseSplitter(0.0, 9.0)) == 0
    assert read_variance(Movie.from_array(np.zeros((2, 64, 64))), 0, NoiseSplitter(1.0, 9.0, (0.7, 0.7))) == 0
