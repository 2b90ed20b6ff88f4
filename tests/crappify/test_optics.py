from __future__ import annotations

import numpy as np
import pytest
from scipy.special import j1

from decrappify.crappify import Airy, Blur, Crappifier


@pytest.fixture
def point() -> np.ndarray:
    image = np.zeros((129, 129), np.float32)
    image[64, 64] = 1
    return image


@pytest.mark.parametrize("sigma", [0.8, 2.0])
def test_blur_is_a_gaussian_that_keeps_the_light(point, rng, sigma):
    spot = Crappifier([Blur(sigma)])(point, rng)
    y = np.arange(129) - 64
    assert spot.sum() == pytest.approx(1, abs=1e-4)
    assert (spot.sum(1) * y**2).sum() == pytest.approx(sigma**2, rel=0.03)


def test_blur_of_zero_returns_its_input(point, rng):
    np.testing.assert_array_equal(Crappifier([Blur(0.0)])(point, rng), point)


def test_airy_is_the_airy_pattern(point, rng):
    spot = Crappifier([Airy(numerical_aperture=1.0, wavelength_um=0.5, pixel_size_um=0.05)])(point, rng)
    v = 2 * np.pi * 1.0 / 0.5 * 0.05 * np.arange(1, 20)
    np.testing.assert_allclose(spot[64, 65:84] / spot[64, 64], (2 * j1(v) / v) ** 2, atol=2e-3)
    assert spot.sum() == pytest.approx(1, abs=0.03)


def test_blur_keeps_flat_images_and_does_not_mix_frames(rng):
    window = np.stack([np.full((40, 41), level, np.float32) for level in (0.0, 1.0)])
    for part in (Blur(2.0), Airy()):
        np.testing.assert_allclose(Crappifier([part])(window, rng), window, atol=1e-5)
