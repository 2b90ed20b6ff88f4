from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from decrappify.errors import InputError
from decrappify.metrics.blind import residual_autocorrelation
from decrappify.metrics.held_out import correlated_halves, held_out_error, held_out_gain_db
from decrappify.metrics.resolution import binomial_halves


@pytest.fixture
def clean(rng):
    """Blurred spots of 20 to 300 photons (192, 192)."""
    return 20 + 8000 * gaussian_filter((rng.random((192, 192)) > 0.99).astype(np.float64), 2)


def _correlated_noise(clean, gain, rng):
    white = gaussian_filter(rng.normal(size=clean.shape), 0.7, mode="wrap")
    return white / white.std() * np.sqrt(gain * clean)


def test_held_out_error_equals_the_error_against_the_reference(clean, rng):
    one, two = binomial_halves(rng.poisson(clean), rng, gain=1.0)
    for sigma in (0.0, 0.7, 1.5, 5.0):
        restored = gaussian_filter(one, sigma) if sigma else one
        expected = np.mean((restored - clean / 2) ** 2)
        assert held_out_error(restored, one, two) == pytest.approx(expected, rel=0.05, abs=0.02 * clean.mean() / 2)


def test_held_out_error_shows_invented_structure_that_whiteness_does_not(clean, rng):
    noisy = rng.poisson(clean).astype(np.float64)
    one, two = binomial_halves(noisy, rng, gain=1.0)
    spots = np.zeros(clean.shape)
    spots[rng.integers(8, 184, 12), rng.integers(8, 184, 12)] = 200
    spots = gaussian_filter(spots, 1.2)
    assert abs(residual_autocorrelation(noisy, clean + spots)) < 0.05
    right, invented = (held_out_error(image / 2, one, two) for image in (clean, clean + spots))
    assert invented == pytest.approx(right + np.mean(spots**2) / 4, abs=1.0)
    assert invented > right


def test_held_out_error_averages_a_finer_restoration_in_blocks(clean, rng):
    one, two = binomial_halves(rng.poisson(clean), rng, gain=1.0)
    finer = np.kron(one, np.ones((2, 2)))
    assert held_out_error(finer, one, two) == pytest.approx(held_out_error(one, one, two))


@pytest.mark.parametrize(("width", "is_shared"), [(0.7, False), (0.0, True)])
def test_correlated_halves_are_independent_only_with_the_width_of_the_noise(clean, rng, width, is_shared):
    gain, offset = 2.0, 50.0
    source = offset + clean + _correlated_noise(clean, gain, rng)
    one, two = correlated_halves(source, rng, gain=gain, offset=offset, noise_width=width)
    assert (one - offset) + (two - offset) == pytest.approx(source - offset)
    first, second = (half - offset - clean / 2 for half in (one, two))
    assert first.var() == pytest.approx(gain * clean.mean() / 2, rel=0.1)
    shared = np.corrcoef(gaussian_filter(first, 1).ravel(), gaussian_filter(second, 1).ravel())[0, 1]
    assert (shared > 0.3) == is_shared
    assert abs(shared) < 0.1 or is_shared


def test_held_out_gain_compares_two_errors():
    assert held_out_gain_db(1.0, 10.0) == pytest.approx(10)
    assert held_out_gain_db(0.0, 10.0) == math.inf
    assert math.isnan(held_out_gain_db(1.0, 0.0))


def test_held_out_functions_reject_invalid_input(clean, rng):
    with pytest.raises(InputError, match="noise_width is -1, expected a sigma of at least 0 pixels"):
        correlated_halves(clean, rng, gain=1.0, noise_width=-1)
    with pytest.raises(InputError, match="expected a gain above 0"):
        correlated_halves(clean, rng, gain=0.0, noise_width=1)
    with pytest.raises(InputError, match=r"half has shape .* and other_half has"):
        held_out_error(clean, clean[1:], clean)
