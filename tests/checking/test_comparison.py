"""Verdicts and decibels of a thinning test."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from decrappify.checking.comparison import compared
from decrappify.checking.scores import Scores, Thinning

NOISE = np.full(16, 5.0)


def thinning(model, gaussian, *, shared=0.0, sensitivities=(0.1, 0.1), spread=0.01):
    """A test with noise of variance 1 in the movie and 5 in the target, and errors `model` and `gaussian`."""
    vary = 1 + spread * np.linspace(-1, 1, 16)
    scores = [Scores(NOISE + error * vary, one) for error, one in zip((model, gaussian), sensitivities, strict=True)]
    return Thinning(*scores, NOISE, 1.0, shared, 1.0, 0.0, 16, (), ())


@pytest.mark.parametrize(
    ("errors", "verdict", "decibels"),
    [((0.1, 0.2), "better", 3.01), ((0.2, 0.1), "worse", -3.01), ((0.1, 0.101), "similar", 0.04)],
)
def test_compared_returns_verdict_and_decibels(errors, verdict, decibels):
    found = compared(thinning(*errors), 0.0)
    assert found.verdict == verdict
    assert found.gain_db == pytest.approx(decibels, abs=0.01)


def test_uncertain_gain_leaves_the_verdict_but_not_the_decibels():
    found = compared(thinning(0.05, 0.08), 0.06)
    assert found.verdict == "better"
    assert found.gain_db is None
    assert 0 < found.least_db < 2.04


def test_uncertain_gain_and_other_sensitivity_leave_nothing():
    found = compared(thinning(0.05, 0.08, sensitivities=(0.6, 0.1)), 0.06)
    assert found.change_error == pytest.approx(0.06)
    assert found.verdict == "untested"


def test_shared_noise_raises_the_uncertainty_and_ends_the_test():
    assert compared(thinning(0.05, 0.08, shared=-0.06, sensitivities=(0.6, 0.1)), 0.0).verdict == "untested"
    found = compared(thinning(0.05, 0.08, shared=0.5), 0.0)
    assert found.verdict == "untested"
    assert replace(found, shared=0.0).verdict == "better"
    assert compared(thinning(0.05, 0.08, shared=0.5), 0.0, is_white=False).shared == 0
