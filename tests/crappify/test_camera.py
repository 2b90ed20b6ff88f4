from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage  # noqa: F401  imported before the tests, because hypothesis counts import time
from hypothesis import given
from hypothesis import strategies as st

from decrappify.crappify import (
    BadPixels,
    CorrelatedNoise,
    Crappifier,
    ExcessNoise,
    FixedPattern,
    RowNoise,
    Stretch,
    crappify_movie,
)
from decrappify.crappify.camera import correlate
from decrappify.errors import InputError
from decrappify.movie import Movie
from decrappify.normalization import Normalization

N = 400


def flat(level: float, frames: int = 3) -> np.ndarray:
    return np.full((frames, N, N), level, np.float32)


def correlation(field: np.ndarray, rows: int, columns: int) -> float:
    """Return the correlation of a field (T, Y, X) with its periodic shift."""
    field = field - field.mean()
    return float((field * np.roll(field, (rows, columns), (1, 2))).mean() / field.var())


@pytest.mark.parametrize("sigma", [0.0, 0.46, 0.7, 1.1])
@pytest.mark.parametrize("level", [0.0, 0.5])
def test_correlated_noise_keeps_the_variance_and_the_mean(sigma, level, rng):
    part = CorrelatedNoise(photons=30.0, read_noise=2.0, background=1.0, sigma=sigma)
    noisy = Crappifier([part])(flat(level), rng)
    variance = (30 * level + 1 + 4) / 30**2
    assert noisy.var(dtype=float) == pytest.approx(variance, rel=0.03)
    assert noisy.mean(dtype=float) == pytest.approx(level, abs=0.005)


@pytest.mark.parametrize(("sigma", "expected"), [(0.46, 0.17), (0.7, 0.55), (1.0, 0.78)])
def test_correlated_noise_has_the_correlation_of_its_kernel(sigma, expected, rng):
    noise = Crappifier([CorrelatedNoise(photons=50.0, sigma=sigma)])(flat(0.5), rng)
    assert correlation(noise, 0, 1) == pytest.approx(expected, abs=0.04)
    assert correlation(noise, 1, 0) == pytest.approx(expected, abs=0.04)
    assert correlation(noise, 0, 30) == pytest.approx(0, abs=0.01)


def test_noise_of_rows_only_is_not_correlated_along_y(rng):
    noise = Crappifier([CorrelatedNoise(sigma=0.7, rows_only=True)])(flat(0.5), rng)
    assert correlation(noise, 0, 1) > 0.5
    assert correlation(noise, 1, 0) == pytest.approx(0, abs=0.01)


@given(st.integers(1, 9), st.integers(1, 9), st.floats(0, 5))
def test_correlate_returns_finite_values_for_any_size(rows, columns, sigma):
    white = np.random.default_rng(0).standard_normal((1, rows, columns), dtype=np.float32)
    filtered = correlate(white, (sigma, 0.0))
    assert filtered.shape == white.shape
    assert np.isfinite(filtered).all()


def test_row_noise_is_constant_along_rows_and_differs_between_frames(rng):
    noise = Crappifier([RowNoise(rows=0.1)])(flat(0.0), rng)
    assert np.ptp(noise, axis=2).max() == 0
    assert noise[:, :, 0].std() == pytest.approx(0.1, rel=0.1)
    assert abs(np.corrcoef(noise[0, :, 0], noise[1, :, 0])[0, 1]) < 0.2
    columns = Crappifier([RowNoise(rows=0.0, columns=0.1)])(flat(0.0), rng)
    assert np.ptp(columns, axis=1).max() == 0


def test_fixed_pattern_is_equal_in_all_frames(rng):
    part = FixedPattern(offset=0.1, columns=0.05, response=0.2)
    noisy = Crappifier([part])(flat(1.0), rng)
    assert np.ptp(noisy, axis=0).max() == 0
    assert noisy[0].std() == pytest.approx(np.sqrt(0.1**2 + 0.05**2 + 0.2**2), rel=0.05)


def test_fixed_patterns_of_a_movie_do_not_depend_on_the_frame(rng):
    movie = Movie.from_array(np.zeros((4, 32, 32), np.uint16) + 1000)
    levels = Normalization(offset=0.0, scale=2000.0)
    noisy = np.asarray(crappify_movie(movie, Crappifier([BadPixels(hot=0.1)]), seed=1, normalization=levels))
    assert np.ptp(noisy, axis=0).max() == 0
    assert np.ptp(noisy) > 0


def test_bad_pixels_have_the_configured_shares_and_levels(rng):
    noisy = Crappifier([BadPixels(hot=0.02, dead=0.05, level=3.0)])(flat(0.5), rng)[0]
    assert (noisy == 0).mean() == pytest.approx(0.05, rel=0.1)
    hot = noisy[noisy > 0.5] - 0.5
    assert hot.size / noisy.size == pytest.approx(0.02, rel=0.1)
    assert hot.mean() == pytest.approx(3.0, rel=0.1)


@pytest.mark.parametrize("factor", [1.0, 1.3, 2.0])
@pytest.mark.parametrize("level", [0.1, 1.0])
def test_excess_noise_multiplies_the_variance_of_shot_noise(factor, level, rng):
    part = ExcessNoise(photons=20.0, background=1.0, read_noise=0.5, factor=factor)
    noisy = Crappifier([part])(flat(level), rng)
    assert noisy.mean(dtype=float) == pytest.approx(level, abs=0.01)
    assert noisy.var(dtype=float) == pytest.approx((factor * (20 * level + 1) + 0.25) / 20**2, rel=0.03)


def test_stretch_clips_and_rounds(rng):
    ramp = np.linspace(-1, 2, 1000, dtype=np.float32).reshape(1, 10, 100)
    stretched = Crappifier([Stretch(low=0.0, high=1.0, bits=2)])(ramp, rng)
    np.testing.assert_allclose(np.unique(stretched), [0, 1 / 3, 2 / 3, 1], atol=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Stretch(bits=0), "stretch: bits is 0, expected an integer from 1 to 16"),
        (lambda: Stretch(bits=17), "bits is 17"),
        (lambda: Crappifier([Stretch(low=1.0, high=1.0)])(flat(0.5), np.random.default_rng(0)), "expected low < high"),
        (lambda: ExcessNoise(factor=0.9), "excess_noise: factor is 0.9, expected a number at least 1"),
        (lambda: CorrelatedNoise(sigma=60.0), "at most 50"),
    ],
)
def test_invalid_settings_raise(make, message):
    with pytest.raises(InputError, match=message):
        make()
