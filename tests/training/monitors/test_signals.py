from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from decrappify.errors import InputError
from decrappify.training.monitors.signals import BANDS, band_power, coherent_split, grid_lines, spectra, spectral_sums


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def blurred(images, sigma):
    """Apply a Gaussian blur with periodic edges, exact in Fourier space."""
    fy, fx = (torch.fft.fftfreq(side) for side in images.shape[-2:])
    transfer = torch.exp(-2 * (torch.pi * sigma) ** 2 * (fy[:, None] ** 2 + fx**2))
    return torch.fft.ifft2(torch.fft.fft2(images) * transfer).real


@pytest.mark.parametrize("shape", [(64, 1, 64, 64), (16, 3, 96, 128)])
def test_spectra_of_white_noise_are_flat_at_its_variance(shape):
    power = spectra(0.3 * noise(*shape) + 7).abs().square().mean(dim=(0, 1))
    away_from_zero = power[4:-4, 4:-4]
    assert away_from_zero.mean() == pytest.approx(0.09, rel=0.02)
    assert power[0, 0] < 1e-12  # the mean is removed, independent of the window


def test_band_power_of_a_gaussian_blur_matches_theory():
    images, sigma = noise(32, 1, 128, 128), 1.0
    found = band_power(spectral_sums(blurred(images, sigma), images))
    frequency = torch.hypot(torch.fft.fftfreq(128)[:, None], torch.fft.fftfreq(128)[None])
    for level, (low, high) in zip(found, BANDS, strict=True):
        band = (frequency >= low) & (frequency < high)
        expected = 10 * np.log10(np.exp(-((2 * np.pi * sigma * frequency[band].numpy()) ** 2)).mean())
        assert level == pytest.approx(expected, abs=0.15)


def test_band_power_is_nan_without_power_in_the_reference():
    assert np.isnan(band_power(spectral_sums(noise(1, 1, 32, 32), torch.zeros(1, 1, 32, 32)))).all()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("sd", [0.05, 0.5])
def test_coherent_split_separates_added_noise(channels, sd):
    target = blurred(noise(64, channels, 64, 64), 1.5)
    confirmed, invented = coherent_split(spectral_sums(target + sd * noise(*target.shape, seed=1), target))
    assert invented == pytest.approx(sd**2, rel=0.05)
    assert confirmed == pytest.approx(float(target.var()), rel=0.05)


def test_coherent_split_of_a_blurred_image_has_no_invented_power():
    target = noise(8, 1, 64, 64)
    confirmed, invented = coherent_split(spectral_sums(blurred(target, 2.0), target))
    assert invented < 0.05 * confirmed < 0.01


@settings(max_examples=20, deadline=None)
@given(gain=st.floats(0.01, 100), offset=st.floats(-10, 10), seed=st.integers(0, 5))
def test_gain_and_offset_change_the_level_only(gain, offset, seed):
    target = noise(4, 1, 32, 48, seed=seed)
    restored = target + 0.3 * noise(4, 1, 32, 48, seed=seed + 10)
    plain, changed = spectral_sums(restored, target), spectral_sums(gain * restored + offset, target)
    assert np.subtract(band_power(changed), band_power(plain)) == pytest.approx([20 * np.log10(gain)] * 3, abs=0.01)
    assert coherent_split(changed) == pytest.approx([gain**2 * part for part in coherent_split(plain)], rel=1e-3)


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 7))
def test_spectral_sums_of_batches_add_up(cut):
    target, restored = noise(8, 2, 32, 32), noise(8, 2, 32, 32, seed=1)
    whole = spectral_sums(restored, target)
    parts = spectral_sums(restored[:cut], target[:cut]) + spectral_sums(restored[cut:], target[cut:])
    assert parts.n == whole.n == 16
    torch.testing.assert_close(parts.cross, whole.cross)
    assert coherent_split(parts) == pytest.approx(coherent_split(whole))


@pytest.mark.parametrize("size", [32, 64, 66, 96])
@pytest.mark.parametrize(
    "pattern",
    [
        lambda y, x: (y + x) % 2,  # 1/2, 1/2
        lambda y, x: x % 2,  # 0, 1/2
        lambda y, x: (y % 4 < 2).float(),  # 1/4, 0
        lambda y, x: 5.0 * ((y % 4 == 0) & (x % 4 == 0)),  # all of these, each with little power
    ],
    ids=["checkerboard", "stripes", "wide stripes", "dots"],
)
def test_grid_lines_detects_a_faint_grid(size, pattern):
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    texture = blurred(noise(16, 1, size, size), 0.7) * 0.1
    plain = grid_lines(spectral_sums(texture, texture)).max()
    assert plain < 3
    grid = 0.64 / size * pattern(y, x)  # the power of a line grows with the repeated area
    assert grid_lines(spectral_sums(texture + grid, texture)).max() > 4 * plain


def test_grid_lines_ignores_an_invisible_grid_in_an_empty_image():
    flat = torch.zeros(2, 1, 64, 64)
    y, x = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    checks = (-1.0) ** (y + x)
    for amplitude in (4e-4, 4e-3, 4e-2):
        found = grid_lines(spectral_sums(flat + amplitude * checks, flat)).max()
        assert found == pytest.approx((amplitude / 4e-3) ** 2, rel=1e-4)
    assert grid_lines(spectral_sums(flat + 4e-3 * checks, flat), data_range=4.0).max() == pytest.approx(1 / 16)


def test_spectra_rejects_unsuitable_images():
    with pytest.raises(InputError, match=r"16 x 64 pixels are too small for spectra, expected 32 x 32"):
        spectra(torch.zeros(1, 1, 16, 64))
    with pytest.raises(InputError, match=r"\(1, 1, 32, 32\), expected \(2, 1, 32, 32\) like the reference"):
        spectral_sums(torch.zeros(1, 1, 32, 32), torch.zeros(2, 1, 32, 32))
