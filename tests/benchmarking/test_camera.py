from __future__ import annotations

import numpy as np
import pytest

from decrappify.benchmarking.camera import Camera
from decrappify.errors import InputError
from decrappify.noise import Estimate, NoiseModel


@pytest.mark.parametrize("photons", [3, 10, 100])
@pytest.mark.parametrize("read_noise", [0.0, 1.5])
def test_stabilized_has_unit_noise_and_restored_has_no_bias(rng, photons, read_noise):
    camera = Camera(gain=2.0, offset=100.0, read_noise=read_noise)
    counts = rng.poisson(photons, 200_000) + rng.normal(0, read_noise, 200_000)
    stabilized = camera.stabilized(100 + 2 * counts)
    assert stabilized.std() == pytest.approx(1, abs=0.06)
    denoised = camera.restored(stabilized.mean(keepdims=True))
    assert denoised == pytest.approx([100 + 2 * photons], abs=0.15)
    algebraic = 100 + 2 * (stabilized.mean() ** 2 / 4 - 3 / 8 - read_noise**2)
    assert abs(algebraic - 100 - 2 * photons) > 0.3, "the algebraic inverse is biased"


def test_restored_of_no_light_is_the_offset():
    camera = Camera(gain=2.0, offset=100.0, read_noise=0.0)
    assert camera.stabilized(np.array([90.0, 50.0])) == pytest.approx([0, 0])
    assert camera.restored(np.zeros(2)) == pytest.approx([100, 100], abs=1e-6)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"gain": -2.0}, "gain is -2.0"),
        ({"gain": 1.0, "read_noise": -2.0}, "read_noise -2.0"),
        ({"gain": 1.0, "noise_correlation": 1.0}, "noise_correlation is 1.0, expected the correlation of the noise"),
    ],
)
def test_camera_raises_for_impossible_values(values, message):
    with pytest.raises(InputError, match=message):
        Camera(**values)


def test_stabilized_without_a_gain_raises():
    with pytest.raises(InputError, match=r"the gain of the camera is unknown; pass Camera\(gain=...\)"):
        Camera(offset=100.0).stabilized(np.zeros(2))


def test_camera_from_a_noise_model_has_its_gain_levels_and_correlation():
    def known(value):
        return Estimate(value, 0.0, valid=True)

    neighbors = (known(1.0), known(0.5), known(0.1), known(0.0), known(0.0))
    noise = NoiseModel(gain=known(2.0), intercept=known(-164.0), correlation_x=neighbors)
    assert Camera.from_noise_model(noise) == Camera(2.0, 82.0, 0.0, 0.25)
    dark = NoiseModel(gain=known(2.0), intercept=known(-164.0), offset=known(100.0), read_noise=known(6.0))
    assert Camera.from_noise_model(dark) == Camera(2.0, 100.0, 3.0)
    with pytest.raises(InputError, match="the gain of this noise model is not determined: not measured"):
        Camera.from_noise_model(NoiseModel())
