from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from decrappify.domain import measure_features

SIGMA = 0.05


@pytest.fixture(scope="module")
def cells():
    """Smooth bright spots on a dark background, scaled from 0 to 1."""
    image = np.zeros((128, 128))
    image[8::32, 12::40] = 1
    image = gaussian_filter(image, 6)
    return image / image.max()


def noisy(image, sigma_px=0.0):
    """Add noise of a fixed variance, smoothed by a Gaussian."""
    noise = np.random.default_rng(1).normal(size=image.shape)
    noise = gaussian_filter(noise, sigma_px) if sigma_px else noise
    return image + SIGMA * noise / noise.std()


def test_noise_is_the_standard_deviation_in_units_of_the_range(cells):
    features = measure_features([noisy(cells)])
    extent = np.subtract(*np.percentile(cells, (99.8, 1)))
    assert features["noise"] == pytest.approx(SIGMA / extent, rel=0.2)


@pytest.mark.parametrize(("sigma_px", "neighbors"), [(0, 0), (0.7, 0.58), (1, 0.78)])
def test_correlation_of_neighbors_is_measured_in_a_single_image(cells, sigma_px, neighbors):
    assert measure_features([noisy(cells, sigma_px)])["correlation"] == pytest.approx(neighbors, abs=0.1)


def test_brightness_separates_dark_and_bright_backgrounds(cells):
    dark, bright = (measure_features([noisy(image)])["brightness"] for image in (cells, 1 - cells))
    assert dark < 0.2
    assert bright > 0.8


def test_detail_falls_with_finer_sampling(cells):
    coarse, fine = (measure_features([noisy(image)])["detail"] for image in (cells[::2, ::2], cells))
    assert coarse > 1.2 * fine


def test_features_do_not_depend_on_gain_and_offset(cells):
    image = noisy(cells)
    assert measure_features([1000 + 300 * image]) == pytest.approx(measure_features([image]), rel=1e-3)


def test_features_of_several_regions_exclude_tiles_with_nan(cells):
    image = noisy(cells)
    holes = image.copy()
    holes[:3, :3] = np.nan
    holes[40, 40], holes[41, 41] = np.inf, -np.inf
    both, one = measure_features([image, holes]), measure_features([image])
    assert both["noise"] == pytest.approx(one["noise"], rel=0.1)


@pytest.mark.parametrize("image", [np.full((128, 128), 7), np.eye(40), np.full((99, 99), np.nan)])
def test_features_of_constant_small_and_nan_images_are_none(image):
    assert measure_features([image]) is None
