from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from decrappify.errors import InputError
from decrappify.movie import Movie
from decrappify.normalization import (
    IMAGENET,
    ChannelStatistics,
    Normalization,
    NormalizationRule,
    binned,
    finite_frame,
    measure,
    normalization_from_dict,
)


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from([np.uint8, np.int16, np.uint16]).flatmap(lambda dtype: arrays(dtype, (4, 5))),
    st.floats(-500, 5000),
    st.floats(1, 60_000),
)
def test_invert_restores_integers_exactly(frame, offset, scale):
    normalization = Normalization(offset, scale)
    assert normalization.apply(frame).dtype == np.float32
    np.testing.assert_array_equal(normalization.invert(normalization.apply(frame), frame.dtype), frame)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.int32])
def test_invert_clips_values_outside_an_integer_dtype(dtype):
    limits = np.iinfo(dtype)
    inverted = Normalization(0.0, 1e5).invert(np.array([-1e6, 0.0, 1e6], np.float32), dtype)
    assert inverted.tolist() == [limits.min, 0, limits.max]


def test_invert_does_not_clip_floats():
    values = np.array([-0.5, 0.25, 3.0], np.float32)
    np.testing.assert_allclose(Normalization(10.0, 4.0).invert(values, np.float32), [8.0, 11.0, 22.0])


def test_measure_raises_if_float64_does_not_resolve_the_gray_levels(rng):
    pixels = rng.integers(0, 1000, (2, 16, 16))
    for base, dtype in ((2**63, np.uint64), (-(2**60), np.int64)):
        movie = Movie.from_array(pixels.astype(dtype) + dtype(base))
        with pytest.raises(InputError, match="in steps that float64 does not resolve; subtract a constant"):
            measure(movie)
    large = Movie.from_array(pixels.astype(np.int64) * 10**13)
    assert measure(large).scale == pytest.approx(1e13 * measure(Movie.from_array(pixels)).scale)


def test_measure_uses_percentiles_of_binned_planes(rng):
    pixels = rng.integers(100, 1000, (3, 16, 20), dtype=np.uint16)
    blocks = pixels.reshape(3, 4, 4, 5, 4).mean(axis=(2, 4))
    low, high = np.percentile(blocks, [5, 90])
    found = measure(Movie.from_array(pixels), rule=NormalizationRule(low=5, high=90))
    assert (found.offset, found.scale) == pytest.approx((low, high - low))


def test_measure_reads_few_planes_of_each_channel():
    pixels = np.random.default_rng(0).random((100, 2, 1, 8, 8)) * np.array([1, 50])[:, None, None, None]
    movie, read = Movie.from_array(pixels), []
    original = movie._source.read
    movie._source.read = lambda *index: read.append(index[0]) or original(*index)
    assert measure(movie, 1, max_planes=5).scale > 10 * measure(movie, 0, max_planes=5).scale
    assert read == [0, 25, 50, 74, 99] * 2


def test_measure_accepts_sparse_objects_on_a_flat_background():
    pixels = np.zeros((1, 128, 128), np.uint8)
    pixels[0, :4, :4] = 200
    assert measure(Movie.from_array(pixels)) == Normalization(0.0, 200.0)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("shape", [(1, 1, 9), *((1, side, side + odd) for side in range(2, 16) for odd in (0, 1))])
def test_measure_finds_the_range_of_stills_of_any_size(shape, dtype, rng):
    pixels = rng.integers(1, 200, shape).astype(dtype)
    found = measure(Movie.from_array(pixels))
    assert pixels.min() <= found.offset < found.offset + found.scale <= pixels.max()
    assert found.scale > 0.2 * np.ptp(pixels)


def test_measure_detects_detail_finer_than_a_block():
    pixels = np.full((1, 16, 16), 10, np.uint16)
    pixels[:, ::2, ::2] = pixels[:, 1::2, 1::2] = 50
    assert measure(Movie.from_array(pixels)).scale == pytest.approx(40, rel=0.02)


@pytest.mark.parametrize(
    ("dtype", "full"), [("uint8", 255), ("uint16", 65535), ("int16", 32767), ("float32", 1), ("float16", 1)]
)
def test_measure_with_channel_statistics_uses_the_full_scale_without_reading(dtype, full):
    movie = Movie.from_array(np.zeros((2, 3, 1, 4, 4), dtype))
    movie._source.read = None
    found = [measure(movie, channel, IMAGENET.on_source(4)) for channel in range(3)]
    assert [norm.offset / full for norm in found] == pytest.approx([0.485, 0.456, 0.406])
    assert [norm.scale / full for norm in found] == pytest.approx([0.229, 0.224, 0.225])


@pytest.mark.parametrize("rule", [NormalizationRule(low=2, bin_size=1), ChannelStatistics((0.5, 0.25), (0.125, 1.0))])
def test_rules_and_statistics_round_trip_through_dictionaries(rule):
    assert normalization_from_dict(json.loads(json.dumps(rule.to_dict()))) == rule
    assert "kind" not in NormalizationRule().to_dict()  # otherwise, checksums of older models would change


@pytest.mark.parametrize("nan", ["error", "fill"])
def test_finite_frame_rejects_values_that_overflow_when_squared(nan):
    frame = np.array([[1.0, 2.0, -1e300]])
    with pytest.raises(InputError, match=r"^frame 0 of movie contains values up to 1e\+300, the largest .* is 1e\+100"):
        finite_frame(Movie.from_array(frame), 0, 0, 0, nan=nan)


def test_finite_frame_rejects_nan_or_keeps_it_on_request():
    pixels = np.ones((2, 8, 8), np.float32)
    pixels[1, 0, 0], pixels[1, 7, 7] = np.nan, np.inf
    movie = Movie.from_array(pixels, name="cells.tif")
    with pytest.raises(InputError, match=r"frame 1 of cells.tif contains NaN or infinity; pass nan='fill'"):
        measure(movie)
    assert np.argwhere(np.isnan(finite_frame(movie, 1, 0, 0, nan="fill"))).tolist() == [[0, 0], [7, 7]]
    with pytest.raises(InputError, match=r"nan='skip' is not known"):
        finite_frame(movie, 1, 0, 0, nan="skip")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: measure(Movie.from_array(np.full((3, 8, 8), 7), name="a.tif")),
            r"channel 0 of a.tif is constant .*level 7",
        ),
        (lambda: NormalizationRule(low=50, high=50), "percentiles are 50 and 50, expected 0 <= low < high <= 100"),
        (lambda: NormalizationRule(bin_size=0), "bin_size is 0, expected at least 1"),
        (lambda: ChannelStatistics((), ()), r"mean \(\) and std \(\), expected one finite number of each per channel"),
        (lambda: ChannelStatistics((0.5,), (0.2, 0.2)), "expected one finite number of each per channel"),
        (lambda: ChannelStatistics((0.5,), (0.0,)), "std above 0"),
        (lambda: ChannelStatistics(("x",) * 300, ("x",) * 300), r"^.{,250}expected one finite number of each"),
        (lambda: ChannelStatistics((np.inf,), (1.0,)), "expected one finite number of each"),
        (lambda: measure(Movie.from_array(np.ones((1, 4, 1, 2, 2))), 3, IMAGENET), r"channel 3 has no statistics"),
        (
            lambda: normalization_from_dict({"kind": "z-score"}),
            "kind 'z-score', expected 'rule' or 'channel-statistics'",
        ),
    ],
)
def test_normalization_rejects_invalid_values(make, message):
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16, np.int32, np.float32])
@pytest.mark.parametrize("size", [2, 4, 200])
def test_binned_equals_the_mean_of_each_block(rng, dtype, size):
    frame = (rng.random((410, 603)) * 100 + 27).astype(dtype)
    frame[:200, :200] = np.iinfo(dtype).max if frame.dtype.kind in "ui" else 1e6
    rows, columns = 410 // size, 603 // size
    blocks = frame[: rows * size, : columns * size].reshape(rows, size, columns, size)
    np.testing.assert_array_equal(binned(frame, size), blocks.mean(axis=(1, 3), dtype=np.float64))
