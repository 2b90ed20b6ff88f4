"""Interval files, and bounds of restored movies: outputs, resuming, memory, refusals."""

from __future__ import annotations

import logging
import threading
import tracemalloc

import numpy as np
import pytest

import decrappify as dc
from decrappify.errors import Cancelled, FormatError, InputError, MissingFileError, OutputExistsError
from decrappify.movie import ArraySource, Movie
from decrappify.trust import Intervals
from decrappify.trust.intervals.fields import count_scores, field_terms
from decrappify.trust.intervals.intervals import fit_channel

LEVEL = 0.8


def field_of(rng, brightness=1.0):
    """Return measured, restored and reference of 2 frames: the error of the result has a tenth of the noise."""
    shape = 100 + 200 * brightness * np.kron(rng.random((2, 8, 8)), np.ones((8, 8)))
    measured = rng.poisson((shape - 90) / 2) * 2 + 90
    restored = shape + rng.normal(0, 0.1 * np.sqrt(2 * (shape - 90)))
    return [Movie.from_array(each.astype(np.float32), name="cells") for each in (measured, restored, shape)]


def calibrated(fields, n_channels=1):
    terms = [field_terms(measured, restored, range(2), 0) for measured, restored, _ in fields]
    counts = [
        sum(count_scores(restored.frame(t), reference.frame(t), one) for t in range(2))
        for (_, restored, reference), one in zip(fields, terms, strict=True)
    ]
    channel = fit_channel(np.stack(counts), [one.features for one in terms], LEVEL)
    return Intervals(
        level=LEVEL,
        guarantee=dc.trust.Guarantee.MEAN,
        n_fields=len(fields),
        model="still",
        model_sha256="a" * 64,
        channels=(channel,) * n_channels,
    )


@pytest.fixture(scope="module")
def intervals():
    rng = np.random.default_rng(5)
    return calibrated([field_of(rng) for _ in range(30)])


@pytest.fixture
def pair(rng):
    return field_of(rng)[:2]


def test_intervals_of_new_fields_have_the_coverage_in_background_and_foreground(intervals):
    rng, covered = np.random.default_rng(6), []
    for _ in range(20):
        measured, restored, reference = map(np.asarray, field_of(rng))
        low, high = intervals.bounds(measured, restored)
        assert low.shape == restored.shape
        inside = (low <= reference) & (reference <= high)
        bright = reference > np.median(reference)
        covered.append([inside[bright].mean(), inside[~bright].mean()])
    assert np.mean(covered, axis=0) == pytest.approx([0.83, 0.83], abs=0.03)


def test_intervals_file_restores_the_same_intervals(intervals, tmp_path):
    path = intervals.save(tmp_path / "intervals.toml")
    assert Intervals.load(path) == intervals
    with pytest.raises(OutputExistsError, match=r"overwrite"):
        intervals.save(path)


def test_intervals_load_refuses_other_and_damaged_files(intervals, tmp_path):
    path = intervals.save(tmp_path / "intervals.toml")
    text = path.read_text("utf-8")
    for old, new, message in [
        ("version 1", "version 9", r"expected kind = 'decrappify intervals, version 1'"),
        ('guarantee = "mean"', 'guarantee = "sure"', r"is damaged: 'sure' is not a valid Guarantee"),
        ("factors = [", "factors = [-", r"is damaged: factors"),
        ("model_sha256", "other", r"is damaged: 'model_sha256' is missing"),
    ]:
        path.write_text(text.replace(old, new), "utf-8")
        with pytest.raises(FormatError, match=message):
            Intervals.load(path)
    with pytest.raises(FormatError, match=r"ends in \.toml"):
        Intervals.load("intervals.json")
    with pytest.raises(MissingFileError, match=r"write it with calibrate-intervals"):
        Intervals.load(tmp_path / "absent.toml")


def test_interval_map_has_two_channels_with_the_metadata_of_the_result(intervals, pair):
    measured, restored = pair
    two = Movie.from_array(np.repeat(np.asarray(restored), 2, axis=1), channel_names=["GFP", "RFP"])
    both = np.repeat(np.asarray(measured), 2, axis=1)
    found = dc.interval_map(both, two, Intervals(**_fields(intervals) | {"channels": intervals.channels * 2}))
    assert found.movie.channel_names == ("GFP low", "GFP high", "RFP low", "RFP high")
    values = np.asarray(found.movie)
    np.testing.assert_allclose(values[:, :2].mean(1), np.asarray(restored)[:, 0], rtol=1e-5)
    np.testing.assert_array_equal(values[:, :2], values[:, 2:])
    assert found.is_calibrated
    assert found.summary.startswith("80 % intervals, calibrated on 30 fields, median width GFP ")
    assert found.movie.provenance["intervals"]["summary"] == found.summary


@pytest.mark.parametrize("name", ["bounds.ome.zarr", "bounds.ome.tif"])
def test_interval_map_output_equals_the_bounds_in_memory(intervals, pair, tmp_path, name):
    found = dc.interval_map(*pair, intervals.save(tmp_path / "intervals.toml"), tmp_path / name)
    np.testing.assert_array_equal(np.asarray(found.movie), np.asarray(dc.interval_map(*pair, intervals).movie))
    with dc.open_movie(tmp_path / name) as movie:
        assert movie.provenance["intervals"]["is_calibrated"]
    with pytest.raises(OutputExistsError, match=r"already exists"):
        dc.interval_map(*pair, intervals, tmp_path / name)


def test_interval_map_leaves_missing_planes_blank_and_nan_as_nan(intervals, pair):
    measured, restored = pair
    values = np.asarray(restored).copy()
    values[1, 0, 0, 5, 5] = np.nan
    result = Movie.from_array(values)
    bounds = np.asarray(dc.interval_map(measured.replace(missing=[(0, 0, 0)]), result, intervals).movie)
    assert not bounds[0].any()
    assert np.isnan(bounds[1]).sum() == 2


def test_interval_map_resumes_a_cancelled_map(intervals, pair, tmp_path):
    stop, planes = threading.Event(), []
    long = [Movie.from_array(np.concatenate([np.asarray(movie)] * 4), name=movie.name) for movie in pair]

    class Counted(ArraySource):
        def read(self, t, c, z, rows, columns):
            planes.append(t)
            return super().read(t, c, z, rows, columns)

    class Bar:
        def __init__(self, **_):
            self.done = 0

        def update(self, n=1):
            self.done += n
            if self.done == 5:
                stop.set()

        def close(self):
            pass

    restored = long[1].derived(Counted(np.asarray(long[1])))
    output = tmp_path / "bounds.ome.zarr"
    with pytest.raises(Cancelled, match=r"finished planes are kept"):
        dc.interval_map(long[0], restored, intervals, output, cancel=stop, progress=Bar)
    assert not output.exists()
    planes.clear()
    found = dc.interval_map(long[0], restored, intervals, output)
    assert planes[-3:] == [5, 6, 7]
    np.testing.assert_array_equal(np.asarray(found.movie), np.asarray(dc.interval_map(*long, intervals).movie))


def test_interval_map_memory_does_not_grow_with_the_movie(intervals, pair, tmp_path):
    peaks = []

    class Source(ArraySource):
        def read(self, t, c, z, rows, columns):
            peaks.append(tracemalloc.get_traced_memory()[1])
            return super().read(t, c, z, rows, columns)

    frame = np.tile(np.asarray(pair[1])[0, 0, 0], (2, 2))
    restored = Movie(Source(np.broadcast_to(frame, (30, 128, 128))))
    tracemalloc.start()
    dc.interval_map(np.broadcast_to(frame + 1, (30, 128, 128)), restored, intervals, tmp_path / "bounds.ome.zarr")
    tracemalloc.stop()
    assert peaks[-1] < peaks[-20] + 500_000  # the bounds of the frames between are 2.5 MB


def test_interval_map_warns_of_movies_outside_of_the_calibration(intervals, rng, caplog):
    with caplog.at_level(logging.WARNING, "decrappify"):
        found = dc.interval_map(*field_of(rng, brightness=4)[:2], intervals)
    assert not found.is_calibrated
    assert "outside of the calibrated range" in found.summary
    line = caplog.messages[0]
    assert line.startswith("cells: outside of the range of the 30 fields of the calibration (")
    assert line.endswith("so the coverage is not known; calibrate with pairs of this kind")


def test_interval_map_refuses_other_models_movies_and_channels(intervals, pair, tmp_path):
    measured, restored = pair
    other = restored.replace(provenance={"restoration": {"model": "em-denoise", "model_sha256": "b" * 64}})
    with pytest.raises(InputError, match=r"with model 'em-denoise' \(bbbbbbbbbbbb\), the intervals were .* 'still'"):
        dc.interval_map(measured, other, intervals)
    with pytest.raises(InputError, match=r"from which a model of scale 1 restored it"):
        dc.interval_map(measured, restored.crop(slice(0, 32)), intervals)
    with pytest.raises(InputError, match=r"1 channel, the intervals were calibrated for 2"):
        dc.interval_map(*pair, Intervals(**_fields(intervals) | {"channels": intervals.channels * 2}))
    with pytest.raises(FormatError, match=r"ends in \.ome\.zarr or \.ome\.tif"):
        dc.interval_map(*pair, intervals, tmp_path / "bounds.mp4")


def test_fit_channel_refuses_references_of_other_gray_levels_and_fills_rare_strata(rng):
    counts = np.zeros((12, 6, 602), np.int64)
    counts[:, :5, 200] = 10
    counts[:2, 5, 100] = 10  # 2 fields are too few for 80 %
    fitted = fit_channel(counts, [], 0.8)
    assert fitted.factors == (1.0,) * 6
    assert fitted.counts == (12, 12, 12, 12, 12, 2)
    counts[:, 3, -1] = 30
    with pytest.raises(InputError, match=r"expected references of the same field and in the same gray levels"):
        fit_channel(counts, [], 0.8)


def _fields(intervals):
    return {name: getattr(intervals, name) for name in Intervals.__dataclass_fields__}


def test_interval_map_never_replaces_the_result(intervals, pair, tmp_path):
    measured, restored = pair
    path = dc.save_movie(restored, tmp_path / "restored.ome.tif")
    kept = path.read_bytes()
    with pytest.raises(InputError, match=r"restored\.ome\.tif is the input itself"):
        dc.interval_map(measured, path, intervals, path, overwrite=True)
    assert path.read_bytes() == kept
