from __future__ import annotations

import numpy as np
import pytest

from decrappify.errors import InputError
from decrappify.metrics.sums.spectrum import RingSums, radial_spectrum, ring_sums, spectrum_ratio


@pytest.mark.parametrize("shape", [(64, 64), (3, 65, 65), (64, 90)])
def test_radial_spectrum_of_white_noise_is_flat(rng, shape):
    spectrum = radial_spectrum(5 * rng.normal(size=shape) + 100)
    assert spectrum.frequency[[0, -1]] == pytest.approx([0, 0.5])
    assert spectrum.power[8:].mean() == pytest.approx(25, rel=0.1)


@pytest.mark.parametrize("side", [64, 65])
def test_radial_spectrum_of_a_wave_peaks_at_its_frequency(side):
    x = np.arange(side)
    wave = np.sin(2 * np.pi * 0.25 * x) * np.ones((side, 1))
    spectrum = radial_spectrum(wave)
    assert spectrum.frequency[spectrum.power.argmax()] == pytest.approx(0.25, abs=1 / side)


def test_rings_include_every_fourier_pixel_once(rng):
    sums = ring_sums(*rng.normal(size=(2, 32, 32)))
    f = np.fft.fftfreq(32, 1 / 32)
    expected = np.bincount(np.rint(np.hypot(f[:, None], f)).astype(int).ravel())[:17]
    assert sums.modes == pytest.approx(expected)


def test_spectrum_ratio_distinguishes_gain_from_filter(rng):
    reference = rng.normal(size=(2, 96, 96))
    assert spectrum_ratio(reference / 2, reference) == pytest.approx((-6.0206,) * 3, abs=1e-3)
    transform = np.fft.fft2(reference)
    f = np.fft.fftfreq(96)
    fine = np.hypot(f[:, None], f) >= 0.22
    coarse, _, finest = spectrum_ratio(np.fft.ifft2(transform * np.where(fine, 0.1, 1)).real, reference)
    assert coarse == pytest.approx(0, abs=0.3)
    assert finest == pytest.approx(-20, abs=0.5)


def test_spectrum_ratio_to_an_empty_band_is_infinite(rng):
    assert spectrum_ratio(rng.normal(size=(32, 32)), np.zeros((32, 32))) == (np.inf,) * 3


def test_spectrum_rejects_invalid_input(rng):
    with pytest.raises(InputError, match="frames are 15 × 40 pixels, a spectrum needs at least 16 × 16"):
        radial_spectrum(rng.normal(size=(15, 40)))
    with pytest.raises(InputError, match="frame 0 of image contains NaN"):
        radial_spectrum(np.full((20, 20), np.nan))
    sums = RingSums()
    sums.add(*rng.normal(size=(2, 32, 32)))
    with pytest.raises(InputError, match="a frame is 48 pixels wide, those before it 32"):
        sums.add(*rng.normal(size=(2, 48, 48)))
