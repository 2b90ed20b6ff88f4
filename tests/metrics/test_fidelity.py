from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import gaussian_filter
from skimage.metrics import normalized_root_mse, peak_signal_noise_ratio

from decrappify.errors import InputError
from decrappify.metrics.fidelity import affine_fit, linearity, nrmse_affine, psnr, si_psnr, ssim
from decrappify.metrics.sums import pairs

gray = arrays(np.float64, (2, 5, 6), elements=st.floats(0, 1000, width=16))
few_examples = settings(max_examples=25, deadline=None)


@pytest.fixture
def noisy(scene, rng) -> np.ndarray:
    return scene + rng.normal(0, 0.05, scene.shape)


@pytest.mark.parametrize("data_range", [None, 0.7])
def test_psnr_equals_scikit_image(noisy, scene, data_range):
    expected = peak_signal_noise_ratio(scene, noisy, data_range=data_range or np.ptp(scene))
    assert psnr(noisy, scene, data_range=data_range) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32])
def test_psnr_of_narrow_integers_does_not_wrap_around(dtype):
    reference = np.array([[0, 100], [50, 200]], dtype)
    restored = np.array([[1, 99], [51, 199]], dtype)
    assert psnr(restored, reference) == pytest.approx(20 * math.log10(200))


def test_ssim_follows_wang_2004(noisy, scene):
    r, g, c1, c2 = noisy[0], scene[0], 0.01**2, 0.03**2

    def blur(image):
        return gaussian_filter(image, 1.5, truncate=3.5)

    variances = blur(r * r) - blur(r) ** 2 + blur(g * g) - blur(g) ** 2
    covariance = blur(r * g) - blur(r) * blur(g)
    similarity = (2 * blur(r) * blur(g) + c1) * (2 * covariance + c2)
    similarity /= (blur(r) ** 2 + blur(g) ** 2 + c1) * (variances + c2)
    assert ssim(r, g, data_range=1.0) == pytest.approx(similarity[5:-5, 5:-5].mean(), rel=1e-9)


def test_ssim_of_a_movie_uses_one_range_and_averages_frames(noisy, scene):
    dim = scene * np.linspace(1, 0.2, len(scene))[:, None, None]
    expected = np.mean([ssim(r, g, data_range=np.ptp(dim)) for r, g in zip(noisy, dim, strict=True)])
    assert ssim(noisy, dim) == pytest.approx(expected, rel=1e-12)


def test_si_psnr_equals_its_closed_form(noisy, scene):
    rho = np.corrcoef(noisy.ravel(), scene.ravel())[0, 1]
    expected = 20 * math.log10(np.ptp(scene) / scene.std()) - 10 * math.log10(1 - rho**2)
    assert si_psnr(noisy, scene) == pytest.approx(expected, rel=1e-10)
    assert si_psnr(5 - 3 * noisy, scene) == pytest.approx(expected, rel=1e-10)


def test_si_psnr_is_the_psnr_after_the_affine_fit(noisy, scene):
    fit = affine_fit(noisy, scene)
    assert fit == pytest.approx(tuple(np.polyfit(noisy.ravel(), scene.ravel(), 1)))
    assert si_psnr(noisy, scene) == pytest.approx(psnr(fit.slope * noisy + fit.intercept, scene))


def test_si_psnr_of_a_constant_restoration(scene):
    assert affine_fit(np.full_like(scene, 0.1), scene) == (0.0, pytest.approx(scene.mean()))
    assert si_psnr(np.full_like(scene, 0.1), scene) == pytest.approx(psnr(np.full_like(scene, scene.mean()), scene))


def test_nrmse_equals_scikit_image_up_to_the_range(noisy, scene):
    fit = affine_fit(noisy, scene)
    minmax = normalized_root_mse(scene, fit.slope * noisy + fit.intercept, normalization="min-max")
    low, high = np.percentile(scene, [0.1, 99.9])
    assert nrmse_affine(noisy, scene) == pytest.approx(minmax * np.ptp(scene) / (high - low))


def test_nrmse_of_a_few_spots_on_black_falls_back_to_the_full_range(rng):
    reference = np.zeros((50, 50))
    reference[3, 3] = 10
    noisy = reference + rng.normal(size=reference.shape)
    assert nrmse_affine(noisy, reference) == pytest.approx(10 ** (-si_psnr(noisy, reference) / 20))


@given(restored=gray, reference=gray, seed=st.integers(0, 2**32 - 1))
@few_examples
def test_fidelity_is_independent_of_pixel_order(restored, reference, seed):
    assume(np.ptp(reference) > 0)
    order = np.random.default_rng(seed).permutation(reference.size)
    shuffled = [a.ravel()[order].reshape(a.shape) for a in (restored, reference)]
    for metric in (psnr, si_psnr, nrmse_affine):
        assert metric(*shuffled) == pytest.approx(metric(restored, reference), rel=1e-6, abs=1e-6)


@given(reference=gray, gain=st.floats(0.01, 100), offset=st.floats(-1e4, 1e4))
@few_examples
def test_affine_metrics_are_invariant_to_gain_and_offset(reference, gain, offset):
    assume(reference.std() > 1)
    restored = gain * reference + offset
    assert affine_fit(restored, reference) == pytest.approx((1 / gain, -offset / gain), rel=1e-4, abs=1e-4)
    assert si_psnr(restored, reference) > 90
    assert linearity(restored, reference)[:2] == pytest.approx((gain, offset), rel=1e-5, abs=1e-3)


def test_linearity_detects_compression(rng):
    reference = rng.random((4, 40, 40))
    assert linearity(3 * reference - 1, reference) == pytest.approx((3, -1, 0), abs=1e-9)
    bent = linearity(np.sqrt(reference), reference)
    assert bent.slope == pytest.approx(0.8, abs=0.1)
    assert bent.largest_deviation_percent > 10
    assert si_psnr(np.sqrt(reference), reference) > 20


def test_linearity_bins_are_quantiles(rng):
    reference, restored = rng.random((2, 1, 40, 50))
    chunks = np.array_split(np.argsort(reference, axis=None), 20)
    means = [[values.ravel()[chunk].mean() for chunk in chunks] for values in (reference, restored)]
    assert linearity(restored, reference)[:2] == pytest.approx(tuple(np.polyfit(*means, 1)), rel=1e-9)


@pytest.mark.parametrize("bright", [1, 60, 99])
def test_linearity_of_two_gray_levels_is_the_line_through_them(bright):
    reference = np.zeros(100)
    reference[:bright] = 4.0
    assert linearity((2 * reference + 1).reshape(10, 10), reference.reshape(10, 10)) == pytest.approx(
        (2, 1, 0), abs=1e-12
    )


def test_linearity_of_a_flat_restoration_is_infinite(scene, rng):
    assert linearity(np.zeros_like(scene), scene).largest_deviation_percent == np.inf


def test_pixel_sample_of_a_large_movie_is_even(monkeypatch, noisy, scene):
    exact = linearity(noisy, scene), nrmse_affine(noisy, scene)
    monkeypatch.setattr(pairs, "SAMPLE_SIZE", scene.size // 3)
    assert linearity(noisy, scene).slope == pytest.approx(exact[0].slope, rel=0.02)
    assert nrmse_affine(noisy, scene) == pytest.approx(exact[1], rel=0.1)


@pytest.mark.parametrize("spacing", [1, 3, 8, 100])
def test_pixel_sample_includes_every_column(monkeypatch, spacing):
    movie = np.broadcast_to(np.arange(64.0), (12, 48, 64))
    monkeypatch.setattr(pairs, "SAMPLE_SIZE", movie.size // spacing)
    sample = pairs.PixelSample.of_shape(movie.shape)
    for frame in movie:
        sample.add(frame, -frame)
    assert sample.taken == sample.reference.size
    assert set(sample.restored) == set(range(64))
    assert np.array_equal(sample.restored, -sample.reference)


@pytest.mark.parametrize("metric", [psnr, si_psnr, ssim, nrmse_affine, affine_fit, linearity])
def test_fidelity_rejects_invalid_input(metric, scene):
    broken = scene.copy()
    broken[2, 3, 4] = np.nan
    with pytest.raises(InputError, match=r"restored has shape .*\(12, 48, 64\) and reference has \(11, 48, 64\)"):
        metric(scene, scene[1:])
    with pytest.raises(InputError, match="frame 2 of restored contains NaN"):
        metric(broken, scene)
    with pytest.raises(InputError, match="frame 2 of reference contains NaN"):
        metric(scene, broken)
    with pytest.raises(InputError, match=r"reference is constant \(every pixel 7\)"):
        metric(scene, np.full_like(scene, 7))


@pytest.mark.parametrize("shape", [(), (5,), (1, 2, 3, 4), (0, 4, 4)])
def test_fidelity_rejects_other_numbers_of_axes(shape):
    with pytest.raises(InputError, match=r"expected \(Y, X\) or \(T, Y, X\)"):
        psnr(np.zeros(shape), np.zeros(shape))


def test_fidelity_rejects_invalid_arguments(scene):
    with pytest.raises(InputError, match="dtype complex128, expected integers or real floats"):
        psnr(scene + 1j, scene)
    with pytest.raises(InputError, match="SSIM needs at least 11 × 11"):
        ssim(scene[:, :10], scene[:, :10])
    with pytest.raises(InputError, match="n_bins is 1"):
        linearity(scene, scene, n_bins=1)


@pytest.mark.parametrize("data_range", [0, -1.0, math.nan, math.inf])
def test_data_range_must_be_finite_and_positive(scene, data_range):
    with pytest.raises(InputError, match=r"data_range is .*, expected a finite number above 0"):
        psnr(scene, scene, data_range=data_range)
