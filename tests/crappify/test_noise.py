from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from decrappify.crappify import Crappifier, Gaussian, Poisson, PoissonGaussian, SaltAndPepper, Speckle
from decrappify.crappify.noise import poisson
from decrappify.errors import InputError

N = 400_000


def flat(level: float) -> np.ndarray:
    return np.full((1, 500, N // 500), level, np.float32)


@pytest.mark.parametrize("expected", [0.0, 0.02, 0.5, 3.9, 4.0, 9.0, 40.0, 1000.0, 1e5])
def test_poisson_has_the_moments_of_its_distribution(expected, rng):
    counts = poisson(flat(expected), rng).astype(np.float64)
    assert (counts == np.round(counts)).all()
    assert counts.min() >= 0
    assert counts.mean() == pytest.approx(expected, abs=5 * np.sqrt(expected / N))
    assert counts.var() == pytest.approx(expected, rel=0.02, abs=1e-9)


@pytest.mark.parametrize("expected", [0.7, 3.0, 4.0, 7.5, 25.0])
def test_poisson_counts_follow_the_probabilities(expected, rng):
    counts = poisson(flat(expected), rng).astype(int).ravel()
    found = np.bincount(counts)
    share = stats.poisson.pmf(np.arange(found.size), expected)
    frequent = share * N > 200
    assert np.abs(found[frequent] - share[frequent] * N).max() < 5.5 * np.sqrt(share.max() * N)


def test_poisson_draws_dim_and_bright_pixels_of_one_image(rng):
    expected = np.where(np.arange(N) % 2, np.float32(0.5), np.float32(60)).reshape(1, -1, 1000)
    counts = poisson(expected, rng)
    assert counts[expected < 1].var() == pytest.approx(0.5, rel=0.03)
    assert counts[expected > 1].var() == pytest.approx(60, rel=0.03)


@pytest.mark.parametrize("photons", [2.0, 20.0, 500.0])
@pytest.mark.parametrize("background", [0.0, 6.0])
def test_photon_noise_is_unbiased_and_its_variance_is_the_mean(photons, background, rng):
    noisy = Crappifier([Poisson(photons, background)])(flat(0.7), rng)
    electrons = 0.7 * photons + background
    assert noisy.mean(dtype=float) == pytest.approx(0.7, abs=5 * np.sqrt(electrons / N) / photons)
    assert noisy.var(dtype=float) == pytest.approx(electrons / photons**2, rel=0.02)


@pytest.mark.parametrize("gain", [0.5, 2.2])
@pytest.mark.parametrize("bit_depth", [None, 16])
def test_poisson_gaussian_adds_read_noise_and_rounding_without_bias(gain, bit_depth, rng):
    part = PoissonGaussian(30.0, read_noise=2.0, background=3.0, gain=gain, offset=100.0, bit_depth=bit_depth)
    noisy = Crappifier([part])(flat(0.4), rng)
    rounding = 0 if bit_depth is None else 1 / (12 * gain**2)
    variance = (0.4 * 30 + 3 + 2.0**2 + rounding) / 30**2
    assert noisy.mean(dtype=float) == pytest.approx(0.4, abs=5 * np.sqrt(variance / N))
    assert noisy.var(dtype=float) == pytest.approx(variance, rel=0.02)


def test_poisson_gaussian_rounds_and_clips_to_the_bit_depth(rng):
    part = PoissonGaussian(100.0, gain=1.0, offset=10.0, bit_depth=8)
    noisy = Crappifier([part])(flat(5.0), rng) * 100 + 10
    assert noisy.max() == pytest.approx(255)
    assert np.abs(noisy - np.round(noisy)).max() < 1e-3


def test_poisson_adds_no_noise_to_negative_light(rng):
    noisy = Crappifier([Poisson(50.0)])(flat(-0.1), rng)
    np.testing.assert_allclose(noisy, -0.1, rtol=1e-5)


def test_gaussian_noise_has_its_sigma(rng):
    noisy = Crappifier([Gaussian(0.2)])(flat(1.0), rng)
    assert noisy.mean(dtype=float) == pytest.approx(1, abs=0.002)
    assert noisy.std(dtype=float) == pytest.approx(0.2, rel=0.01)


def test_salt_and_pepper_replace_half_each(rng):
    noisy = Crappifier([SaltAndPepper(0.1, low=-1, high=2)])(flat(0.5), rng)
    assert np.mean(noisy == -1) == pytest.approx(0.05, abs=0.002)
    assert np.mean(noisy == 2) == pytest.approx(0.05, abs=0.002)
    assert np.mean(noisy == 0.5) == pytest.approx(0.9, abs=0.003)


def test_speckle_follows_the_local_brightness(rng):
    image = np.repeat(np.array([0.1, 0.9], np.float32), 300)[None, :] * np.ones((600, 1), np.float32)
    noise = Crappifier([Speckle(0.04, radius=3)])(image, rng) - image
    assert noise[:, :250].var() == pytest.approx(0.1 * 0.04, rel=0.03)
    assert noise[:, 350:].var() == pytest.approx(0.9 * 0.04, rel=0.03)


@pytest.mark.parametrize("bit_depth", [0, 33, 1.5, True])
def test_invalid_bit_depth_raises(bit_depth):
    with pytest.raises(InputError, match=r"bit_depth is .*, expected an integer from 1 to 32"):
        PoissonGaussian(bit_depth=bit_depth)
