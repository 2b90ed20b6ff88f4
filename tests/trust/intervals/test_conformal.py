"""Guarantees of conformal calibration, on exchangeable fields."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from decrappify.errors import InputError
from decrappify.trust import Guarantee
from decrappify.trust.intervals.conformal import allowed_risk, check_fields, guarantee_of, p_value, smallest_factor

FACTORS = np.arange(1.0, 41.0)


@settings(max_examples=60, deadline=None)
@given(st.integers(11, 40), st.integers(1, 60), st.sampled_from([0.7, 0.8, 0.9]), st.integers(0, 2**32 - 1))
def test_mean_coverage_of_a_left_out_field_is_at_least_the_level(n, pixels, level, seed):
    # Exchangeability: each of the fields is equally likely to be the new one. The theorem holds for any fields.
    rng = np.random.default_rng(seed)
    scores = np.minimum(rng.lognormal(1, rng.uniform(0, 1.5), (n, 1)) * rng.exponential(1, (n, pixels)), FACTORS[-1])
    losses = (scores[:, :, None] > FACTORS).mean(1)
    missed = []
    for left_out in range(n):
        factor = smallest_factor(np.delete(losses, left_out, axis=0), FACTORS, level, Guarantee.MEAN)
        missed.append(losses[left_out, FACTORS.tolist().index(factor)])
    assert np.mean(missed) <= 1 - level + 1e-9


@settings(max_examples=60, deadline=None)
@given(st.integers(200, 1500), st.floats(0.02, 0.4))
def test_confident_coverage_fails_in_at_most_a_tenth_of_the_calibrations(n, alpha):
    # Fields that are missed completely with probability alpha: the largest variance of a loss between 0 and 1.
    passed = int(np.floor(n * allowed_risk(n, 1 - alpha, Guarantee.CONFIDENT) + 1e-9))
    assert binom.cdf(passed, n, alpha) <= 0.1


@pytest.mark.parametrize(("n", "risk"), [(200, 0.060), (500, 0.074), (1000, 0.082)])
def test_allowed_risk_of_confident_intervals(n, risk):
    assert allowed_risk(n, 0.9, Guarantee.CONFIDENT) == pytest.approx(risk, abs=6e-4)
    assert p_value(risk + 1e-3, n, 0.1) > 0.1


@pytest.mark.parametrize(("n", "risk"), [(9, 0.0), (20, 0.055), (50, 0.082), (100, 0.091)])
def test_allowed_risk_of_mean_intervals(n, risk):
    assert allowed_risk(n, 0.9, Guarantee.MEAN) == pytest.approx(risk, abs=6e-4)


def test_smallest_factor_omits_fields_without_pixels_and_is_none_if_no_factor_suffices():
    losses = np.where(np.arange(40) < 10, 0.5, 0.0) * np.ones((20, 1))
    assert smallest_factor(losses, FACTORS, 0.9, Guarantee.MEAN) == 11
    with_empty = np.concatenate([losses, np.full((30, 40), np.nan)])
    assert smallest_factor(with_empty, FACTORS, 0.9, Guarantee.MEAN) == 11
    assert smallest_factor(np.ones((20, 40)), FACTORS, 0.9, Guarantee.MEAN) is None
    assert smallest_factor(with_empty[20:], FACTORS, 0.9, Guarantee.MEAN) is None


def test_guarantee_is_confident_from_200_fields():
    assert [guarantee_of(n) for n in (10, 199, 200)] == [Guarantee.MEAN, Guarantee.MEAN, Guarantee.CONFIDENT]


@pytest.mark.parametrize(("n", "level", "least"), [(9, 0.9, 10), (3, 0.5, 10), (18, 0.95, 19)])
def test_too_few_fields_are_refused(n, level, least):
    with pytest.raises(InputError, match=rf"found paired images of {n} fields of view, expected at least {least} for"):
        check_fields(n, level)
    check_fields(least, level)


@pytest.mark.parametrize("level", [0.3, 1.0, "high", True])
def test_levels_that_are_not_shares_are_refused(level):
    with pytest.raises(InputError, match=r"expected the coverage as a number from 0\.5 to 0\.99"):
        check_fields(100, level)
