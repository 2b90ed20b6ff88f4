"""Variance of filtered noise, and the normal scores of its tails."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from decrappify.noise import Estimate, NoiseModel
from decrappify.trust import PlaneNoise, plane_noise
from decrappify.trust.consistency import deviation, residual_of, scores
from decrappify.trust.filters import matched_filter

NOISE = PlaneNoise(gain=2.0, intercept=-200.0)


@pytest.mark.parametrize("sigma", [1.0, 2.5])
def test_sum_of_variances_is_exact_at_the_border_and_inside(sigma):
    each, side = matched_filter(sigma), 22
    impulses = np.eye(side**2, dtype=np.float32).reshape(-1, side, side)
    expected = sum(np.square(each.smooth(impulse)) for impulse in impulses)
    np.testing.assert_allclose(each.sum_of_variances(np.ones((side, side), np.float32)), expected, rtol=1e-4)


@pytest.mark.parametrize("photons", [1.0, 5.0, 100.0])
def test_scores_of_photon_noise_have_the_tails_of_a_normal_distribution(photons):
    expected = np.full((512, 512), 100 + 2 * photons, np.float32)
    measured = 100 + 2 * np.random.default_rng(0).poisson(photons, expected.shape)
    everywhere = np.ones(expected.shape, bool)
    residual = residual_of(measured, expected, NOISE, everywhere)
    for sigma in (1.0, 2.0):
        each = matched_filter(sigma)
        noise = replace(deviation(each, NOISE.variance(expected), NOISE), tolerance=np.float32(0))
        score = scores(each, residual, noise)
        for sign in (1, -1):  # 0.00135; without the correction of the skewness 0.0045 and 0.0001 at 1 photon
            assert 0.0004 < np.mean(sign * score > 3) < 0.0019


def test_residual_of_subtracts_the_offsets_of_rows():
    measured = np.tile(np.arange(8.0)[:, None], (1, 16))
    noise = PlaneNoise(gain=2.0, intercept=-200.0, has_row_noise=True)
    everywhere = np.ones(measured.shape, bool)
    assert not residual_of(measured, np.zeros_like(measured), noise, everywhere).any()


def test_plane_noise_keeps_significant_correlation_up_to_the_first_gap():
    along_y = tuple(Estimate(value, 0.01) for value in (1.0, 0.4, 0.1, 0.01, 0.3))
    white = tuple(Estimate(value, 0.02) for value in (1.0, 0.04, 0.04, 0.0, 0.0))
    model = NoiseModel(gain=Estimate(2.0), intercept=Estimate(0.0), correlation_y=along_y, correlation_x=white)
    kept = plane_noise(model, "cells").correlation
    np.testing.assert_allclose(kept[:, 4], [0, 0, 0.1, 0.4, 1, 0.4, 0.1, 0, 0])
    np.testing.assert_allclose(kept[4], np.eye(9)[4])
    both_white = NoiseModel(gain=Estimate(2.0), intercept=Estimate(0.0), correlation_y=white, correlation_x=white)
    assert plane_noise(both_white, "cells").correlation is None
