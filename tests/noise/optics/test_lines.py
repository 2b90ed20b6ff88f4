from __future__ import annotations

import numpy as np
import pytest
from tests.noise.specimens import record, spots

from decrappify.crappify import LineJitter
from decrappify.noise import Estimate, NoiseModel
from decrappify.noise.optics.lines import measure_lines
from decrappify.noise.optics.measure import measure_optics


def scan(sigma: float, bidirectional: float = 0.0, photons: float = 200.0) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    part = LineJitter(sigma=sigma, bidirectional=bidirectional)
    return [record(part.apply(spots(seed, sigma=1.5), rng, np.arange(1)), photons, seed)[0] for seed in range(4)]


@pytest.mark.parametrize("sigma", [0.3, 0.6])
def test_line_jitter_is_recovered_within_20_percent(sigma):
    jitter, offset = measure_lines(scan(sigma))
    assert jitter.value == pytest.approx(sigma, rel=0.2)
    assert abs(jitter.value - sigma) < 3 * jitter.error
    assert offset.value is None


@pytest.mark.parametrize("expected", [-0.4, 0.4])
def test_bidirectional_offset_is_recovered_with_its_sign(expected):
    jitter, offset = measure_lines(scan(0.3, expected))
    assert offset.value == pytest.approx(expected, abs=0.08)
    assert jitter.value == pytest.approx(0.3, rel=0.2)


@pytest.mark.parametrize("photons", [20.0, 200.0])
def test_lines_have_no_values_for_images_of_a_camera(photons):
    jitter, offset = measure_lines(scan(0.0, photons=photons))
    assert jitter.value is None
    assert offset.value is None
    assert "not detected; below 0." in offset.note


def test_large_line_jitter_is_not_valid():
    jitter = measure_lines(scan(1.2)[:2])[0]
    assert 0.7 < jitter.value < 1.3
    assert not jitter.valid
    assert "underestimated" in jitter.note


def test_lines_have_no_values_for_noise_and_small_images():
    noise = record(np.full((2, 192, 192), 0.2))
    assert [one.value for one in measure_lines(list(noise))] == [None, None]
    small = measure_lines([record(spots(0, 100))[0]])
    assert "at least 128 pixels" in small[0].note


def test_lines_are_not_measured_if_the_noise_of_neighboring_rows_is_correlated():
    noise = NoiseModel(correlation_y=tuple(Estimate(value) for value in (1.0, 0.4, 0.1, 0.0, 0.0)))
    optics = measure_optics([np.stack(scan(0.6))], noise, None)
    assert optics.line_jitter.value is None
    assert "hides their shifts" in optics.line_jitter.note
