"""Scale, strata, scores and range of single fields."""

from __future__ import annotations

import numpy as np
import pytest

from decrappify.errors import InputError
from decrappify.movie import Movie
from decrappify.trust.intervals.domain import calibrated_ranges, deviation
from decrappify.trust.intervals.fields import FACTORS, count_scores, field_terms, losses_of
from decrappify.trust.intervals.scale import Noise, error_scale, measure_noise
from decrappify.trust.intervals.strata import STRATA, stratum_of


@pytest.fixture
def field(rng):
    """Measured and expected gray levels of 2 frames: a gradient, 2 gray levels per photon."""
    expected = np.tile(100 + np.linspace(20, 300, 96, dtype=np.float32), (2, 96, 1))
    return (rng.poisson((expected - 100) / 2) * 2 + 100).astype(np.uint16), expected


def test_noise_follows_the_brightness_and_has_no_negative_slope(field, rng):
    measured, expected = field
    noise = measure_noise([measured[0]], [expected[0]])
    assert noise.deviation(np.float32(300)) == pytest.approx(20, rel=0.1)
    dark = rng.normal(0, np.linspace(5, 1, 96), (96, 96))
    assert measure_noise([expected[0] + dark], [expected[0]]).slope == 0
    assert measure_noise([expected[0]], [expected[0]]).deviation(expected[0]).min() > 0


def test_error_scale_is_larger_at_edges_scales_with_gray_levels_and_passes_over_nan():
    step = np.full((64, 64), 100, np.float32)
    step[:, 32:] = 200
    noise = Noise(100.0, 0.0, 1.0)
    scale = error_scale(step, noise)
    assert scale[32, 32] > 1.5 * scale[32, 5]
    np.testing.assert_allclose(error_scale(3 * step + 1000, Noise(900.0, 0.0, 1.0)), 3 * scale, rtol=1e-3)
    step[10, 10] = np.nan
    assert np.isfinite(error_scale(step, noise)).all()


def test_strata_contain_halves_of_the_background_and_quarters_of_the_foreground(field):
    movies = [Movie.from_array(each) for each in field]
    terms = field_terms(*movies, range(2), 0)
    count = np.bincount(stratum_of(field[1], terms.limits).ravel(), minlength=len(STRATA))
    np.testing.assert_allclose(count[:2], count[:2].mean(), rtol=0.05)
    np.testing.assert_allclose(count[2:], count[2:].mean(), rtol=0.15)


def test_scores_count_the_pixels_outside_of_the_intervals(field):
    expected = field[1]
    terms = field_terms(*(Movie.from_array(each) for each in field), range(2), 0)
    half = error_scale(expected[0], terms.noise) * np.float32(FACTORS[150])
    reference = expected[0] + np.where(np.arange(96) % 4 == 0, 1.01, 0.9) * half
    reference[0, :5] = np.nan
    counts = count_scores(expected[0], reference, terms)
    assert counts.sum() == 96 * 96 - 5
    losses = losses_of(counts)
    assert losses[:, 150] == pytest.approx(0.25, abs=0.1)
    assert (losses[:, 160] == 0).all()


def test_terms_use_the_measured_frames_of_the_result_and_refuse_results_without_pixels(field):
    measured, expected = (Movie.from_array(each) for each in field)
    one = field_terms(measured, expected[1:], [1], 0)
    assert one == field_terms(measured[1:], expected[1:], [0], 0)
    assert set(one.features) == {"brightness", "noise", "correlation", "detail", "signal", "residual"}
    with pytest.raises(InputError, match=r"no finite pixels in channel C0"):
        field_terms(measured, Movie.from_array(np.full((2, 96, 96), np.nan, np.float32)), range(2), 0)


def test_deviation_is_found_for_movies_outside_of_the_calibrated_fields(rng):
    names = ("brightness", "noise", "correlation", "detail", "signal", "residual")
    fields = [dict(zip(names, np.exp(rng.normal(-2, 0.1, 6)), strict=True)) for _ in range(40)]
    ranges, limit = calibrated_ranges(fields)
    assert sum(deviation(each, ranges, limit) is not None for each in fields) <= 2
    found = deviation(fields[0] | {"noise": 2 * fields[0]["noise"]}, ranges, limit)
    assert (found.feature, found.is_high) == ("noise", True)
    assert deviation({}, ranges, limit) is None
    assert calibrated_ranges(fields[:9]) == ({}, 0.0)
