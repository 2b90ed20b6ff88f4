from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from tests.restoration.conftest import WindowMean, as_model

from decrappify.movie import Movie
from decrappify.restoration.job.job import Job
from decrappify.restoration.measurement.neighbors import highest_neighbor
from decrappify.restoration.measurement.outliers import (
    NoiseOnDemand,
    OutlierLimits,
    find_outliers,
    isolated_pixels,
    replaced,
)

LIMITS = OutlierLimits(zero=0.0, high=2.0, low=-1.0, bright=0.5, dark=0.5)


def structure(rng, size=64):
    smooth = gaussian_filter(rng.random((size, size)), 2)
    return ((smooth - smooth.min()) / np.ptp(smooth)).astype(np.float32)


def outliers_of(plane, limits=LIMITS):
    outliers = find_outliers(plane, limits)
    return [] if outliers is None else [tuple(place) for place in np.argwhere(outliers).tolist()]


@pytest.mark.parametrize("level", [3, 10, 1000, 1e30, np.inf, -3, -1e30])
@pytest.mark.parametrize("place", [(0, 0), (63, 30), (31, 17), (20, 63)])
def test_find_outliers_finds_a_single_pixel_anywhere(rng, level, place):
    plane = structure(rng)
    plane[place] = level
    assert outliers_of(plane) == [place]


def test_find_outliers_finds_clusters_of_several_levels(rng):
    plane = structure(rng)
    cluster = [(10, 10), (10, 11), (11, 10), (40, 20), (40, 21), (52, 52)]
    for place, level in zip(cluster, (10, 10, 9, 1000, 5, 3), strict=True):
        plane[place] = level
    assert outliers_of(plane) == cluster


@pytest.mark.parametrize("width", [1, 2])
def test_find_outliers_finds_columns_and_rows(rng, width):
    plane = structure(rng)
    plane[:, 30 : 30 + width] = 50
    assert len(outliers_of(plane)) == 64 * width
    plane = structure(rng)
    plane[12 : 12 + width, 5:40] = -20
    assert len(outliers_of(plane)) == 35 * width


@pytest.mark.parametrize("sigma", [0.6, 0.85, 1.5])
@pytest.mark.parametrize("peak", [3, 8, 60])
def test_find_outliers_ignores_spots_of_the_point_spread_function(rng, sigma, peak):
    plane = structure(rng) * 0.1
    spots = np.zeros((640, 640))  # on a grid ten times finer
    for y, x in rng.integers(40, 600, (12, 2)):
        spots[y, x] = 1
    spots = gaussian_filter(spots, 10 * sigma).reshape(64, 10, 64, 10).sum(axis=(1, 3))
    assert outliers_of(plane + (peak * spots / spots.max()).astype(np.float32)) == []


@pytest.mark.parametrize("photons", [1, 3, 10])
def test_find_outliers_ignores_shot_noise(rng, photons):
    noisy = (rng.poisson(photons * structure(rng, 256)) / photons).astype(np.float32)
    excess = noisy - highest_neighbor(noisy)
    threshold = max(0.5, 8 * float(np.percentile(excess, 99.5)))
    limits = OutlierLimits(zero=0.0, high=2.0, low=-1.0, bright=threshold, dark=threshold)
    assert outliers_of(noisy, limits) == []


def test_find_outliers_returns_none_within_the_limits_and_always_static_ones(rng):
    plane = structure(rng)
    assert find_outliers(plane, LIMITS) is None
    static = OutlierLimits(zero=0.0, high=2.0, low=-1.0, bright=0.5, dark=0.5, static=((3, 4), (60, 2)))
    assert outliers_of(plane, static) == [(3, 4), (60, 2)]
    assert OutlierLimits.from_dict(static.to_dict()) == static


@pytest.mark.parametrize(("pixels", "needed"), [([(20, 30)], True), ([(20, 30), (20, 31), (21, 30)], False)])
def test_find_outliers_estimates_noise_only_for_isolated_pixels(rng, pixels, needed):
    plane = structure(rng)
    for place, level in zip(pixels, (10, 9.5, 3), strict=False):
        plane[place] = level
    plane[19:22, 29:32] += 1.5 if len(pixels) > 1 else 0
    noise = NoiseOnDemand(plane)
    find_outliers(plane, LIMITS, noise)
    isolated_pixels(plane, 0.5, 0.5, noise)
    assert ("noise" in vars(noise)) == needed


def test_isolated_pixels_finds_dead_pixels_within_the_range(rng):
    plane = 0.5 + 0.5 * structure(rng)
    plane[20, 30] = 0
    assert np.argwhere(isolated_pixels(plane, 0.3, 0.3)).tolist() == [[20, 30]]


def test_replaced_pixels_follow_their_surroundings(rng):
    rows, columns = np.mgrid[:32, :32].astype(np.float32) / 32
    surface = rows**2 - 0.5 * rows * columns + columns
    plane, outliers = surface.copy(), np.zeros((32, 32), bool)
    for place in [(10, 10), (0, 0), (31, 5), (20, 20), (20, 21)]:
        plane[place], outliers[place] = 1000, True
    result = replaced(plane, outliers)
    np.testing.assert_allclose(result, surface, atol=0.05)
    np.testing.assert_array_equal(result[~outliers], plane[~outliers])
    assert plane[10, 10] == 1000


@pytest.mark.parametrize("shape", [(1, 9), (2, 2), (3, 40)])
def test_find_outliers_accepts_tiny_planes(shape):
    plane = np.zeros(shape, np.float32)
    plane[0, 0] = 100
    outliers = find_outliers(plane, LIMITS)
    assert np.argwhere(outliers).tolist() == [[0, 0]]
    assert np.isfinite(replaced(plane, outliers)).all()
    assert find_outliers(plane[:1, :1], LIMITS) is None


@pytest.mark.parametrize("corner", [(30, 20), (0, 0), (62, 0), (0, 62)])
def test_find_outliers_finds_small_blocks_also_in_corners(rng, corner):
    plane = structure(rng) + rng.normal(0, 0.1, (64, 64)).astype(np.float32)
    y, x = corner
    plane[y : y + 2, x : x + 2] = 10
    assert outliers_of(plane) == [(y, x), (y, x + 1), (y + 1, x), (y + 1, x + 1)]


def test_find_outliers_finds_an_outlier_in_strong_noise(rng):
    plane = rng.normal(0.5, 0.75, (96, 96)).astype(np.float32)
    assert outliers_of(plane) == []
    plane[40, 50] = 10
    assert outliers_of(plane) == [(40, 50)]


def test_find_outliers_ignores_rare_photons_next_to_bright_structure(rng):
    bright = np.zeros((128, 128))
    bright[30:50, 20:90] = 1.5
    photons = gaussian_filter(bright, 4)
    for _ in range(20):
        assert outliers_of(rng.poisson(photons).astype(np.float32), LIMITS) == []


def test_job_measures_integers_with_a_hot_pixel_in_one_frame(rng):
    pixels = rng.integers(90, 4000, (9, 40, 52), dtype=np.uint16)
    pixels[4, 20, 30] = 65000
    job = Job(Movie.from_array(pixels), as_model(WindowMean(3)))
    (channel,) = job.measure()
    assert channel.normalization.scale < 6000
    assert channel.limits is not None
