"""Labels of planes: false alarms on noise, planted and erased spots, structure below the detection limit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from decrappify.noise import Estimate, NoiseModel
from decrappify.trust import Label, PlaneNoise, evaluate_plane, plane_noise

GAIN, OFFSET, READ = 2.0, 100.0, 1.6
NOISE = PlaneNoise(
    gain=GAIN, intercept=(READ * GAIN) ** 2 - GAIN * OFFSET, read_variance=((READ * GAIN) ** 2, (READ * GAIN) ** 2)
)
PLACES = [(20, 30), (60, 90), (100, 50), (90, 12)]


def scene(photons=5.0, side=128):
    """Return a gray ramp around a photon count."""
    return OFFSET + GAIN * photons * np.tile(np.linspace(0.5, 1.5, side, dtype=np.float32), (side, 1))


def expose(expected, seed=0):
    rng = np.random.default_rng(seed)
    electrons = rng.poisson((expected - OFFSET) / GAIN) + READ * rng.standard_normal(expected.shape)
    return np.rint(electrons * GAIN + OFFSET)


def spots(peak, side=128, sigma=1.3):
    image = np.zeros((side, side), np.float32)
    image[tuple(np.transpose(PLACES))] = 2 * np.pi * sigma**2
    return GAIN * peak * gaussian_filter(image, sigma)


def texture(expected):
    """Return a pattern with a period of 2 pixels and the strength of the noise."""
    return (-1.0) ** np.indices(expected.shape).sum(0) * np.sqrt(NOISE.variance(expected))


def contradicted(trust):
    return [bool(trust.labels[place] == Label.CONTRADICTED) for place in PLACES]


@pytest.mark.parametrize("photons", [0.3, 5.0, 500.0])
def test_evaluate_plane_contradicts_no_correct_result(photons):
    expected = scene(photons)
    found = [evaluate_plane(expose(expected, seed), expected, NOISE).labels for seed in range(8)]
    regions = np.array(found).reshape(8, 8, 16, 8, 16) == Label.CONTRADICTED
    assert np.mean(regions.any((2, 4))) < 0.01


def test_evaluate_plane_contradicts_spots_that_only_the_result_shows():
    expected = scene()
    assert all(contradicted(evaluate_plane(expose(expected), expected + spots(12), NOISE)))


def test_evaluate_plane_contradicts_spots_that_only_the_data_show():
    expected = scene()
    trust = evaluate_plane(expose(expected + spots(16)), expected, NOISE)
    assert all(contradicted(trust))
    assert trust.score[PLACES[0]] > 5


def test_evaluate_plane_labels_true_spots_by_the_detection_limit():
    expected = scene()
    for peak, label in ((60.0, Label.CONFIRMED), (6.0, Label.UNTESTABLE)):
        result = expected + spots(peak)
        trust = evaluate_plane(expose(result), result, NOISE)
        assert [trust.labels[place] for place in PLACES] == [label] * 4
        assert (trust.limit[PLACES[0]] < peak) == (label == Label.CONFIRMED)


def test_detection_limit_is_detected_with_the_stated_power():
    expected = scene()
    limit = evaluate_plane(expose(expected), expected, NOISE).limit
    found = []
    for seed in range(25):
        light = sum(spots(1.0, sigma=1.0) * limit[place] for place in PLACES[:1])
        found += contradicted(evaluate_plane(expose(expected + light, seed), expected, NOISE))
    assert np.mean(found) > 0.88  # 0.95 with a standard error of 0.02


@pytest.mark.parametrize("correlated", [False, True])
def test_evaluate_plane_contradicts_texture_that_only_the_result_shows(correlated):
    expected, rng = scene(20.0), np.random.default_rng(2)
    noise, sd = NOISE, np.sqrt(NOISE.variance(expected))
    data = expose(expected)
    if correlated:
        field = gaussian_filter(rng.standard_normal(expected.shape), 0.6, mode="wrap")
        data = expected + field / field.std() * sd
        lags = np.exp(-(np.arange(-4, 5) ** 2) / (4 * 0.6**2))
        noise = replace(NOISE, correlation=np.outer(lags, lags))
    for strength, label in ((0.05, Label.CONFIRMED), (0.5, Label.CONTRADICTED)):
        labels = evaluate_plane(data, expected + strength * texture(expected), noise).labels
        assert np.mean(labels == label) > 0.9


@pytest.mark.parametrize(("strength", "label"), [(1.0, Label.CONFIRMED), (0.3, Label.UNTESTABLE)])
def test_evaluate_plane_confirms_strong_texture_of_the_data(strength, label):
    result = scene(60.0) + strength * texture(scene(60.0))
    assert np.mean(evaluate_plane(expose(result), result, NOISE).labels == label) > 0.9


def test_evaluate_plane_with_correlated_noise_needs_its_correlation():
    rng = np.random.default_rng(0)
    expected = scene(20.0)
    field = gaussian_filter(rng.standard_normal(expected.shape), 0.8, mode="wrap")
    data = expected + field / field.std() * np.sqrt(NOISE.variance(expected))
    lags = tuple(Estimate(float(np.exp(-(lag**2) / (4 * 0.8**2)))) for lag in range(5))
    model = NoiseModel(
        gain=Estimate(GAIN),
        intercept=Estimate(NOISE.intercept),
        correlation_y=lags,
        correlation_x=lags,
        levels=(100, 200),
    )
    labels = evaluate_plane(data, expected, plane_noise(model, "cells")).labels
    assert not np.any(labels == Label.CONTRADICTED)
    white = evaluate_plane(data, expected, NOISE).labels
    assert np.mean(white == Label.CONTRADICTED) > 0.02


def test_evaluate_plane_with_noisy_pixels_needs_their_variance():
    rng = np.random.default_rng(3)
    expected = scene(20.0)
    sd = np.where(rng.random(expected.shape) < 0.01, 60.0, 0.0)
    data = expected + rng.standard_normal(expected.shape) * np.hypot(np.sqrt(NOISE.variance(expected)), sd)
    known = evaluate_plane(data, expected, replace(NOISE, excess=np.square(sd).astype(np.float32)))
    assert np.mean(known.labels == Label.CONTRADICTED) < 0.001
    assert known.limit[sd > 0].mean() > 1.5 * known.limit[sd == 0].mean()
    assert np.mean(evaluate_plane(data, expected, NOISE).labels == Label.CONTRADICTED) > 0.02


def test_plane_noise_has_at_least_the_noise_of_the_background():
    model = NoiseModel(gain=Estimate(2.0), intercept=Estimate(-230.0), background_sd=Estimate(4.0), levels=(100, 200))
    noise = plane_noise(model, "cells")
    np.testing.assert_allclose(noise.variance(np.array([100.0, 150.0])), [16, 70])
    assert noise.read_variance == (0.0, 16.0)


def test_evaluate_plane_accepts_errors_within_the_tolerance():
    expected = scene(5000.0)
    data = expose(expected)
    assert not np.any(evaluate_plane(data, (expected - OFFSET) * 1.01 + OFFSET, NOISE).labels == Label.CONTRADICTED)
    assert np.mean(evaluate_plane(data, (expected - OFFSET) * 1.1 + OFFSET, NOISE).labels == Label.CONTRADICTED) > 0.9


def test_evaluate_plane_does_not_evaluate_faulty_pixels():
    expected = scene()
    data, result = expose(expected), expected.copy()
    data[40, 40], data[80, 80] = np.nan, 60000
    hot = np.zeros(data.shape, bool)
    hot[80, 80] = True
    labels = evaluate_plane(data, result, NOISE, excluded=hot).labels
    assert labels[40, 40] == 0
    assert labels[80, 80] == Label.UNTESTABLE
    assert not np.any(labels == Label.CONTRADICTED)
    assert evaluate_plane(data, result, NOISE).labels[80, 80] == Label.CONTRADICTED
