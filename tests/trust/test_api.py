"""Trust maps of movies: outputs, resuming, memory, refusals."""

from __future__ import annotations

import threading
import tracemalloc

import numpy as np
import pytest

import decrappify as dc
from decrappify.errors import Cancelled, FormatError, InputError, OutputExistsError
from decrappify.movie import ArraySource, Movie
from decrappify.noise import Estimate, NoiseModel
from decrappify.restoration import RestorationOptions
from decrappify.trust import trust_path

NOISE = NoiseModel(gain=Estimate(2.0), intercept=Estimate(-200.0), levels=(100, 180))


@pytest.fixture
def pair():
    """A measured movie, and its expected image with a false spot in frame 2."""
    expected = np.tile(100 + 2 * np.linspace(10, 40, 64, dtype=np.float32), (4, 1, 1, 64, 1))
    measured = np.random.default_rng(0).poisson((expected - 100) / 2).astype(np.uint16) * 2 + 100
    expected[2, 0, 0, 31:34, 19:22] += 120
    return Movie.from_array(measured, name="cells", pixel_size_um=(None, 0.1, 0.1)), Movie.from_array(expected)


def test_trust_map_labels_the_false_spot_and_summarizes(pair):
    trust = dc.trust_map(*pair, NOISE)
    assert trust.movie.shape == (4, 3, 1, 64, 64)
    assert trust.movie.channel_names == ("trust", "score", "limit")
    labels = np.asarray(trust.movie)[:, 0, 0]
    assert labels[2, 32, 20] == 3
    assert not np.any(labels[[0, 1, 3]] == 3)
    assert trust.shares["contradicted"] == np.mean(labels == 3)
    assert "contradicted, most in frame 2 near y 40, x 24" in trust.summary
    assert trust.movie.provenance["trust"]["summary"] == trust.summary
    assert f">{100 * trust.shares['confirmed']:.0f} %<" in trust._repr_html_()


@pytest.mark.parametrize(("share", "percent"), [(0.0, None), (0.7, "30"), (1.0, "0")])
def test_trust_map_warns_of_a_result_that_contains_the_noise(pair, caplog, share, percent):
    measured, restored = (np.asarray(movie)[:2] for movie in pair)
    dc.trust_map(measured, share * measured + (1 - share) * restored, NOISE)
    text = f"the difference of both is {percent} % of the noise"
    assert (text in caplog.text) if percent else not caplog.text


@pytest.mark.parametrize(("scale", "gain"), [(0.5, 2.0), (1.0, 1.0)])
def test_trust_map_warns_of_other_gray_levels_and_of_a_noise_model_with_too_little_noise(pair, caplog, scale, gain):
    measured, restored = (np.asarray(movie)[:2] for movie in pair)
    dc.trust_map(measured, scale * restored, NoiseModel(gain=Estimate(gain), intercept=Estimate(-100 * gain)))
    assert "it has other gray levels than its raw data or lacks structure, or the noise model" in caplog.text


def test_trust_map_evaluates_each_channel_with_its_noise_and_replaced_pixels(pair):
    measured, restored = (np.repeat(np.asarray(movie)[2:3], 2, axis=1) for movie in pair)
    measured[0, 1] = 100 + (measured[0, 1] - 100) * 3  # three times the gain
    restored[0, 1] = 100 + (restored[0, 1] - 100) * 3
    restored[0, 0, 0, 50, 50] = 60000
    movie = Movie.from_array(restored, channel_names=["GFP", "RFP"])
    replaced = movie.replace(provenance={"restoration": {"static_outliers": {"0": [[50, 50]]}}})
    triple = NoiseModel(gain=Estimate(6.0), intercept=Estimate(-600.0), levels=(100, 340))
    trust = dc.trust_map(measured, replaced, [NOISE, triple])
    maps = np.asarray(trust.movie)[0, :, 0]
    assert trust.movie.channel_names[::3] == ("GFP trust", "RFP trust")
    np.testing.assert_allclose(maps[2, :40, :40], maps[5, :40, :40], rtol=0.05)
    assert [maps[0, 32, 20], maps[3, 32, 20], maps[0, 50, 50]] == [3, 3, 2]
    assert trust.summary.count("contradicted") == 2
    assert dc.trust_map(measured, movie, [NOISE, triple]).movie.frame(0, 0)[50, 50] == 3


def test_trust_map_leaves_missing_planes_without_labels(pair):
    measured, restored = pair
    maps = np.asarray(dc.trust_map(measured.replace(missing=[(1, 0, 0)]), restored, NOISE).movie)
    assert not maps[1].any()
    assert maps[0].any()


@pytest.mark.parametrize("name", ["map.ome.zarr", "map.ome.tif"])
def test_trust_map_output_equals_the_map_in_memory(pair, tmp_path, name):
    trust = dc.trust_map(*pair, NOISE, tmp_path / name)
    np.testing.assert_array_equal(np.asarray(trust.movie), np.asarray(dc.trust_map(*pair, NOISE).movie))
    with dc.open_movie(tmp_path / name) as movie:
        assert movie.provenance["trust"]["summary"] == trust.summary
    with pytest.raises(OutputExistsError, match=r"already exists"):
        dc.trust_map(*pair, NOISE, tmp_path / name)


def test_trust_map_resumes_a_cancelled_map(pair, tmp_path):
    stop, planes = threading.Event(), []

    class CountedSource(ArraySource):
        def read(self, t, c, z, rows, columns):
            planes.append(t)
            if t == 2:
                stop.set()
            return super().read(t, c, z, rows, columns)

    measured = pair[0].derived(CountedSource(np.asarray(pair[0])))
    with pytest.raises(Cancelled, match=r"finished planes are kept"):
        dc.trust_map(measured, pair[1], NOISE, tmp_path / "map.ome.zarr", cancel=stop)
    assert not (tmp_path / "map.ome.zarr").exists()
    planes.clear()
    trust = dc.trust_map(measured, pair[1], NOISE, tmp_path / "map.ome.zarr")
    assert planes == [3]
    complete = dc.trust_map(*pair, NOISE)
    np.testing.assert_array_equal(np.asarray(trust.movie), np.asarray(complete.movie))
    assert trust.summary == complete.summary


def test_trust_map_memory_does_not_grow_with_the_movie(tmp_path):
    peaks = []

    class Source(ArraySource):
        def read(self, t, c, z, rows, columns):
            peaks.append(tracemalloc.get_traced_memory()[1])
            return super().read(t, c, z, rows, columns)

    movie = Movie(Source(np.broadcast_to(np.full((1, 128, 128), 150, np.uint16), (24, 128, 128))))
    tracemalloc.start()
    dc.trust_map(movie, np.asarray(movie), NOISE, tmp_path / "map.ome.zarr")
    tracemalloc.stop()
    assert peaks[-1] < peaks[-20] + 500_000  # the maps of the frames between are 3.7 MB


def test_trust_map_refuses_undetermined_noise_and_other_movies(pair):
    measured, restored = pair
    with pytest.raises(InputError, match=r"the gain of its noise is not determined.*of this camera$"):
        dc.trust_map(restored[:2], restored[:2], NoiseModel())
    with pytest.raises(
        InputError, match=r"expected those of cells, \(64, 64\), from which a model of scale 1 restored it"
    ):
        dc.trust_map(measured, restored.crop(slice(0, 32)), NOISE)
    with pytest.raises(InputError, match=r"3 frames and cells 4"):
        dc.trust_map(measured, restored[:3], NOISE)
    with pytest.raises(InputError, match=r"2 entries, expected 1"):
        dc.trust_map(measured, restored, [NOISE, NOISE])
    with pytest.raises(FormatError, match=r"ends in \.ome\.zarr or \.ome\.tif"):
        dc.trust_map(measured, restored, NOISE, "map.mp4")
    with pytest.raises(InputError, match=r"spot_px is 0"):
        dc.trust_map(measured, restored, NOISE, spot_px=0)


def test_restore_with_trust_writes_the_map_of_the_selected_frames(pair, tiny_models, tmp_path):
    output = tmp_path / "cells.ome.tif"
    options = RestorationOptions(frames="1:4")
    restored = dc.restore(pair[0], tiny_models["still"], output, options=options, trust=NOISE)
    with dc.open_movie(trust_path(output)) as movie:
        assert movie.shape == (3, 3, 1, 64, 64)
        expected = dc.trust_map(pair[0][1:4], restored, NOISE)
        np.testing.assert_array_equal(np.asarray(movie), np.asarray(expected.movie))


def test_restore_with_trust_refuses_before_the_restoration(pair, tiny_models, tmp_path):
    output = tmp_path / "cells.ome.zarr"
    with pytest.raises(InputError, match=r"trust=True needs an output"):
        dc.restore(pair[0], tiny_models["still"], trust=NOISE)
    with pytest.raises(InputError, match=r"scale 2, .* trust maps need scale 1"):
        dc.restore(pair[0], tiny_models["movie-x2"], output, trust=NOISE)
    with pytest.raises(InputError, match=r"gain of its noise is not determined"):
        dc.restore(pair[0], tiny_models["still"], output, trust=NoiseModel())
    assert not output.exists()


def test_restore_with_a_cancelled_map_keeps_the_result_and_states_how_to_finish_it(pair, tiny_models, tmp_path):
    stop, output = threading.Event(), tmp_path / "cells.ome.zarr"

    class Bar:
        def __init__(self, *, desc, **_):
            self.desc = desc

        def update(self, n=1):
            if self.desc.startswith("trust"):
                stop.set()

        def close(self):
            pass

    run = {"trust": NOISE, "progress": Bar}
    with pytest.raises(Cancelled, match=r"cells\.ome\.zarr is complete; finish it with 'decrappify trust "):
        dc.restore(pair[0], tiny_models["still"], output, cancel=stop, **run)
    with pytest.raises(OutputExistsError, match=r"is complete, its trust map is not; finish it with"):
        dc.restore(pair[0], tiny_models["still"], output, **run)
    trust = dc.trust_map(pair[0], output, NOISE, trust_path(output))
    assert trust.shares["contradicted"] == 0
