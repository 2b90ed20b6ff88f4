from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.optimize import minimize

from decrappify.errors import InputError
from decrappify.metrics.baselines import best_gaussian, best_gaussian_of_window, best_gaussian_of_windows
from decrappify.metrics.fidelity import psnr, si_psnr


def test_best_gaussian_equals_the_numerical_optimum(scene, rng):
    source = scene + rng.normal(0, 0.2, scene.shape)
    best = best_gaussian(source, scene)

    def loss(sigmas):
        space, time = np.abs(sigmas)
        return -psnr(gaussian_filter(source, (time, space, space)), scene)

    optimum = minimize(loss, [1.5, 0.7], method="Nelder-Mead", options={"maxiter": 60})
    assert best.psnr == pytest.approx(-optimum.fun, abs=0.05)
    assert best.psnr == psnr(best.restored, scene) > psnr(source, scene) + 5


def test_best_gaussian_averages_static_scenes_over_time(scene, rng):
    still = np.repeat(scene[:1], 12, axis=0)
    noise = rng.normal(0, 0.1, scene.shape)
    fast = scene[:, :, ::-1].copy()
    fast[::2] = scene[::2]
    assert best_gaussian(still + noise, still).sigma_time > 2.5
    assert best_gaussian(fast + noise, fast).sigma_time < 0.5


def test_best_gaussian_keeps_a_clean_source(scene):
    best = best_gaussian(scene.astype(np.float32), scene.astype(np.float32))
    assert (best.sigma_space, best.sigma_time, best.psnr) == (0, 0, np.inf)
    assert best.restored.dtype == np.float64


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_best_gaussian_filters_a_single_frame_in_space_only(scene, rng, dtype):
    reference = (150 * scene[0] + 50).astype(dtype)
    source = rng.poisson(reference).astype(dtype)
    best = best_gaussian(source, reference, data_range=200)
    assert best.sigma_time == 0
    assert best.restored.shape == reference.shape
    assert best.psnr == psnr(best.restored, reference, data_range=200) > psnr(source, reference, data_range=200)


def test_best_gaussian_rejects_invalid_input(scene):
    broken = scene.copy()
    broken[5] = np.nan
    with pytest.raises(InputError, match=r"source has shape .* and reference has"):
        best_gaussian(scene[1:], scene)
    with pytest.raises(InputError, match="frame 5 of source contains NaN"):
        best_gaussian(broken, scene)
    with pytest.raises(InputError, match="reference is constant"):
        best_gaussian(scene, np.zeros_like(scene))


def test_best_gaussian_fits_gray_levels_on_request(scene, rng):
    noisy = scene + rng.normal(0, 0.1, scene.shape)
    same, other = best_gaussian(noisy, scene, fit_levels=True), best_gaussian(noisy / 30 + 4, scene, fit_levels=True)
    assert other[:2] == pytest.approx(same[:2])
    assert other.psnr == pytest.approx(same.psnr) == si_psnr(same.restored, scene)
    assert same.psnr >= best_gaussian(noisy, scene).psnr - 0.01


def test_best_gaussian_of_windows_equals_the_search_on_one_window_and_finds_common_widths(rng):
    cells = gaussian_filter(rng.random((3, 40, 40)), (0, 2, 2))
    windows = cells[:, None] + rng.normal(0, 0.05, (3, 5, 40, 40))
    alone = best_gaussian_of_window(windows[0], cells[0])
    same = best_gaussian_of_windows(windows[:1], cells[:1])
    assert alone[:2] == same[:2]
    np.testing.assert_allclose(alone.restored, same.restored[0])
    every = best_gaussian_of_windows(windows, cells)
    assert every.restored.shape == (3, 40, 40)
    assert every.sigma_time > 1
    np.testing.assert_allclose(  # each window is filtered within itself
        every.restored[1], gaussian_filter(windows[1], (every.sigma_time, every.sigma_space, every.sigma_space))[2]
    )
