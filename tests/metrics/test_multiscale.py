from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity

from decrappify.errors import InputError
from decrappify.metrics import multiscale
from decrappify.metrics.fidelity import ssim
from decrappify.metrics.multiscale import SCALE_WEIGHTS, SSIMTerms, foreground_ssim, micro_ssim, ms_ssim, n_scales


@pytest.fixture
def cells(rng) -> np.ndarray:
    """Bright blobs on a dark, wide background (192, 200), above an offset of 100."""
    spots = np.zeros((192, 200))
    spots[rng.integers(20, 100, 40), rng.integers(20, 100, 40)] = 4000
    return 100 + gaussian_filter(spots, 3)


@pytest.mark.parametrize("noise", [5, 40])
def test_similarity_equals_scikit_image(cells, rng, noise):
    noisy, width = cells + rng.normal(0, noise, cells.shape), float(np.ptp(cells))
    expected = structural_similarity(
        cells, noisy, data_range=width, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert SSIMTerms.of(noisy, cells).similarity(width).mean() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("shape", [(192, 200), (3, 177, 181)])
@pytest.mark.parametrize(
    ("weights", "tolerance"),
    [
        # torchmetrics includes the borders of the coarsest scale, by reflection; without that scale, both agree.
        ((0.1, 0.3, 0.4, 0.2, 0.0), 1e-7),
        (SCALE_WEIGHTS, 2e-3),
    ],
)
@pytest.mark.slow
def test_ms_ssim_equals_torchmetrics(rng, shape, weights, tolerance, monkeypatch):
    functional = pytest.importorskip("torchmetrics.functional.image", reason="torchmetrics is not installed")
    import torch

    monkeypatch.setattr(multiscale, "SCALE_WEIGHTS", weights)
    reference = gaussian_filter(rng.random(shape), (0,) * (len(shape) - 2) + (2, 2))
    noisy = reference + rng.normal(0, 0.05, shape)
    stacks = [torch.from_numpy(a.reshape(-1, 1, *shape[-2:])) for a in (noisy, reference)]
    expected = functional.multiscale_structural_similarity_index_measure(
        *stacks, data_range=float(np.ptp(reference)), betas=weights
    )
    assert ms_ssim(noisy, reference) == (pytest.approx(float(expected), rel=tolerance), 5)


def test_ms_ssim_of_a_small_frame_has_fewer_scales(rng):
    reference = gaussian_filter(rng.random((48, 50)), 1)
    noisy = reference + rng.normal(0, 0.1, reference.shape)
    score = ms_ssim(noisy, reference)
    assert score.n_scales == n_scales((48, 50)) == 3
    assert 0.05 < score.value < 0.999
    assert ms_ssim(noisy[:20, :20], reference[:20, :20], data_range=np.ptp(reference)).value == pytest.approx(
        ssim(noisy[:20, :20], reference[:20, :20], data_range=np.ptp(reference))
    )


def test_ms_ssim_of_an_inverted_image_is_zero(rng):
    reference = gaussian_filter(rng.random((64, 64)), 2)
    assert ms_ssim(-reference, reference).value == 0


def test_dark_background_raises_ssim_only(cells, rng):
    noisy = cells + rng.normal(0, 12, cells.shape)
    flat = np.full_like(cells, np.median(cells))
    assert ssim(flat, cells) > 0.5
    assert foreground_ssim(flat, cells).value < 0.3
    assert foreground_ssim(noisy, cells).value > foreground_ssim(flat, cells).value
    assert 0.02 < foreground_ssim(noisy, cells).share < 0.3


def test_foreground_ssim_without_foreground_is_nan():
    reference = np.zeros((30, 30))
    reference[0, 0] = 9
    assert foreground_ssim(reference, reference) == (pytest.approx(np.nan, nan_ok=True), 0)


def test_micro_ssim_corrects_gain_and_background(cells, rng):
    references = [cells, 500 + 2 * np.roll(cells, 30, axis=1)]
    perfect = micro_ssim([0.02 * reference + 7 for reference in references], references)
    assert perfect.gain == pytest.approx(50, rel=0.01)
    assert perfect.values == pytest.approx((1, 1), abs=1e-4)


def test_micro_ssim_uses_one_gain(cells):
    references = [cells, cells]
    same, different = (micro_ssim([cells * gain for gain in gains], references) for gains in ((2, 2), (1, 4)))
    assert np.mean(same.values) > np.mean(different.values) + 0.01
    assert 1 / 4 < different.gain < 1


def test_micro_ssim_gain_maximizes_similarity(cells, rng):
    for noise in (0.1, 2.0):
        noisy = cells * 0.3 + rng.normal(0, noise, cells.shape)
        found = micro_ssim([noisy], [cells])
        low, high = (np.percentile(image, 3) for image in (noisy, cells))
        terms = SSIMTerms.of((noisy - low) / np.ptp(cells), (cells - high) / np.ptp(cells))
        center = terms.reference_mean.std() / terms.restored_mean.std()
        scan = [terms.similarity(1.0, gain).mean() for gain in np.geomspace(center / 2, 2 * center, 200)]
        assert found.values[0] == pytest.approx(max(scan), abs=1e-3)
    assert terms.similarity(1.0, 1e-3).mean() > 2 * found.values[0], "the background alone would yield a gain of 0"


@pytest.mark.parametrize("metric", [ms_ssim, foreground_ssim, lambda r, g: micro_ssim([r], [g])])
def test_multiscale_metrics_reject_invalid_input(metric, rng):
    with pytest.raises(InputError, match=r"frames are 10 × 40 pixels, .* needs at least 11 × 11"):
        metric(*rng.random((2, 10, 40)))
    with pytest.raises(InputError, match="must be equal"):
        metric(rng.random((20, 20)), rng.random((20, 21)))
    with pytest.raises(InputError, match="constant"):
        metric(rng.random((20, 20)), np.ones((20, 20)))


def test_micro_ssim_rejects_unpaired_images():
    with pytest.raises(InputError, match="there are 1 restored and 0 reference images"):
        micro_ssim([np.zeros((20, 20))], [])
