from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import bootstrap

from decrappify.errors import InputError
from decrappify.metrics.bootstrap import Interval, bootstrap_interval, paired_difference


def test_interval_equals_the_percentile_interval_of_scipy(rng):
    values = rng.normal(30, 2, 25)
    expected = bootstrap((values,), np.mean, method="percentile", n_resamples=20_000, rng=rng).confidence_interval
    found = bootstrap_interval(values, rng)
    assert found.mean == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx(tuple(expected), abs=0.04)


def test_interval_has_the_nominal_coverage(rng):
    covered = 0
    for _ in range(300):
        interval = bootstrap_interval(rng.normal(size=30), rng, n_resamples=400)
        covered += interval.low <= 0 <= interval.high
    assert covered / 300 == pytest.approx(0.94, abs=0.04)


def test_interval_depends_on_seed_and_level(rng):
    values = rng.normal(size=12)
    one, two = (bootstrap_interval(values, np.random.default_rng(3)) for _ in range(2))
    narrow = bootstrap_interval(values, np.random.default_rng(3), level=0.5)
    assert one == two
    assert narrow.high - narrow.low < 0.6 * (one.high - one.low)


def test_interval_of_few_missing_and_infinite_values(rng):
    nan = pytest.approx(math.nan, nan_ok=True)
    assert bootstrap_interval([], rng) == (nan, nan, nan, 0)
    assert bootstrap_interval([7.0, math.nan], rng) == (7, nan, nan, 1)
    assert bootstrap_interval([math.inf, 30.0], rng) == Interval(math.inf, math.inf, math.inf, 2)


def test_paired_difference_removes_the_variation_between_fields(rng):
    fields = rng.normal(30, 5, 20)
    first = fields + 0.5 + rng.normal(0, 0.1, 20)
    difference = paired_difference(list(first), list(fields), rng)
    assert 0.4 < difference.low < difference.mean < difference.high < 0.6
    assert bootstrap_interval(first, rng).low < bootstrap_interval(fields, rng).high


def test_paired_difference_of_infinite_scores_is_zero(rng):
    assert paired_difference([math.inf, math.inf], [math.inf, math.inf], rng).mean == 0
    assert paired_difference([1.0, math.nan], [0.0, 2.0], rng).n == 1


def test_bootstrap_rejects_invalid_input(rng):
    with pytest.raises(InputError, match="level is 95 and n_resamples is 10000"):
        bootstrap_interval([1.0, 2.0], rng, level=95)
    with pytest.raises(InputError, match="n_resamples is 5, expected"):
        bootstrap_interval([1.0, 2.0], rng, n_resamples=5)
    with pytest.raises(InputError, match=r"values has shape \(2, 2\), expected \(n,\)"):
        bootstrap_interval(np.ones((2, 2)), rng)
    with pytest.raises(InputError, match="there are 1 first and 2 second values"):
        paired_difference([1.0], [1.0, 2.0], rng)
