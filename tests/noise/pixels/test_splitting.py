from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decrappify.crappify import CorrelatedNoise
from decrappify.errors import InputError
from decrappify.noise import Estimate, NoiseModel
from decrappify.noise.pixels.splitting import NoiseSplitter

SHAPE = (4, 96, 96)


def correlation(first, second):
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


@given(gain=st.floats(0.3, 8), photons=st.floats(1, 200), read_noise=st.floats(0, 6), share=st.floats(0.3, 0.9))
@settings(max_examples=20, deadline=None)
def test_parts_have_the_expectation_of_the_pixels_and_independent_noise(gain, photons, read_noise, share):
    rng = np.random.default_rng(1)
    offset = 100.0
    pixels = offset + gain * rng.poisson(photons, SHAPE) + rng.normal(0, read_noise, SHAPE)
    splitter = NoiseSplitter(gain, read_noise**2 - gain * offset)
    first, second = splitter.split(pixels, share, rng)
    np.testing.assert_allclose(share * first + (1 - share) * second, pixels, rtol=1e-9)
    error = 6 * pixels.std() / np.sqrt(min(share, 1 - share) * pixels.size)
    assert abs(first.mean() - pixels.mean()) < error
    assert abs(second.mean() - pixels.mean()) < error
    assert abs(correlation(first, second)) < 0.03
    assert first.var() == pytest.approx(pixels.var() / share, rel=0.1)


@pytest.mark.parametrize("photons", [0.02, 0.1, 0.5, 2.0])
@pytest.mark.parametrize("read_noise", [0.0, 0.1, 0.2, 0.4, 0.7, 1.5])  # photoelectrons
def test_parts_of_dim_pixels_are_independent(photons, read_noise):
    rng = np.random.default_rng(6)
    pixels = 100 + 3.0 * (rng.poisson(photons, (8, 96, 96)) + rng.normal(0, read_noise, (8, 96, 96)))
    first, second = NoiseSplitter(3.0, 9 * read_noise**2 - 300).split(pixels, 0.7, rng)
    covariance = np.mean((first - first.mean()) * (second - second.mean()))
    assert abs(covariance) < 0.06 * pixels.var()


def test_parts_of_dim_pixels_with_different_offsets_are_independent():
    rng = np.random.default_rng(7)
    pixels = rng.normal(100 + rng.normal(0, 5, (1, 96, 96)), 3.0, (8, 96, 96))
    noise = NoiseModel(gain=Estimate(3.0), intercept=Estimate(-300.0), background_sd=Estimate(3.0))
    shared = []
    for each in (noise, replace(noise, background_sd=Estimate(None))):
        first, second = NoiseSplitter.of(each).split(pixels, 0.5, rng)
        shared.append(np.mean((first - first.mean(0)) * (second - second.mean(0))))
    assert abs(shared[0]) < 0.5
    assert shared[1] > 1.5


def test_pixels_with_more_noise_are_split_into_independent_parts():
    rng = np.random.default_rng(8)
    read = rng.choice([1.0, 6.0], (96, 96))
    pixels = 100 + 2.0 * rng.poisson(4.0, (40, 96, 96)) + rng.normal(0, 1, (40, 96, 96)) * read
    splitter = NoiseSplitter(2.0, float(np.square(read).mean()) - 200)
    noisy = read > 1

    def shared(excess):
        first, second = splitter.split(pixels, 0.5, rng, excess)
        products = (first - first.mean(0)) * (second - second.mean(0))
        return products[:, noisy].mean(), products[:, ~noisy].mean()

    assert np.abs(shared(np.square(read) - np.square(read).mean())).max() < 1.5
    assert min(np.abs(shared(None))) > 12


def test_wrong_gain_leaves_dependent_parts():
    rng = np.random.default_rng(2)
    pixels = 2.0 * rng.poisson(50, SHAPE)
    first, second = NoiseSplitter(4.0, 0.0).split(pixels, 0.5, rng)
    assert correlation(first, second) < -0.1


def test_correlated_noise_is_independent_between_the_parts_also_of_neighbors():
    rng = np.random.default_rng(3)
    part = CorrelatedNoise(photons=200.0, read_noise=2.0, sigma=0.7)
    pixels = np.asarray(part.apply(np.ones(SHAPE, np.float32), rng, np.arange(4)), np.float64)
    noise = NoiseModel(
        gain=Estimate(1 / 200), intercept=Estimate(4 / 200**2), correlation_y=_lags(0.58), correlation_x=_lags(0.58)
    )
    first, second = NoiseSplitter.of(noise).split(pixels, 0.7, rng)
    white_first, white_second = NoiseSplitter(1 / 200, 4 / 200**2).split(pixels, 0.7, rng)
    assert abs(correlation(first[..., 1:], second[..., :-1])) < 0.04
    assert correlation(white_first[..., 1:], white_second[..., :-1]) > 0.2


def test_noise_without_a_gain_is_split_with_equal_variance():
    rng = np.random.default_rng(4)
    pixels = rng.normal(50, 3, SHAPE)
    noise = NoiseModel(gain=Estimate(None, note="flat"), noise_sd=Estimate(3.0))
    first, second = NoiseSplitter.of(noise).split(pixels, 0.6, rng)
    assert abs(correlation(first, second)) < 0.03


def test_bright_pixels_beyond_the_range_of_counts_are_split():
    rng = np.random.default_rng(5)
    pixels = rng.normal(1e12, 1e6, SHAPE)
    first, second = NoiseSplitter(1.0, 0.0).split(pixels, 0.5, rng)
    assert abs(correlation(first, second)) < 0.03


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0])
def test_impossible_share_is_an_error(share):
    with pytest.raises(InputError, match="share of the light between 0 and 1"):
        NoiseSplitter(1.0, 0.0).split(np.ones((4, 4)), share, np.random.default_rng(0))


def test_noise_that_is_not_determined_is_an_error():
    with pytest.raises(InputError, match=r"the noise of the movie is not determined: dark"):
        NoiseSplitter.of(NoiseModel(gain=Estimate(None, note="dark"), noise_sd=Estimate(None)))
    with pytest.raises(InputError, match="expected noise above 0"):
        NoiseSplitter(0.0, 0.0)


def _lags(first):
    return (Estimate(1.0), Estimate(first), Estimate(first**4), Estimate(0.0), Estimate(0.0))


@pytest.mark.parametrize(("light", "read"), [(0.0, 1.0), (0.3, 1.0), (2.0, 1.0), (2.0, 3.0), (30.0, 2.0)])
def test_parts_of_dim_pixels_with_read_noise_are_independent_also_in_the_tails(light, read):
    rng = np.random.default_rng(9)
    pixels = 100 + 2.0 * (rng.poisson(light, (12, 128, 128)) + rng.normal(0, read, (12, 128, 128)))
    splitter = NoiseSplitter(2.0, 4 * read**2 - 200, read_variance=4 * read**2)
    first, second = splitter.split(pixels, 0.5, rng)
    sd = np.sqrt(8 * (light + read**2))  # of a part
    for tail in (first < first.mean() - 1.5 * sd, first > first.mean() + 1.5 * sd):
        assert abs(second[tail].mean() - second.mean()) < 0.15 * sd
    assert abs(correlation(first, second)) < 0.03
