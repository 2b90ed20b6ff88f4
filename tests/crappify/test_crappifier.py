from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from decrappify.crappify import (
    BinDown,
    Blur,
    Crappifier,
    Gaussian,
    OneOf,
    Part,
    Poisson,
    SampleDown,
    crappifier_preset,
    preset_names,
)
from decrappify.errors import InputError

ONE_CHANNEL = [name for name in preset_names() if not crappifier_preset(name).color]


def image_of(seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).random((3, 32, 32), np.float32)


def test_seed_determines_the_image():
    crappifier = crappifier_preset("widefield-x2")
    first, again, other = (crappifier(image_of(), np.random.default_rng(seed)) for seed in (4, 4, 5))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_crappifier_does_not_change_its_input(rng):
    image = image_of()
    for name in preset_names():  # 3 frames, or red, green and blue
        crappifier_preset(name)(image, rng)
    np.testing.assert_array_equal(image, image_of())


def test_fixed_draws_the_setting_first_and_then_the_noise():
    crappifier = crappifier_preset("spinning-disk")
    rng = np.random.default_rng(3)
    np.testing.assert_array_equal(
        crappifier(image_of(), np.random.default_rng(3)), crappifier.fixed(rng)(image_of(), rng)
    )


def test_fixed_draws_values_within_their_ranges(rng):
    drawn = [Crappifier([Poisson((2, 200), background=(1, 3))]).fixed(rng) for _ in range(400)]
    photons = np.array([crappifier.steps[0].photons for crappifier in drawn])
    assert all(crappifier.is_fixed for crappifier in drawn)
    assert 2 <= photons.min() < 3
    assert 130 < photons.max() <= 200
    assert np.median(photons) == pytest.approx(20, rel=0.3)  # log-uniform
    assert drawn[0].fixed(rng) is drawn[0]


def test_fixed_crappifier_varies_only_the_noise(rng):
    setting = Crappifier([Blur((0.5, 3)), Gaussian((0.01, 0.1))]).fixed(rng)
    one, two = (setting(image_of(), rng) for _ in range(2))
    assert np.std(one - two) == pytest.approx(np.sqrt(2) * setting.steps[1].sigma, rel=0.05)


def test_step_is_applied_with_its_probability(rng):
    crappifier = Crappifier([Blur(1.0, probability=0.25), Gaussian(0.1)])
    applied = [len(crappifier.fixed(rng).steps) == 2 for _ in range(600)]
    assert np.mean(applied) == pytest.approx(0.25, abs=0.07)


def test_one_of_picks_all_alternatives_equally(rng):
    crappifier = Crappifier([OneOf(parts=(BinDown(2), SampleDown(2)))])
    picked = [crappifier.fixed(rng).steps[0].name for _ in range(300)]
    assert crappifier.scale == 2
    assert picked.count("bin_down") / 300 == pytest.approx(0.5, abs=0.12)
    assert set(picked) == {"bin_down", "sample_down"}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32, np.float64])
def test_gray_levels_and_dtype_are_kept(rng, dtype):
    image = (image_of() * 180 + 20).astype(dtype)
    noisy = Crappifier([Gaussian(0.05)])(image, rng, data_range=(20, 200))
    assert noisy.dtype == dtype
    assert noisy.mean() == pytest.approx(image.mean(), abs=1)
    assert np.std(noisy.astype(float) - image) == pytest.approx(0.05 * 180, rel=0.1)


def test_integers_are_rounded_and_clipped(rng):
    noisy = Crappifier([Gaussian(1.0)])(np.full((50, 50), 200, np.uint8), rng, data_range=(0, 255))
    assert (noisy.min(), noisy.max()) == (0, 255)


def test_data_range_of_an_integer_image_is_from_its_percentiles(rng):
    image = np.tile(np.arange(1001, dtype=np.uint16), (50, 1)) + 500
    noisy = Crappifier([Gaussian(0.1)])(image, rng)
    assert np.std(noisy.astype(float) - image) == pytest.approx(0.1 * 0.988 * 1000, rel=0.02)


@settings(max_examples=25, deadline=None)
@given(
    image=hnp.arrays(
        st.sampled_from([np.uint8, np.uint16, np.float32]),
        st.sampled_from([(16, 24), (1, 16, 16), (3, 16, 8)]),
        elements=st.integers(0, 255),
    ),
    name=st.sampled_from(ONE_CHANNEL),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_image_keeps_its_dtype_and_has_the_scaled_shape(image, name, seed):
    crappifier = crappifier_preset(name)
    noisy = crappifier(image, np.random.default_rng(seed), data_range=(0, 255))
    scaled = tuple(size // crappifier.scale for size in image.shape[-2:])
    assert noisy.dtype == image.dtype
    assert noisy.shape == (*image.shape[:-2], *scaled)
    assert np.isfinite(noisy).all()


def test_crappifier_without_steps_returns_its_input(rng):
    np.testing.assert_array_equal(Crappifier([])(image_of(), rng), image_of())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Gaussian(-0.1), "gaussian: sigma is -0.1, expected a number at least 0, or a (low, high) range"),
        (lambda: Gaussian((0.3, 0.1)), "gaussian: sigma is (0.3, 0.1), expected"),
        (lambda: Gaussian("0.1"), "gaussian: sigma is '0.1', expected"),
        (lambda: Gaussian(float("nan")), "gaussian: sigma is nan, expected"),
        (lambda: Poisson(0), "poisson: photons is 0, expected a number above 0"),
        (lambda: Gaussian(0.1, probability=0), "probability is 0, expected a number above 0 and at most 1"),
        (lambda: OneOf(parts=()), "expected at least one part"),
        (lambda: OneOf(parts=(BinDown(2), BinDown(4))), "factors [2, 4]"),
        (lambda: OneOf(parts=("blur",)), "expected a list of parts"),
        (lambda: OneOf(parts=(Blur(1.0, probability=0.5),)), "a separate probability"),
        (lambda: BinDown(2, probability=0.5), "needs probability 1, found 0.5"),
        (lambda: Crappifier(["blur"]), "a crappifier step is 'blur', expected a part"),
    ],
)
def test_invalid_settings_raise(make, message):
    with pytest.raises(InputError, match=re.escape(message)):
        make()


@pytest.mark.parametrize(
    ("image", "options", "message"),
    [
        (np.zeros((2, 3, 8, 8), np.float32), {}, "pass channels one by one"),
        (np.zeros((8, 8), bool), {}, "needs .* integers or real floats"),
        (np.zeros((8, 8), complex), {}, "needs .* integers or real floats"),
        (np.full((8, 8), np.nan, np.float32), {}, "contains NaN or infinity"),
        (np.full((8, 8), 7, np.uint16), {}, "constant .every pixel 7.; pass data_range"),
        (np.zeros((8, 8), np.uint16), {"data_range": (5, 5)}, "data_range is .5, 5., expected two gray levels"),
        (np.zeros((3, 8, 8), np.float32), {"times": [0, 1]}, "expected 3 integers, one per frame"),
    ],
)
def test_unsuitable_images_raise(image, options, message, rng):
    with pytest.raises(InputError, match=message):
        Crappifier([Gaussian()])(image, rng, **options)


@pytest.mark.parametrize(
    ("part", "message"), [(Gaussian((0, 1)), "still the range"), (OneOf(parts=(Blur(), Gaussian())), "still a choice")]
)
def test_part_that_is_not_fixed_raises(part: Part, message, rng):
    with pytest.raises(InputError, match=message):
        part.apply(image_of(), rng, np.arange(3))
