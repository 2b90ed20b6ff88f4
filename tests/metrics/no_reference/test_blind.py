from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import convolve, gaussian_filter

from decrappify.errors import InputError
from decrappify.metrics.no_reference.blind import noise_sigma, residual_autocorrelation


def test_noise_sigma_equals_immerkaer(rng):
    image = rng.normal(size=(20, 30))
    kernel = np.outer([1, -2, 1], [1, -2, 1]) / 6
    assert np.sum(kernel**2) == pytest.approx(1)
    expected = np.sqrt(np.pi / 2) * np.abs(convolve(image, kernel)[1:-1, 1:-1]).mean()
    assert noise_sigma(image) == pytest.approx(expected)


@pytest.mark.parametrize("sigma", [0.0, 0.5, 20.0])
def test_noise_sigma_ignores_a_plane(rng, sigma):
    y, x = np.mgrid[:128, :128]
    movie = 3.0 * y + 2 * x + rng.normal(0, sigma, (4, 128, 128))
    assert noise_sigma(movie) == pytest.approx(sigma, rel=0.02, abs=1e-9)


def test_residual_autocorrelation_of_a_perfect_restoration_is_zero(scene, rng):
    source = scene + rng.normal(0, 0.05, scene.shape)
    assert residual_autocorrelation(source, scene) == pytest.approx(0, abs=0.02)
    assert residual_autocorrelation(source, gaussian_filter(scene, (0, 2, 2))) > 0.2
    assert residual_autocorrelation(source, gaussian_filter(source, (0, 0.6, 0.6))) < -0.05


def test_residual_autocorrelation_is_the_mean_over_both_axes(rng):
    residual = rng.normal(size=(1, 40, 60))
    residual[..., 1:] += 0.5 * residual[..., :-1]
    e = residual[0] - residual.mean()
    expected = ((e[1:] * e[:-1]).mean() + (e[:, 1:] * e[:, :-1]).mean()) / 2 / (e**2).mean()
    assert residual_autocorrelation(residual + 7, np.full_like(residual, 3)) == pytest.approx(expected)


def test_blind_metrics_reject_invalid_input(scene):
    with pytest.raises(InputError, match="source and restored are equal up to an offset"):
        residual_autocorrelation(scene, scene)
    with pytest.raises(InputError, match=r"source has shape .* and restored has"):
        residual_autocorrelation(scene, scene[1:])
    with pytest.raises(InputError, match="frames are 1 × 64 pixels, an autocorrelation needs at least 2 × 2"):
        residual_autocorrelation(scene[:, :1], scene[:, :1])
    with pytest.raises(InputError, match="a noise estimate needs at least 3 × 3"):
        noise_sigma(scene[:, :2])
    with pytest.raises(InputError, match="frame 0 of movie contains NaN"):
        noise_sigma(scene * np.nan)
