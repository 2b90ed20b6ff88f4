"""Drawing of measured pixels from expected ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from decrappify.noise import Estimate, NoiseModel
from decrappify.noise.pixels.drawing import NoiseDrawer

LAGS = tuple(Estimate(value) for value in (1.0, 0.58, 0.11, 0.0, 0.0))
NOISE = NoiseModel(gain=Estimate(2.0), intercept=Estimate(-180.0), levels=(100, 300))
PLANE = np.repeat(np.linspace(104, 300, 4), 64)[:, None] * np.ones(256)


@pytest.mark.parametrize("noise", [NOISE, replace(NOISE, correlation_y=LAGS, correlation_x=LAGS)])
def test_drawn_noise_has_the_variance_and_correlation_of_the_model(noise, rng):
    residual = NoiseDrawer.of(noise).draw(PLANE, rng, np.float32) - PLANE
    bands = residual.reshape(4, 64, 256)
    np.testing.assert_allclose(bands.var((1, 2)), 2.0 * PLANE[::64, 0] - 180, rtol=0.08)
    np.testing.assert_allclose(bands.mean((1, 2)), 0, atol=0.7)
    neighbors = np.corrcoef(bands[..., 1:].ravel(), bands[..., :-1].ravel())[0, 1]
    assert neighbors == pytest.approx(noise.correlation_x[1].value or 0.0, abs=0.04)


def test_drawn_noise_has_the_excess_of_the_pixels(rng):
    excess = np.where(np.arange(256) < 128, 100.0, 0.0) * np.ones((256, 1))
    drawer = replace(NoiseDrawer.of(replace(NOISE, background_sd=Estimate(20.0))), excess=excess)
    residual = drawer.draw(PLANE, rng, np.float32) - PLANE
    variances = [half[:64].var() for half in (residual[:, :128], residual[:, 128:])]
    np.testing.assert_allclose(variances, [500, 400], rtol=0.06)


def test_drawn_noise_contains_offsets_of_rows_and_saturates(rng):
    noise = replace(NOISE, row_noise=Estimate(30.0), saturation=Estimate(320.0))
    drawn = NoiseDrawer.of(noise).draw(PLANE[:, :128], rng, np.uint16)
    assert drawn.dtype == np.uint16
    assert drawn.max() == 320
    rows = drawn[:64].astype(float).mean(1)
    assert 20 < rows.std() < 40


def test_drawn_noise_keeps_nan_in_floats_only(rng):
    plane = np.where(np.arange(8) == 3, np.nan, 200.0) * np.ones((8, 1))
    drawer = NoiseDrawer.of(NOISE)
    assert np.isnan(drawer.draw(plane, rng, np.float32)[:, 3]).all()
    assert not drawer.draw(plane, rng, np.uint16)[:, 3].any()
