from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from decrappify.errors import InputError
from decrappify.metrics.no_reference.blind import residual_autocorrelation
from decrappify.metrics.no_reference.held_out import held_out_error, held_out_gain_db


@pytest.fixture
def clean(rng):
    """Blurred spots of 20 to 300 photons (192, 192)."""
    return 20 + 8000 * gaussian_filter((rng.random((192, 192)) > 0.99).astype(np.float64), 2)


def halves(clean, rng):
    """Return two exposures with half of the photons each."""
    return rng.poisson(clean / 2, (2, *clean.shape)).astype(np.float64)


def test_held_out_error_equals_the_error_against_the_reference(clean, rng):
    one, two = halves(clean, rng)
    for sigma in (0.0, 0.7, 1.5, 5.0):
        restored = gaussian_filter(one, sigma) if sigma else one
        expected = np.mean((restored - clean / 2) ** 2)
        assert held_out_error(restored, one, two) == pytest.approx(expected, rel=0.05, abs=0.02 * clean.mean() / 2)


def test_held_out_error_shows_invented_structure_that_whiteness_does_not(clean, rng):
    one, two = halves(clean, rng)
    noisy = one + two
    spots = np.zeros(clean.shape)
    spots[rng.integers(8, 184, 12), rng.integers(8, 184, 12)] = 200
    spots = gaussian_filter(spots, 1.2)
    assert abs(residual_autocorrelation(noisy, clean + spots)) < 0.05
    right, invented = (held_out_error(image / 2, one, two) for image in (clean, clean + spots))
    assert invented == pytest.approx(right + np.mean(spots**2) / 4, abs=1.0)
    assert invented > right


def test_held_out_error_averages_a_finer_restoration_in_blocks(clean, rng):
    one, two = halves(clean, rng)
    finer = np.kron(one, np.ones((2, 2)))
    assert held_out_error(finer, one, two) == pytest.approx(held_out_error(one, one, two))


def test_held_out_gain_compares_two_errors():
    assert held_out_gain_db(1.0, 10.0) == pytest.approx(10)
    assert held_out_gain_db(0.0, 10.0) == math.inf
    assert math.isnan(held_out_gain_db(1.0, 0.0))


def test_held_out_functions_reject_invalid_input(clean, rng):
    with pytest.raises(InputError, match=r"half has shape .* and other_half has"):
        held_out_error(clean, clean[1:], clean)
