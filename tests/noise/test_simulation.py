from __future__ import annotations

import numpy as np
import pytest

from decrappify.crappify import Crappifier, PoissonGaussian
from decrappify.noise import Estimate, NoiseModel


def model(correlation: float, saturation: float = 4095.0, bits: float | None = 12.0) -> NoiseModel:
    lags = tuple(Estimate(value) for value in (1.0, correlation, 0.0, 0.0, 0.0))
    depth = {} if bits is None else {"bit_depth": Estimate(bits)}
    return NoiseModel(
        gain=Estimate(8.0),
        intercept=Estimate(-700.0),
        correlation_y=lags,
        correlation_x=lags,
        saturation=Estimate(saturation),
        levels=(100.0, 3000.0),
        **depth,
    )


def grays(crappifier: Crappifier) -> np.ndarray:
    """Return the gray levels of a crappified ramp from below the offset to above the saturation."""
    ramp = np.tile(np.linspace(-0.2, 1.6, 128, dtype=np.float32), (128, 1))
    return 100 + 2900 * crappifier(ramp, np.random.default_rng(0), data_range=(0.0, 1.0)).astype(np.float64)


@pytest.mark.parametrize("correlation", [0.0, 0.5])
@pytest.mark.parametrize(("saturation", "step"), [(4095.0, 1), (65520.0, 16)])
def test_calibrated_crappifier_digitizes_white_and_correlated_noise(correlation, saturation, step):
    noise = model(correlation, saturation)
    crappifier = noise.crappifier()
    assert isinstance(crappifier.steps[0], PoissonGaussian) == (correlation == 0)
    found = grays(crappifier)
    assert np.abs(found / step - np.rint(found / step)).max() < 0.01
    assert found.min() == pytest.approx(0, abs=0.01)
    assert found.max() == pytest.approx(saturation, abs=0.01) or saturation > 5000
    assert len(np.unique(np.rint(found))) > 50


def test_calibrated_crappifier_clips_at_a_saturation_of_unknown_bit_depth():
    found = grays(model(0.5, 3500.0, None).crappifier())
    assert found.max() == pytest.approx(3500, abs=0.1)
