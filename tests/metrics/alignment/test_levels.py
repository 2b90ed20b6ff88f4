from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from decrappify.metrics.alignment.levels import level_fit
from decrappify.metrics.fidelity import affine_fit


@pytest.fixture(scope="module")
def scene() -> np.ndarray:
    rng = np.random.default_rng(4)
    points = np.zeros((128, 144))
    points[rng.integers(0, 128, 200), rng.integers(0, 144, 200)] = 1
    smooth = gaussian_filter(points, 2) + gaussian_filter(points, 8)
    return 1000 * smooth / smooth.max() + 50


def test_level_fit_is_not_changed_by_noise_in_the_source(scene, rng):
    noisy = scene / 1.55 + 20 + rng.normal(0, 200, scene.shape)
    fit = level_fit(noisy, scene)
    assert fit.slope == pytest.approx(1.55, rel=0.05)
    assert fit.intercept == pytest.approx(-31, abs=20)
    assert fit.differs
    assert affine_fit(noisy, scene).slope < 1, "a fit of single pixels is lowered by the noise"


@pytest.mark.parametrize(
    ("gain", "offset", "differs"), [(1, 0, False), (1.03, 0, False), (1, 60, True), (0.6, 0, True)]
)
def test_level_fit_differs_by_slope_or_offset(scene, rng, gain, offset, differs):
    for photons in (1, 10):
        noisy = rng.poisson(scene / 100 * photons) / photons * 100
        assert level_fit(noisy * gain + offset, scene).differs is differs


def test_level_fit_of_unrelated_or_constant_images(scene, rng):
    found = level_fit(scene[::-1, ::-1] * 3, scene)
    assert found is None or not found.differs
    assert level_fit(np.ones_like(scene), scene) is None
    assert level_fit(scene, np.ones_like(scene)) is None
