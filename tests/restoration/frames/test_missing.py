"""Planes that were never recorded."""

from __future__ import annotations

import numpy as np
import pytest
from tests.restoration.conftest import FAST, PoolingNetwork, WindowMean, as_model, files_of, grouped

from decrappify.errors import Cancelled, InputError
from decrappify.inference.options import InferenceOptions
from decrappify.io import open_movie
from decrappify.movie import ArraySource, Movie
from decrappify.normalization import measure
from decrappify.restoration import Preview, RestorationOptions, restore

EXACT = grouped(dtype="float32")


class Aborted(ArraySource):
    """A source that fails if a plane that was never recorded is read."""

    def read(self, t, c, z, rows, columns):
        assert (t, c, z) not in MISSING
        return super().read(t, c, z, rows, columns)


MISSING = {(3, 0, 0), (3, 1, 0), (6, 1, 0), (7, 0, 0), (7, 1, 0)}


@pytest.fixture
def aborted(rng):
    pixels = rng.integers(90, 4000, (8, 2, 1, 20, 24), dtype=np.uint16)
    for plane in MISSING:
        pixels[plane] = 0
    return Movie(Aborted(pixels), name="aborted", frame_interval_s=2.0, unitless_spacing={"Y": 0.3}, missing=MISSING)


def pixels_of(movie):
    return np.asarray(movie._source._array, np.float64)


def test_restore_keeps_missing_planes_blank_and_names_them(aborted, tmp_path, caplog):
    with restore(aborted, as_model(WindowMean(3)), tmp_path / "out.ome.zarr", **EXACT) as restored:
        assert restored.missing == MISSING
        assert not any(restored.frame(*plane).any() for plane in MISSING)
        pixels = pixels_of(aborted)
        np.testing.assert_allclose(restored.frame(2, 0), (2 * pixels[1, 0, 0] + pixels[2, 0, 0]) / 3, rtol=1e-4)
        np.testing.assert_allclose(restored.frame(6, 0), (2 * pixels[5, 0, 0] + pixels[6, 0, 0]) / 3, rtol=1e-4)
        record = restored.provenance["restoration"]
    assert record["missing"] == "blank"
    assert (record["frames"], record["missing_planes"]) == ("0:8", "frames 3, 7; frame 6: channel 1")
    assert caplog.text.count("aborted: 5 of 16 planes missing (frames 3, 7; frame 6: channel 1), left blank") == 1


def test_restore_drops_frames_with_missing_planes_on_request(aborted):
    restored = restore(aborted, as_model(WindowMean(3)), **grouped(dtype="float32", missing="drop"))
    blank = restore(aborted, as_model(WindowMean(3)), **EXACT)
    kept = [0, 1, 2, 4, 5]
    np.testing.assert_array_equal(np.asarray(restored), np.asarray(blank)[kept])
    assert restored.missing == frozenset()
    assert restored.frame_interval_s is None  # no longer evenly spaced
    record = restored.provenance["restoration"]
    assert (record["frames"], record["dropped_frames"]) == ("0:3, 4:6", [3, 6, 7])
    cut = restore(
        aborted.select(channels=0), as_model(WindowMean(3)), **grouped(dtype="float32", frames="4:8", missing="drop")
    )
    assert (cut.shape[0], cut.frame_interval_s) == (3, 2.0)


def test_restore_fills_missing_planes_with_the_nearest_ones_on_request(aborted, tmp_path, bar):
    model = as_model(WindowMean(3))
    options = grouped(dtype="float32", missing="nearest")
    restored = restore(aborted, model, tmp_path / "out.ome.zarr", progress=bar, **options)
    for plane, source in (((3, 0, 0), 2), ((3, 1, 0), 2), ((6, 1, 0), 5), ((7, 0, 0), 6), ((7, 1, 0), 5)):
        np.testing.assert_array_equal(restored.frame(*plane), restored.frame(source, *plane[1:]))
    assert restored.missing == frozenset()
    assert bar.n == 16
    restored.close()


@pytest.mark.parametrize(
    "missing", [*(pytest.param(missing, marks=pytest.mark.slow) for missing in ("blank", "drop")), "nearest"]
)
def test_restore_resumes_with_missing_planes_byte_for_byte(aborted, tmp_path, bar, missing):
    model, options = as_model(PoolingNetwork(3)), grouped(missing=missing)
    restore(aborted, model, tmp_path / "whole.ome.zarr", **options).close()
    cancel = bar.cancel_at(7)
    with pytest.raises(Cancelled):
        restore(aborted, model, tmp_path / "out.ome.zarr", progress=bar, cancel=cancel, **options)
    restore(aborted, model, tmp_path / "out.ome.zarr", **options).close()
    assert files_of(tmp_path / "out.ome.zarr") == files_of(tmp_path / "whole.ome.zarr")


def test_measure_ignores_missing_planes(aborted):
    recorded = [t for t in range(8) if (t, 1, 0) not in MISSING]
    assert measure(aborted, 1) == measure(Movie.from_array(aborted._source._array[recorded, 1, 0]))
    nothing = aborted.select(frames=slice(7, 8))
    with pytest.raises(InputError, match="every plane of channel 0 of aborted is missing"):
        measure(nothing, 0)
    with pytest.raises(InputError, match="no frame with all planes recorded"):
        restore(nothing, as_model(WindowMean(1)), options=RestorationOptions(missing="drop"), **FAST)


def test_preview_of_a_missing_plane_is_blank(aborted):
    preview = Preview(aborted, as_model(PoolingNetwork(3, scale=2)), inference=InferenceOptions(device="cpu"))
    assert not preview.region(3, 0, 0, slice(0, 8), slice(0, 8)).any()
    region = preview.region(2, 0, 0, slice(4, 12), slice(0, 8))
    expected = restore(aborted, as_model(PoolingNetwork(3, scale=2)), inference=InferenceOptions(device="cpu")).frame(
        2
    )[8:24, :16]
    np.testing.assert_allclose(region[0].astype(int), expected.astype(int), atol=1)


def test_restore_divides_spacing_without_unit_by_the_scale(aborted, tmp_path):
    with restore(aborted, as_model(PoolingNetwork(1, scale=2)), tmp_path / "out.ome.zarr", **FAST) as restored:
        assert restored.unitless_spacing == {"Y": 0.15}
    with open_movie(tmp_path / "out.ome.zarr") as again:
        assert again.unitless_spacing == {"Y": 0.15}
