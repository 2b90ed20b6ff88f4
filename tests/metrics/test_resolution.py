from __future__ import annotations

import numpy as np
import pytest

from decrappify.errors import InputError
from decrappify.metrics.decorrelation import decorrelation_resolution
from decrappify.metrics.resolution import (
    AGAINST_REFERENCE,
    BETWEEN_HALVES,
    RingCorrelation,
    block_mean,
    check_camera,
    cross_frc,
    frc,
)

SIDE = 128


def radius(side: int = SIDE) -> np.ndarray:
    f = np.fft.fftfreq(side)
    return np.hypot(f[:, None], f)


@pytest.fixture
def fading(rng):
    """Frames whose signal-to-noise ratio, against white noise of sd 1, falls from 20 to 0 with frequency; the SNR."""
    snr = 20 * np.exp(-radius() / 0.06)
    frames = np.fft.ifft2(np.fft.fft2(rng.normal(size=(12, SIDE, SIDE))) * np.sqrt(snr)).real
    return frames, snr


def on_rings(values: np.ndarray) -> np.ndarray:
    rings = np.rint(radius() * SIDE).astype(int).ravel()
    return (np.bincount(rings, values.ravel()) / np.bincount(rings))[: SIDE // 2 + 1]


def test_frc_of_two_noisy_images_is_snr_over_one_plus_snr(fading, rng):
    reference, snr = fading
    first, second = reference + rng.normal(size=(2, *reference.shape))
    curve = frc(first, second)
    expected = on_rings(snr / (1 + snr))
    assert curve.correlation[3:] == pytest.approx(expected[3:], abs=0.06)
    assert np.mean(curve.correlation[3:] - expected[3:]) == pytest.approx(0, abs=0.01)


def test_frc_of_a_noisy_and_a_clean_image_is_the_root(fading, rng):
    reference, snr = fading
    curve = frc(reference + rng.normal(size=reference.shape), reference)
    assert curve.correlation[3:] == pytest.approx(on_rings(np.sqrt(snr / (1 + snr)))[3:], abs=0.06)


def test_frc_thresholds_correspond_to_the_same_signal(fading, rng):
    reference, _ = fading
    one, two, both = (reference + rng.normal(size=reference.shape) * sd for sd in (2**0.5, 2**0.5, 1))
    halves = frc(one, two).resolution_px(BETWEEN_HALVES)
    against_reference = frc(both, reference).resolution_px(AGAINST_REFERENCE)
    # FRC of halves = 1/7 where the halves' SNR is 1/6, so that of their sum is 1/3; sqrt(1/3 / (4/3)) = 0.5.
    exact = 1 / (0.06 * np.log(20 * 3))
    assert (halves, against_reference) == pytest.approx((exact, exact), rel=0.06)
    assert np.sqrt(2 / 7 / (1 + 1 / 7)) == pytest.approx(AGAINST_REFERENCE)


@pytest.mark.parametrize("cutoff", [0.1, 0.25, 0.4])
def test_frc_resolution_is_the_cutoff(rng, cutoff):
    reference = rng.normal(size=(SIDE, SIDE))
    kept = np.fft.ifft2(np.fft.fft2(reference) * (radius() < cutoff)).real
    restored = kept + np.fft.ifft2(np.fft.fft2(rng.normal(size=reference.shape)) * (radius() >= cutoff)).real
    assert frc(restored, reference).resolution_px(AGAINST_REFERENCE) == pytest.approx(1 / cutoff, rel=0.05)


def test_frc_is_invariant_to_gain_offset_and_isotropic_blur(fading, rng):
    reference, _ = fading
    noisy = reference + rng.normal(size=reference.shape)
    blurred = np.fft.ifft2(np.fft.fft2(noisy) * np.exp(-20 * radius())).real
    assert frc(7 * blurred - 3, reference).correlation[4:50] == pytest.approx(
        frc(noisy, reference).correlation[4:50], abs=0.12
    )


def test_resolution_px_of_extreme_curves():
    frequency = np.linspace(0, 0.5, 33)
    assert RingCorrelation(frequency, np.ones(33)).resolution_px(0.5) == 2.0
    assert RingCorrelation(frequency, np.zeros(33)).resolution_px(0.5) == np.inf
    assert RingCorrelation(frequency, 1 - 2 * frequency).resolution_px(0.5) == pytest.approx(4)


@pytest.mark.parametrize("threshold", [0, 1, 7, float("nan")])
def test_resolution_px_rejects_other_thresholds(threshold):
    with pytest.raises(InputError, match=r"threshold is .*, expected a correlation between 0 and 1"):
        RingCorrelation(np.linspace(0, 0.5, 33), np.ones(33)).resolution_px(threshold)


def test_cross_frc_ignores_invented_texture(fading, rng):
    reference, _ = fading
    one, two = reference + rng.normal(size=(2, *reference.shape))
    raw = cross_frc(one, two).resolution_px(BETWEEN_HALVES)
    texture = np.fft.ifft2(np.fft.fft2(rng.normal(size=one.shape)) * (radius() > 0.15)).real * 3
    halves_of_a_network = frc(one + texture, two + texture).resolution_px(BETWEEN_HALVES)
    confirmed = cross_frc(one + texture, two).resolution_px(BETWEEN_HALVES)
    assert halves_of_a_network == 2.0
    assert confirmed >= raw * 0.98
    assert cross_frc(reference, two).resolution_px(BETWEEN_HALVES) < 0.8 * raw


def test_cross_frc_averages_a_finer_restoration(fading, rng):
    reference, _ = fading
    half = reference + rng.normal(size=reference.shape)
    fine = np.kron(reference, np.ones((1, 2, 2)))
    assert cross_frc(fine, half).correlation == pytest.approx(cross_frc(reference, half).correlation)
    with pytest.raises(InputError, match=r"frames of \(7, 9\) pixels are not a whole multiple of \(4, 4\)"):
        block_mean(np.zeros((1, 7, 9)), (4, 4))


@pytest.mark.parametrize(
    ("gain", "offset", "read_noise"), [(0, 0, 0), (-1, 0, 0), (float("nan"), 0, 0), (1, float("inf"), 0), (1, 0, -1)]
)
def test_impossible_camera_is_an_error(gain, offset, read_noise):
    with pytest.raises(InputError, match=r"gain is .* expected a gain above 0"):
        check_camera(gain, offset, read_noise)


@pytest.mark.parametrize("cutoff", [0.1, 0.2, 0.4])
@pytest.mark.parametrize("noise", [0.01, 0.1])
def test_decorrelation_resolution_is_the_cutoff(rng, cutoff, noise):
    side = 200
    image = np.fft.ifft2(np.fft.fft2(rng.normal(size=(side, side))) * (radius(side) < cutoff)).real
    image = 1000 + 50 * (image / image.std() + noise * rng.normal(size=image.shape))
    assert decorrelation_resolution(image).resolution_px == pytest.approx(1 / cutoff, rel=0.05)


def test_decorrelation_of_noise_is_infinite(rng):
    image = np.fft.ifft2(np.fft.fft2(rng.normal(size=(200, 200))) * np.exp(-15 * radius(200))).real
    image /= image.std()
    clean, noisy = (decorrelation_resolution(image + noise * rng.normal(size=image.shape)) for noise in (0.003, 0.3))
    assert clean.resolution_px < 0.8 * noisy.resolution_px
    assert noisy.amplitude < clean.amplitude
    assert decorrelation_resolution(rng.normal(size=(200, 200))) == (np.inf, 0.0)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((2, 40, 40)), "decorrelation needs one .* choose a frame"),
        (np.zeros((20, 40)), "at least 32 × 32"),
        (np.full((40, 40), 7), "image is constant .every pixel 7"),
    ],
)
def test_decorrelation_rejects_invalid_input(image, message):
    with pytest.raises(InputError, match=message):
        decorrelation_resolution(image)
