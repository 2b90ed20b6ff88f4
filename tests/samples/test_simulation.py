from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import label

from decrappify.errors import InputError
from decrappify.samples import KINDS, Microscope, simulate
from decrappify.samples.canvas import Canvas
from decrappify.samples.nuclei import Nuclei


def pixels(movie) -> np.ndarray:
    return np.asarray(movie)[:, 0, 0].astype(np.float64)


@pytest.mark.parametrize("kind", KINDS)
def test_simulate_is_determined_by_its_seed(kind):
    first, again, other = (simulate(kind, n_frames=2, size=(48, 40), seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(pixels(first.noisy), pixels(again.noisy))
    np.testing.assert_array_equal(pixels(first.truth), pixels(again.truth))
    assert not np.array_equal(pixels(first.truth), pixels(other.truth))
    assert first.noisy.shape == first.truth.shape == (2, 1, 1, 48, 40)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("speed", [*(pytest.param(speed, marks=pytest.mark.slow) for speed in (0.0, 1.0)), 0.3, 3.0])
def test_mean_displacement_equals_the_speed(kind, speed):
    movie = simulate(kind, n_frames=16, size=(64, 64), speed_px=speed, seed=3)
    assert movie.displacement_px == pytest.approx(speed, rel=0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_static_scene_only_bleaches(kind):
    microscope = Microscope(loss_per_frame=0.02, background=3.0)
    truth = pixels(simulate(kind, n_frames=14, size=(48, 48), speed_px=0, microscope=microscope).truth)
    signal = truth - (100 + 2.2 * 3)
    np.testing.assert_allclose(signal[13], signal[0] * 0.98**13, rtol=1e-3, atol=1e-3)


def test_noise_matches_the_camera_model():
    microscope = Microscope(photons=30, read_noise=2.0, gain=1.5, offset=80.0, loss_per_frame=0)
    movie = simulate("nuclei", n_frames=150, size=(64, 64), speed_px=0, microscope=microscope)
    truth, noisy = pixels(movie.truth), pixels(movie.noisy)
    electrons = (truth[0] - 80) / 1.5
    variance = 1.5**2 * (electrons + 2.0**2) + 1 / 12
    assert (noisy - truth).mean() == pytest.approx(0, abs=0.05)
    assert np.mean(noisy.var(axis=0) / variance) == pytest.approx(1, abs=0.02)
    slope = np.polyfit(truth[0].ravel(), noisy.var(axis=0).ravel(), 1)[0]
    assert slope == pytest.approx(1.5, rel=0.08)


def test_simulate_uses_the_requested_levels_and_scale():
    microscope = Microscope(photons=50, background=2, gain=2.0, offset=100)
    movie = simulate("cell", n_frames=1, size=(96, 96), pixel_size_um=0.08, frame_interval_s=2.0, microscope=microscope)
    truth = pixels(movie.truth)
    assert np.percentile(truth, 99.8) == pytest.approx(100 + 2 * 52, rel=0.01)
    assert truth.min() >= 100 + 2 * 2
    assert movie.truth.pixel_size_um == movie.noisy.pixel_size_um == (None, 0.08, 0.08)
    assert movie.noisy.frame_interval_s == 2.0
    assert movie.noisy.dtype == np.uint16
    assert movie.truth.dtype == np.float32


@pytest.mark.parametrize("place", [(10.0, 12.0), (10.3, 11.8), (9.5, 12.5)])
def test_emitter_is_imaged_at_its_position_with_the_width_of_the_optics(place):
    canvas = Canvas((24, 24))
    canvas.add_points(np.array([place]), np.array([100.0]))
    image = Microscope(haze=0, numerical_aperture=0.6).image(canvas, 0.1)
    y, x = np.mgrid[:24, :24]
    center = [(image * axis).sum() / image.sum() for axis in (y, x)]
    width = np.sqrt((image * (y - center[0]) ** 2).sum() / image.sum())
    np.testing.assert_allclose(center, place, atol=0.02)
    assert image.sum() == pytest.approx(100, rel=0.01)
    assert width == pytest.approx(0.21 * 0.52 / 0.6 / 0.1, rel=0.06)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (2, 5))])
def test_nuclei_divide(seed):
    nuclei = Nuclei((160, 160), 40, 1.0, np.random.default_rng(seed))
    before, after = Canvas((160, 160)), Canvas((160, 160))
    nuclei.draw(before, 12)
    nuclei.draw(after, 20)
    mothers, daughters = (label(canvas.depths[0] > 0.3)[1] for canvas in (before, after))
    assert daughters == mothers + 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "cells"}, "unknown simulated movie 'cells', expected one of filaments, vesicles, nuclei, cell"),
        ({"n_frames": 0}, "n_frames is 0, expected at least 1"),
        ({"size": (16, 64)}, "expected two sides .* of at least 32 pixels"),
        ({"speed_px": -1}, "speed_px is -1, expected 0 to 20"),
        ({"pixel_size_um": 0}, "pixel_size_um is 0, expected a size above 0"),
    ],
)
def test_simulate_rejects_invalid_options(options, message):
    with pytest.raises(InputError, match=message):
        simulate(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"photons": 0}, "photons is 0, expected a number above 0"),
        ({"haze": -1}, "haze is -1, expected a number of at least 0"),
        ({"loss_per_frame": 1.0}, "loss_per_frame is 1, expected a share below 1"),
    ],
)
def test_microscope_rejects_invalid_values(options, message):
    with pytest.raises(InputError, match=message):
        Microscope(**options)
