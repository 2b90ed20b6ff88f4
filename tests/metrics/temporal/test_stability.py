from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from decrappify.errors import InputError
from decrappify.metrics.fidelity import affine_fit, psnr
from decrappify.metrics.temporal.stability import flicker_floor, gain_jitter, noise_draw_flicker, tde, tdr
from decrappify.metrics.temporal.static import quiet_mask, static_mask


@pytest.fixture
def cases(scene, rng) -> dict[str, np.ndarray]:
    """Restorations with known temporal errors, by name."""
    texture = rng.normal(size=scene.shape)
    gains = 1 + 0.03 * rng.normal(size=len(scene))
    return {
        "perfect": scene.copy(),
        "bias": scene + 0.03 * texture[:1],
        "flicker": scene + 0.03 * texture,
        "little flicker": scene + 0.01 * texture,
        "blur": gaussian_filter(scene, (0, 1.5, 1.5)),
        "ghosting": gaussian_filter1d(scene, 1.5, axis=0),
        "frozen": np.repeat(scene[:1], len(scene), axis=0),
        "gain": scene * gains[:, None, None],
    }


def plain_tde(restored, reference):
    slope, intercept = np.polyfit(restored.ravel(), reference.ravel(), 1)
    error = np.diff(slope * restored + intercept, axis=0) - np.diff(reference, axis=0)
    return np.sqrt(np.mean(error**2) / np.mean(np.diff(reference, axis=0) ** 2))


def test_tde_and_tdr_of_known_cases(cases, scene):
    assert (tde(cases["perfect"], scene), tdr(cases["perfect"], scene)) == (0, 1)
    assert (tde(cases["frozen"], scene), tdr(cases["frozen"], scene)) == (1, 0)
    assert tdr(cases["bias"], scene) == pytest.approx(1)
    assert tde(cases["bias"], scene) == pytest.approx(abs(1 - affine_fit(cases["bias"], scene).slope))


@pytest.mark.parametrize("name", ["flicker", "little flicker", "blur", "ghosting", "gain"])
def test_tde_and_tdr_follow_their_definitions(cases, scene, name):
    assert tde(cases[name], scene) == pytest.approx(plain_tde(cases[name], scene), rel=1e-8)
    ratio = np.sqrt(np.mean(np.diff(cases[name], axis=0) ** 2) / np.mean(np.diff(scene, axis=0) ** 2))
    assert tdr(cases[name], scene) == pytest.approx(ratio, rel=1e-10)


def test_temporal_metrics_distinguish_flicker_from_bias(cases, scene):
    assert psnr(cases["bias"], scene) == pytest.approx(psnr(cases["flicker"], scene), abs=0.3)
    errors = {name: tde(movie, scene) for name, movie in cases.items()}
    ratios = {name: tdr(movie, scene) for name, movie in cases.items()}
    assert errors["perfect"] < errors["bias"] < errors["little flicker"] < errors["flicker"]
    assert ratios["frozen"] < ratios["blur"] < 0.8
    assert ratios["ghosting"] < 0.8
    assert ratios["flicker"] > ratios["little flicker"] > 1


def test_flicker_floor_is_the_amplitude_of_the_flicker(cases, scene):
    floors = {name: flicker_floor(movie, scene) for name, movie in cases.items()}
    assert floors["flicker"] == pytest.approx(0.03, rel=0.03)
    assert floors["little flicker"] == pytest.approx(0.01, rel=0.03)
    assert floors["frozen"] == 0
    assert floors["perfect"] < 1e-4
    assert floors["bias"] == pytest.approx(floors["perfect"])
    assert floors["flicker"] > floors["little flicker"] > floors["gain"] > floors["perfect"]


def test_flicker_floor_divides_by_the_data_range(cases, scene):
    for restored, reference, width in ((cases["flicker"], scene, None), (200 * cases["flicker"], 200 * scene, 200.0)):
        assert flicker_floor(restored, reference, data_range=width) == pytest.approx(
            flicker_floor(cases["flicker"], scene)
        )


@pytest.mark.parametrize("name", ["perfect", "bias", "flicker", "gain"])
def test_flicker_floor_without_a_reference_uses_quiet_pixels_of_the_source(cases, scene, rng, name):
    source = scene + rng.normal(0, 0.2, scene.shape)
    with_reference = flicker_floor(cases[name], scene)
    assert flicker_floor(cases[name], source=source, data_range=1.0) == pytest.approx(with_reference, abs=0.003)


def test_flicker_floor_of_a_noisy_reference_uses_its_quiet_pixels(cases, scene, rng):
    reference = scene + rng.normal(0, 0.01, scene.shape)
    assert not static_mask(reference).any()
    assert flicker_floor(cases["flicker"], reference, data_range=1.0) == pytest.approx(0.03, rel=0.05)


def test_gain_jitter_is_the_spread_of_the_gains(cases, scene, rng):
    gains = np.array([1.0, 1.03, 0.97, 1.0] * 3)
    jittered = scene * gains[:, None, None] + rng.normal(size=(12, 1, 1))
    assert gain_jitter(jittered, scene) == pytest.approx(gains.std(), rel=1e-9)
    assert gain_jitter(scene, scene) == 0
    assert gain_jitter(cases["flicker"], scene) < 0.3 * gain_jitter(cases["gain"], scene)


def test_gain_jitter_ignores_blank_frames(scene):
    blinking = scene.copy()
    blinking[3] = 0.1
    assert gain_jitter(2 * blinking, blinking) == pytest.approx(0, abs=1e-12)


def test_noise_draw_flicker_is_the_noise_of_one_draw(scene, rng):
    draws = scene + rng.normal(0, 3, (2, *scene.shape))
    assert noise_draw_flicker(*draws) == pytest.approx(3, rel=0.02)
    assert noise_draw_flicker(*draws, data_range=10) == pytest.approx(noise_draw_flicker(*draws) / 10)
    assert noise_draw_flicker(scene[0], scene[0]) == 0


def test_static_mask_keeps_three_psf_sigmas_from_motion():
    reference = np.zeros((3, 21, 21))
    reference[1, 10, 10] = 1
    y, x = np.mgrid[:21, :21]
    assert np.array_equal(static_mask(reference, sigma_psf=1.5), np.hypot(y - 10, x - 10) > 4.5)
    assert static_mask(reference, sigma_psf=0).sum() == 21 * 21 - 1
    assert static_mask(np.ones((3, 4, 4)), data_range=1).all()


def test_static_mask_tolerates_steps_under_two_thousandths():
    reference = np.zeros((2, 30, 30))
    reference[:, 0, 0], reference[1, 5, 5], reference[1, 25, 25] = 1000, 1.9, 2.1
    mask = static_mask(reference, sigma_psf=1)
    assert mask[5, 5]
    assert not mask[25, 25]


def test_quiet_mask_is_a_quarter_away_from_motion(scene, rng):
    mask = quiet_mask(scene + rng.normal(0, 0.1, scene.shape))
    assert mask.mean() == pytest.approx(0.25, abs=0.01)
    assert mask[:, 40:].sum() > 0.6 * mask.sum()


@pytest.mark.parametrize("metric", [tde, tdr, gain_jitter, flicker_floor])
def test_temporal_metrics_reject_invalid_pairs(metric, scene):
    with pytest.raises(InputError, match=r"restored has shape .*\(12, 48, 64\) and reference has \(12, 48, 63\)"):
        metric(scene, scene[..., 1:])
    with pytest.raises(InputError, match="has a single frame; a temporal metric needs"):
        metric(scene[:1], scene[:1])
    with pytest.raises(InputError, match="frame 0 of restored contains NaN or infinity"):
        metric(np.full_like(scene, np.inf), scene)


@pytest.mark.parametrize("metric", [tde, tdr])
def test_tde_and_tdr_reject_a_static_reference(metric, scene):
    with pytest.raises(InputError, match="reference never changes"):
        metric(scene, np.repeat(scene[:1], len(scene), axis=0))


def test_temporal_metrics_reject_other_invalid_input(scene):
    with pytest.raises(InputError, match="every frame of reference is constant"):
        gain_jitter(scene, np.ones_like(scene))
    with pytest.raises(InputError, match="reference is constant"):
        flicker_floor(scene, np.ones_like(scene))
    with pytest.raises(InputError, match="needs a reference or a source, found neither"):
        flicker_floor(scene)
    with pytest.raises(InputError, match="sigma_psf is -1"):
        static_mask(scene, sigma_psf=-1)
    with pytest.raises(InputError, match=r"first has shape .* and second has"):
        noise_draw_flicker(scene, scene[1:])
