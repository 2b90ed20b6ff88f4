"""Restoration of movies with outliers, flashes, NaN and constant channels."""

from __future__ import annotations

import copy
import logging

import numpy as np
import pytest
import torch
from scipy.ndimage import binary_dilation, gaussian_filter

from decrappify.errors import Cancelled, InputError
from decrappify.io import open_movie
from decrappify.model import load_model
from decrappify.movie import Movie
from decrappify.normalization import NormalizationRule, measure
from decrappify.restoration import Preview, RestorationOptions, restore, restore_array
from decrappify.restoration.measurement.channels import measure_channel

from .conftest import FAST, PoolingNetwork, WindowMean, as_model, files_of, grouped

FLOAT = grouped(backend="torch", dtype="float32")
LEVEL, RANGE = 200.0, 1500.0


@pytest.fixture(scope="module")
def scene():
    """Moving structure with shot noise at a camera offset, (T, Y, X) uint16."""
    rng = np.random.default_rng(5)
    smooth = gaussian_filter(rng.random((64, 64)), 3)
    clean = (smooth - smooth.min()) / np.ptp(smooth)
    photons = np.stack([np.roll(clean, t, axis=1) for t in range(6)])
    return (LEVEL + RANGE / 40 * rng.poisson(40 * photons)).astype(np.uint16)


@pytest.fixture
def cells(scene):
    return scene.copy()


@pytest.fixture(scope="module")
def model():
    return load_model("fluorescence-movie")


@pytest.fixture(scope="module")
def expected(scene, model):
    """Restored scene."""
    return restore_array(scene, model, **FLOAT)


def changes(restored, expected, places):
    """Return the largest change outside of `places`, as a share of the range."""
    difference = np.abs(restored - expected) / RANGE
    for t, y, x in places:
        difference[t, y, x] = 0
    return float(difference.max())


def test_outlier_replacement_does_not_change_a_movie_without_outliers(cells, model, expected):
    found = measure_channel(Movie.from_array(cells), 0, NormalizationRule())
    assert found.normalization == measure(Movie.from_array(cells))
    assert found.limits.static == ()
    np.testing.assert_array_equal(
        expected, restore_array(cells, model, **grouped(backend="torch", dtype="float32", outliers="keep"))
    )


@pytest.mark.parametrize(
    ("factor", "places"),
    [(3, [(2, 30, 31)]), (10, [(5, 0, 0), (5, 0, 1)]), (1000, [(t, 40, 63) for t in range(6)])],
    ids=["center", "corner", "static"],
)
def test_hot_pixels_hardly_change_others(cells, model, expected, factor, places):
    hot = cells.astype(np.float32)
    for place in places:
        hot[place] = LEVEL + factor * RANGE
    restored = restore_array(hot, model, **FLOAT)
    assert changes(restored, expected, places) < 0.02


@pytest.mark.parametrize(("factor", "t"), [(3, 2), (6, 0), (20, 5)])
def test_flash_hardly_changes_its_neighbors_and_keeps_its_brightness(cells, model, expected, factor, t):
    flashing = cells.astype(np.float32)
    flashing[t] *= factor
    restored = restore_array(flashing, model, **FLOAT)
    others = [i for i in range(6) if i != t]
    assert np.abs(restored - expected)[others].max() < 0.02 * RANGE
    np.testing.assert_allclose(restored[t], factor * expected[t], atol=0.05 * factor * RANGE)


def test_blackout_is_not_mixed_with_its_neighbors(cells, caplog):
    dark = cells.copy()
    dark[3] = LEVEL
    restored = restore_array(dark, as_model(WindowMean(3)), **FLOAT)
    np.testing.assert_allclose(restored[3], LEVEL, atol=1)
    np.testing.assert_allclose(restored[2], (2 * dark[1] + dark[2].astype(float)) / 3, atol=1)
    assert "flashes or blackouts, between frames of another brightness, in frame 3:" in caplog.text


def test_bright_slice_of_a_stack_is_not_a_flash(cells):
    stack = cells.reshape(1, 1, 6, 64, 64).astype(np.float32)
    stack[0, 0, 3] *= 6
    options = {"backend": "torch", "dtype": "float32", "window_axis": "Z"}
    restored = restore_array(stack, as_model(WindowMean(3)), **grouped(**options))
    kept = restore_array(stack, as_model(WindowMean(3)), **grouped(outliers="keep", **options))
    np.testing.assert_array_equal(restored, kept)


def test_replaced_pixels_and_flashes_are_reported_once_and_recorded(cells, caplog):
    movie = cells.astype(np.float32)
    movie[:, 7, 9] = 60000
    movie[4] *= 6
    with caplog.at_level(logging.WARNING):
        restored = restore(movie, as_model(PoolingNetwork(3)), **FAST)
    record = restored.provenance["restoration"]
    assert record["static_outliers"] == {"0": [[7, 9]]}
    assert record["replaced_outliers"]["pixels"] == record["replaced_outliers"]["planes"] == 6
    assert record["replaced_outliers"]["t_c_z_y_x"][0] == [0, 0, 0, 7, 9]
    assert [flash["frame"] for flash in record["flash_frames"]] == [4]
    assert caplog.text.count("6 outlier pixels in 6 planes replaced") == 1
    assert "at (y, x) = (7, 9);" in caplog.text


def test_outliers_do_not_change_the_normalization(cells):
    clean = measure(Movie.from_array(cells))
    movie = cells.astype(np.float32)
    movie[:, 20, 20] = 1e30
    movie[1, 40:43, 3] = 60000
    movie[4] *= 6
    found = measure_channel(Movie.from_array(movie), 0, NormalizationRule()).normalization
    assert found.offset == pytest.approx(clean.offset, abs=0.01 * clean.scale)
    assert found.scale == pytest.approx(clean.scale, rel=0.02)
    assert measure(Movie.from_array(movie)).scale > 5 * clean.scale


def test_restore_resumes_with_outliers_clipping_and_nan_byte_for_byte(cells, tmp_path, bar, caplog):
    movie = cells.astype(np.float32) / 4
    movie[1:5, 3, 3] = 60000
    movie[2] *= 6
    movie[:, :5] = np.nan
    options = grouped(nan="fill", dtype="uint8")
    model = as_model(PoolingNetwork(3))
    restore(movie, model, tmp_path / "whole.ome.zarr", **options).close()
    whole = [message for message in caplog.messages if "clipped" in message or "NaN" in message]
    assert f"{6 * 5 * 64} pixels of NaN or infinity in 6 planes were filled" in caplog.text
    assert "0 in uint8, dtype='float32' keeps NaN" in caplog.text
    output = tmp_path / "resumed.ome.zarr"
    cancel = bar.cancel_at(3)
    with pytest.raises(Cancelled):
        restore(movie, model, output, progress=bar, cancel=cancel, **options)
    caplog.clear()
    restore(movie, model, output, **options).close()
    assert files_of(output) == files_of(tmp_path / "whole.ome.zarr")
    assert [message for message in caplog.messages if "clipped" in message or "NaN" in message] == whole
    with open_movie(output) as restored:
        assert restored.provenance["restoration"]["clipped"]["above"] > 0
        assert restored.provenance["restoration"]["filled_nan"] == {"pixels": 6 * 5 * 64, "planes": 6}


def test_restore_reports_the_share_of_clipped_pixels(cells, caplog):
    cells = cells // 4
    restored = restore(cells, as_model(WindowMean(1)), options=RestorationOptions(dtype="uint8"), **FAST)
    above = int(np.count_nonzero(cells > 255 + 0.01 * measure(Movie.from_array(cells)).scale))
    assert restored.provenance["restoration"]["clipped"] == {"below": 0, "above": above, "share": above / cells.size}
    assert f"{100 * above / cells.size:.0f} % of the restored pixels were clipped to the limits of uint8" in caplog.text
    assert "their gray levels are lost; restore again with dtype='uint16'" in caplog.text
    caplog.clear()
    assert "clipped" not in restore(cells, as_model(WindowMean(1)), **FAST).provenance["restoration"]
    assert not caplog.text


@pytest.mark.parametrize("dtype", ["float32", "uint16"])
def test_nan_is_filled_for_the_network_and_restored_in_the_result(cells, model, expected, dtype):
    movie = cells.astype(np.float32)
    holes = np.zeros((64, 64), bool)
    holes[:6], holes[:, 60:], holes[30, 30] = True, True, True
    broken = np.where(holes, np.float32(np.nan), movie)
    broken[:, 2, 2] = np.inf
    restored = restore_array(broken, model, **grouped(backend="torch", nan="fill", dtype=dtype))
    if dtype == "float32":
        np.testing.assert_array_equal(np.isnan(restored), np.broadcast_to(holes, restored.shape))
    else:
        assert not restored[:, holes].any()
    adjacent = binary_dilation(holes, iterations=4) & ~holes
    error = np.abs(restored.astype(float) - expected) / RANGE
    assert np.sqrt((error[:, adjacent] ** 2).mean()) < 0.02


def test_frames_of_nan_are_treated_as_missing(cells, caplog):
    movie = cells.astype(np.float32)
    movie[3] = np.nan
    restored = restore(movie, as_model(WindowMean(3)), options=RestorationOptions(dtype="float32", nan="fill"), **FAST)
    assert np.isnan(restored.frame(3)).all()
    assert restored.missing == {(3, 0, 0)}
    np.testing.assert_allclose(restored.frame(2), (2 * movie[1] + movie[2]) / 3, rtol=1e-4)
    assert "only NaN in 1 plane, also in the result" in caplog.text
    dropped = restore(
        movie, as_model(WindowMean(3)), options=RestorationOptions(dtype="float32", nan="fill", missing="drop"), **FAST
    )
    assert dropped.shape[0] == 5


@pytest.mark.parametrize("scale", [1, 2])
def test_constant_channel_is_copied_with_a_warning(movie, scale, tmp_path, caplog):
    pixels = np.asarray(movie).copy()
    pixels[:, 1] = 77
    mixed = movie.derived(Movie.from_array(pixels)._source)
    model = as_model(PoolingNetwork(3, scale=scale))
    with restore(mixed, model, tmp_path / "restored.ome.zarr", **FAST) as restored:
        assert np.unique(np.asarray(restored)[:, 1]).tolist() == [77]
        expected = restore(movie.select(channels=0), model, **FAST)
        np.testing.assert_array_equal(np.asarray(restored)[:, 0], np.asarray(expected)[:, 0])
        assert restored.provenance["restoration"]["normalization"][1] == {"constant": 77.0}
    assert "channel 1 (nuclei) of cells is constant (gray level 77) and is copied unchanged" in caplog.text
    with pytest.raises(InputError, match="constant"):
        restore(mixed.select(channels=1), model, **FAST)


def test_constant_channel_of_a_multichannel_model_stays_constant(movie):
    pixels = np.asarray(movie).copy()
    pixels[:, 1] = 77
    restored = np.asarray(restore(pixels, as_model(PoolingNetwork(3, in_channels=2)), **FAST))
    assert np.unique(restored[:, 1]).tolist() == [77]
    assert np.unique(restored[:, 0]).size > 100


def test_preview_with_outliers_flashes_and_nan_equals_the_restored_movie(cells):
    movie = cells.astype(np.float32)
    movie[:, 12, 13] = 60000
    movie[3] *= 6
    movie[:, :4] = np.nan
    model = as_model(PoolingNetwork(3))
    options = grouped(nan="fill", precision="auto")
    whole = restore(movie, model, **options)
    preview = Preview(Movie.from_array(movie), model, **options)
    for t in (2, 3):
        region = preview.region(t, 0, 0, slice(0, 24), slice(5, 40))
        np.testing.assert_allclose(region[0], whole.frame(t)[:24, 5:40], rtol=1e-4, atol=0.5)


def test_restore_reports_nan_of_a_constant_channel_and_of_whole_planes(cells, caplog):
    pixels = np.stack([cells, np.full_like(cells, 77)], axis=1).astype(np.float32)
    pixels[2, 0], pixels[:, 1, :2, :3] = np.nan, np.nan
    options = RestorationOptions(dtype="uint16", nan="fill")
    restored = restore(Movie.from_array(pixels, axes="TCYX"), as_model(WindowMean(1)), options=options, **FAST)
    assert restored.provenance["restoration"]["filled_nan"] == {"pixels": 6 * 6, "planes": 6}
    assert "only NaN in 1 plane, 0 in uint16, dtype='float32' keeps NaN, (t, c, z) = (2, 0, 0)" in caplog.text


def test_restore_rejects_unknown_options(cells):
    for option in ("outliers", "missing"):
        with pytest.raises(InputError, match=f"{option}='all' is not known"):
            restore(cells, as_model(WindowMean(1)), **grouped(**{option: "all"}))


def test_channel_constant_only_in_the_sampled_planes_is_measured(rng):
    movie = np.full((80, 12, 12), 50, np.float32)
    movie[1] += 100 * rng.random((12, 12)).astype(np.float32)
    found = measure_channel(Movie.from_array(movie, "TYX"), 0, NormalizationRule())
    assert found.constant is None
    assert found.normalization.offset == pytest.approx(50, abs=1)
    assert 40 < found.normalization.scale < 110
    movie[1] = 50
    movie[1, 4, 4] = 9000
    assert measure_channel(Movie.from_array(movie, "TYX"), 0, NormalizationRule()).constant == 50


def test_channel_that_was_never_recorded_does_not_affect_the_other(cells, caplog):
    both = np.stack([cells, 0 * cells], axis=1)[:, :, None]
    movie = Movie.from_array(both, "TCZYX", missing=[(t, 1, 0) for t in range(6)])
    restored = restore(movie, as_model(WindowMean(3)), **FAST)
    assert restored.missing == movie.missing
    expected = restore(cells, as_model(WindowMean(3)), **FAST)
    np.testing.assert_array_equal(np.asarray(restored)[:, :1], np.asarray(expected))
    assert "6 of 12 planes missing" in caplog.text
    assert "constant" not in caplog.text


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_restore_stops_when_a_network_predicts_nan_from_finite_pixels(cells, model, dtype, tmp_path):
    overflowing = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in overflowing.network.parameters():
            parameter.mul_(1e20)
    with pytest.raises(InputError, match=r"predicted NaN or infinity from the finite pixels of frame 0 of") as caught:
        restore(cells, overflowing, tmp_path / "out.ome.tif", **grouped(backend="torch", dtype=dtype))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out.ome.tif").exists()
