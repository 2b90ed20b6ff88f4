from __future__ import annotations

import numpy as np
import pytest

from decrappify.noise.measurement.gain import _judged
from decrappify.noise.measurement.transfer import Transfer, fit_line, scattered_line

GAIN, OFFSET = 2.8, 100.0


def curve(scatter: float) -> Transfer:
    """Return a curve of many dim and few bright pixels, whose points scatter."""
    rng = np.random.default_rng(3)
    means = OFFSET + 2 + 30 * np.linspace(0, 1, 16) ** 1.5
    counts = np.geomspace(1e6, 300, 16)
    variances = (9 + GAIN * (means - OFFSET)) * (1 + scatter * rng.standard_normal(16))
    line, covariance, misfit = fit_line(means, variances, counts)
    return Transfer(means, variances, counts, float(line[0]), float(line[1]), covariance, misfit, 9.0)


def test_scattered_line_has_the_error_of_its_points():
    (gain, intercept), errors, misfit = scattered_line(curve(0.08))
    assert 0.2 < misfit < 1.5
    assert gain == pytest.approx(GAIN, rel=0.1)
    assert intercept == pytest.approx(9 - GAIN * OFFSET, rel=0.1)
    assert 0.02 * GAIN < errors[0] < 0.1 * GAIN
    assert errors[1] == pytest.approx(errors[0] * OFFSET, rel=0.3)


def test_gain_of_points_that_scatter_is_determined_by_the_scatter():
    errors = np.array([1.2 * GAIN, 1.2 * GAIN * OFFSET])  # from the misfit
    found = _judged(curve(0.08), errors, 0.015, [])
    assert found.gain.value == pytest.approx(GAIN, rel=0.1)
    assert found.gain.error < 0.1 * GAIN
    assert _judged(curve(0.08), errors, 0.015, [], use_scatter=False).gain.value is None


@pytest.mark.parametrize(("scatter", "valid"), [(0.01, True), (0.05, True), (0.4, False)])
def test_gain_is_valid_if_deviations_from_the_line_are_small_though_significant(scatter, valid):
    transfer = curve(scatter)
    assert transfer.misfit > 10
    found = _judged(transfer, np.array([0.1 * GAIN, 0.1 * GAIN * OFFSET]), 0.015, [])
    assert found.gain.valid is valid
    assert valid or "not on a line (deviations of" in found.gain.note


def test_gain_of_points_without_a_slope_is_not_determined():
    flat = curve(0.0)
    noise = 9 * (1 + 0.2 * np.random.default_rng(0).standard_normal(16))
    line, covariance, misfit = fit_line(flat.means, noise, flat.counts)
    transfer = Transfer(flat.means, noise, flat.counts, float(line[0]), float(line[1]), covariance, misfit, 9.0)
    found = _judged(transfer, np.array([10.0, 1000.0]), 0.015, [])
    assert found.gain.value is None
    assert found.gain.note.startswith("the variance does not rise measurably with the mean")
