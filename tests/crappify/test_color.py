from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from decrappify.crappify import (
    BinDown,
    Blur,
    Brightness,
    Contrast,
    Crappifier,
    FilmNoise,
    Gaussian,
    Gray,
    Jpeg,
    OneOf,
    Text,
    crappifier_preset,
    crappify_movie,
)
from decrappify.crappify.color import luma
from decrappify.errors import InputError
from decrappify.movie import Movie
from decrappify.normalization import Normalization


@pytest.fixture
def image() -> np.ndarray:
    """A smooth color image (3, Y, X), similar to a photograph."""
    y, x = np.mgrid[:40, :56] / 40
    return np.stack([x / 1.4, y, (np.sin(9 * x) + 1) / 2]).astype(np.float32)


def eight_bit(image: np.ndarray) -> np.ndarray:
    return np.rint(image * 255).astype(np.uint8)


def is_gray(image: np.ndarray) -> bool:
    return bool((image == image[..., :1, :, :]).all())


def test_luma_is_that_of_pillow(rng):
    pixels = rng.integers(0, 256, (2, 3, 200, 300), dtype=np.uint8)
    expected = [np.asarray(Image.fromarray(each).convert("L")) for each in np.moveaxis(pixels, 1, -1)]
    np.testing.assert_array_equal(luma(pixels), expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_gray_is_the_luma_in_three_channels_for_every_dtype(dtype, rng):
    pixels = rng.integers(0, 256, (3, 16, 24), dtype=np.uint8)
    full = 1 if dtype is np.float32 else np.iinfo(dtype).max
    gray = Crappifier([Gray()])((pixels * (full / 255)).astype(dtype), rng)
    assert gray.dtype == dtype
    np.testing.assert_array_equal(np.rint(gray * (255 / full)), np.stack([luma(pixels)] * 3))


def test_gray_converts_each_image_of_a_window(image, rng):
    window = np.stack([image, 1 - image])
    gray = crappifier_preset("colour-grey")
    assert gray.color
    np.testing.assert_array_equal(gray(window, rng), [gray(image, rng), gray(1 - image, rng)])


def test_film_noise_is_equal_in_all_colors_and_has_the_stated_strength(image, rng):
    noise = Crappifier([FilmNoise(fraction=0.2, offset=30)])(image, rng, color=True) - image
    levels = noise * 255
    np.testing.assert_allclose(levels, np.rint(levels), atol=1e-4)
    np.testing.assert_allclose(noise, noise[:1].repeat(3, axis=0), atol=1e-6)
    changed_pixels = np.rint(levels[0]) != 0
    assert changed_pixels.mean() == pytest.approx(
        (1 - np.exp(-0.2)) * 59 / 60, abs=0.04
    )  # with replacement; 1 offset of 60 is 0
    assert -60 <= levels.min() < -25
    assert 25 < levels.max() < 58


def test_film_noise_is_drawn_anew_for_each_frame_and_not_clipped(rng):
    window = np.ones((400, 3, 12, 12), np.float32)
    noise = Crappifier([FilmNoise()]).fixed(rng)(window, rng, color=True) - 1
    assert noise.max() > 0
    assert not np.array_equal(noise[0], noise[1])
    drawn = [FilmNoise().fixed(rng).fraction for _ in range(300)]
    assert 0.001 <= min(drawn) < 0.02 < 0.38 < max(drawn) <= 0.4


def test_brightness_shifts_middle_gray_and_contrast_keeps_it(rng):
    ramp = np.linspace(0, 1, 101, dtype=np.float32)[None, None].repeat(2, axis=1)
    bright = Crappifier([Brightness(0.7)])(ramp, rng)
    hard, flat = (Crappifier([Contrast(factor)])(ramp, rng) for factor in (2, 0.5))
    np.testing.assert_allclose([bright[0, 0, 50], hard[0, 0, 50], flat[0, 0, 50]], [0.7, 0.5, 0.5], atol=1e-6)
    logit = np.log(ramp[..., 1:-1] / (1 - ramp[..., 1:-1]))
    np.testing.assert_allclose(hard[..., 1:-1], 1 / (1 + np.exp(-2 * logit)), atol=1e-5)
    for changed in (bright, hard, flat):
        assert (np.diff(changed) > -1e-6).all()
        np.testing.assert_allclose(changed[..., [0, -1]], [[[0, 1], [0, 1]]], atol=1e-3)


def test_brightness_of_half_and_contrast_of_one_keep_the_image(image, rng):
    same = Crappifier([Brightness(0.5), Contrast(1.0)])(image, rng, color=True)
    np.testing.assert_allclose(same, image, atol=1e-6)


@pytest.mark.parametrize(("change", "factor"), [(0.001, 10), (0.999, 10), (0.001, 0.1)])
def test_extreme_brightness_and_contrast_stay_in_range(change, factor, rng):
    ends = Crappifier([Brightness(change), Contrast(factor)])(np.float32([[-5, 0, 0.5, 1, 9]]), rng)
    assert np.isfinite(ends).all()
    assert 0 <= ends.min() <= ends.max() <= 1


def test_color_jpeg_equals_that_of_pillow(image, rng):
    buffer = io.BytesIO()
    Image.fromarray(np.moveaxis(eight_bit(image), 0, -1)).save(buffer, format="JPEG", quality=30)
    expected = np.moveaxis(np.asarray(Image.open(buffer)), -1, 0)
    found = Crappifier([Jpeg(30)])(eight_bit(image), rng, color=True)
    np.testing.assert_array_equal(found, expected)


def test_parts_without_color_mixing_treat_channels_separately(image, rng):
    blurred = Crappifier([Blur(1.5)])(image, rng, color=True)
    np.testing.assert_array_equal(blurred, Crappifier([Blur(1.5)])(image, rng))
    small = Crappifier([BinDown(4)])(np.stack([image] * 2), rng, color=True)
    assert small.shape == (2, 3, 10, 14)
    noise = Crappifier([Gaussian(0.1)])(image, rng, color=True) - image
    assert abs(np.corrcoef(noise.reshape(3, -1))[0, 1]) < 0.1


def test_printed_text_is_gray(rng):
    assert is_gray(Crappifier([Text()])(np.zeros((2, 3, 64, 64), np.float32), rng, color=True))


@pytest.mark.parametrize("name", ["colour-grey", "colour-old-photo", "colour-old-film"])
def test_color_presets_return_gray_images_of_the_same_content(name, image, rng):
    for _ in range(5):
        source = crappifier_preset(name)(image, rng)
        assert is_gray(source)
        assert np.corrcoef(source[0].ravel(), luma(eight_bit(image)).ravel())[0, 1] > 0.7


def test_choice_mixes_colors_if_one_of_its_parts_does(image, rng):
    choice = Crappifier([OneOf(parts=(Gray(), Blur(1.0)))])
    assert choice.color
    assert {is_gray(choice(image, rng)) for _ in range(20)} == {True, False}


def test_skipped_gray_step_still_mixes_colors(image, rng):
    rare = Crappifier([Gray(probability=0.01), FilmNoise(fraction=0.3)])
    noise = rare(image, rng) - image
    np.testing.assert_allclose(noise, noise[:1].repeat(3, axis=0), atol=1e-6)


@pytest.mark.parametrize(
    ("crappifier", "shape", "options", "message"),
    [
        ("colour-grey", (8, 8), {}, r"shape \(8, 8\) .*, colour-grey needs \(3, Y, X\) or"),
        ("colour-grey", (4, 8, 8), {}, r"needs \(3, Y, X\) or \(T, 3, Y, X\)"),
        ("colour-grey", (2, 1, 8, 8), {}, r"needs \(3, Y, X\) or \(T, 3, Y, X\)"),
        ("colour-grey", (3, 8, 8), {"color": False}, "colour-grey mixes red, green and blue; omit color=False"),
        (
            "confocal",
            (2, 3, 8, 8),
            {},
            r"needs \(Y, X\) or \(T, Y, X\) .*; pass channels one by one, or color=True for",
        ),
        ("confocal", (8, 8), {"color": True}, r"confocal needs \(3, Y, X\) .*; the 3 are red, green"),
        ("confocal-x2", (3, 8, 9), {"color": True}, r"8 x 9 pixels .*crop it to 8 x 8"),
    ],
)
def test_unsuitable_images_raise(crappifier, shape, options, message, rng):
    with pytest.raises(InputError, match=message):
        crappifier_preset(crappifier)(np.zeros(shape, np.float32), rng, **options)


def test_gray_raises_for_one_channel(rng):
    with pytest.raises(InputError, match="grey: the image has one channel, expected red, green and blue"):
        Gray().apply(np.zeros((1, 4, 4), np.float32), rng, np.zeros(1, np.int64))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Brightness(0), "brightness: change is 0, expected a number at least 0.001 and at most 0.999"),
        (lambda: Contrast((0, 2)), r"contrast: factor is \(0, 2\), expected a number at least 0.1 and at most 10"),
        (lambda: FilmNoise(offset=0.5), "film_noise: offset is 0.5, expected an integer at least 1"),
        (lambda: FilmNoise(fraction=2), "film_noise: fraction is 2, expected a number at least 0 and at most 1"),
    ],
)
def test_invalid_settings_raise(make, message):
    with pytest.raises(InputError, match=message):
        make()


class TestMovies:
    @pytest.fixture
    def film(self, rng) -> Movie:
        return Movie.from_array(rng.integers(0, 256, (2, 3, 1, 16, 24), dtype=np.uint8), name="film")

    def test_colors_are_degraded_together_in_any_order_of_reading(self, film):
        gray = crappify_movie(film, crappifier_preset("colour-grey"))
        pixels = np.asarray(film)[:, :, 0]
        np.testing.assert_array_equal(gray.frame(1, 2), luma(pixels[1]))
        np.testing.assert_array_equal(gray.region(0, 1, 0, slice(2, 9), slice(3, 5)), luma(pixels[0])[2:9, 3:5])
        noisy = [
            np.asarray(crappify_movie(film, crappifier_preset("colour-old-film"), seed=seed)) for seed in (1, 1, 2)
        ]
        np.testing.assert_array_equal(noisy[0], noisy[1])
        assert is_gray(noisy[0][:, :, 0])
        assert not np.array_equal(noisy[0], noisy[2])

    def test_unsuitable_movies_raise(self, film):
        gray, levels = crappifier_preset("colour-grey"), [Normalization(0, scale) for scale in (255, 255, 200)]
        with pytest.raises(InputError, match="movie has 1 channel, expected red, green and blue"):
            crappify_movie(Movie.from_array(np.zeros((2, 8, 8), np.uint8)), gray)
        with pytest.raises(
            InputError, match="separate normalizations, expected a single one for a crappifier of colors"
        ):
            crappify_movie(film, gray, normalization=levels)
