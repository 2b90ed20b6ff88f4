from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from PIL import Image

from decrappify.colorization import chroma
from decrappify.colorization.chroma import gray_of, luma_of, merge_luma
from decrappify.errors import InputError

SHAPE = st.tuples(st.integers(1, 6), st.integers(1, 6), st.just(3))
DTYPES = st.sampled_from([np.uint8, np.uint16])


@st.composite
def originals_and_colors(draw):
    shape = draw(SHAPE)
    original = draw(st_numpy.arrays(draw(DTYPES), shape))
    return original, draw(st_numpy.arrays(np.uint8, shape))


def slowly_merged(original, color):
    """Compute one pixel by OpenCV's documented formula, in Python integers."""

    def rounded(x):
        return (x + (1 << 13)) >> 14

    def clipped(x):
        return min(max(x, 0), 255)

    y, y_color = (rounded(4899 * r + 9617 * g + 1868 * b) for r, g, b in (original, color))
    u = clipped(rounded(8061 * (color[2] - y_color)) + 128) - 128
    v = clipped(rounded(14369 * (color[0] - y_color)) + 128) - 128
    return [clipped(y + rounded(x)) for x in (18678 * v, -6472 * u - 9519 * v, 33292 * u)]


def test_gray_of_equals_pillow(rng):
    image = rng.integers(0, 256, (50, 40, 3), dtype=np.uint8)
    np.testing.assert_array_equal(gray_of(image), np.asarray(Image.fromarray(image).convert("L")))


def test_merge_luma_equals_the_original_bit_for_bit(parity):
    original, raw = (np.load(parity / f"filter_{name}.npy") for name in ("input_rgb", "rf8_raw"))
    np.testing.assert_array_equal(merge_luma(original, raw), np.load(parity / "filter_rf8_final.npy"))


def test_merge_luma_follows_the_integer_formula(rng):
    original, color = rng.integers(0, 256, (2, 12, 9, 3), dtype=np.uint8)
    original[0], color[0] = rng.choice([0, 255], (2, 9, 3))
    pixels = zip(original.reshape(-1, 3).tolist(), color.reshape(-1, 3).tolist(), strict=True)
    expected = [slowly_merged(*pair) for pair in pixels]
    np.testing.assert_array_equal(merge_luma(original, color).reshape(-1, 3), expected)


@settings(max_examples=30, deadline=None)
@given(originals_and_colors())
def test_merge_luma_of_gray_color_is_gray(pair):
    original, color = pair
    merged = merge_luma(original, np.repeat(color[..., :1], 3, axis=2))
    np.testing.assert_array_equal(merged, np.repeat(luma_of(original)[..., None], 3, axis=2))


@settings(max_examples=50, deadline=None)
@given(originals_and_colors())
def test_merge_luma_keeps_the_luma_of_pixels_that_are_not_clipped(pair):
    original, color = pair
    merged = merge_luma(original, color)
    limit = np.iinfo(original.dtype).max
    inside = ((merged > 0) & (merged < limit)).all(axis=-1)
    # The luma of the chroma is zero except for the rounding of the coefficients: 2e-5 of the range.
    tolerance = 1 if original.dtype == np.uint8 else 40
    assert np.abs(luma_of(merged) - luma_of(original))[inside].max(initial=0) <= tolerance


@settings(max_examples=30, deadline=None)
@given(originals_and_colors())
def test_merge_luma_of_16_bits_has_the_colors_of_8_bits(pair):
    original, color = pair[0].astype(np.uint8), pair[1]
    deep = merge_luma(original.astype(np.uint16) * 257, color)
    assert deep.dtype == np.uint16
    # The results differ only by the rounding of the offsets to 8 bits.
    assert np.abs(deep / 257 - merge_luma(original, color)).max() <= 1


def test_merge_luma_keeps_16_bit_luma():
    ramp = np.repeat(np.arange(20000, 20100, dtype=np.uint16)[None, :, None], 3, axis=2)
    merged = merge_luma(ramp, np.full((1, 100, 3), (90, 60, 30), np.uint8))
    np.testing.assert_array_equal(np.diff(merged.astype(int), axis=1), 1)


def test_merge_luma_does_not_depend_on_bands(rng, monkeypatch):
    original, color = rng.integers(0, 256, (2, 23, 11, 3), dtype=np.uint8)
    whole = merge_luma(original, color)
    monkeypatch.setattr(chroma, "_BAND_PIXELS", 30)
    np.testing.assert_array_equal(merge_luma(original, color), whole)


def test_merge_luma_limits_its_memory():
    original, color = np.zeros((2, 3000, 4000, 3), np.uint8)
    tracemalloc.start()
    merge_luma(original, color)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < original.nbytes + 80e6


@pytest.mark.parametrize(
    ("original", "color", "match"),
    [
        (
            np.zeros((4, 4), np.uint8),
            np.zeros((4, 4), np.uint8),
            r"shape \(4, 4\) and dtype uint8, expected \(Y, X, 3\)",
        ),
        (np.zeros((4, 4, 3)), np.zeros((4, 4, 3), np.uint8), "dtype float64, expected .* uint8 or uint16"),
        (
            np.zeros((4, 4, 3), np.uint8),
            np.zeros((4, 5, 3), np.uint8),
            r"expected \(4, 4, 3\) uint8 to fit",
        ),
        (np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4, 3), np.uint16), "color has shape .* and dtype uint16"),
    ],
)
def test_merge_luma_rejects_unsuitable_images(original, color, match):
    with pytest.raises(InputError, match=match):
        merge_luma(original, color)
