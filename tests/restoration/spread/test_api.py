"""Spread maps of restorations."""

from __future__ import annotations

import threading
import tracemalloc

import numpy as np
import pytest
import torch

import decrappify as dc
from decrappify.errors import Cancelled, InputError, OutputExistsError
from decrappify.model import Model, load_model
from decrappify.movie import ArraySource, Movie
from decrappify.networks import create
from decrappify.noise import Estimate, NoiseModel
from decrappify.noise.pixels.drawing import NoiseDrawer
from decrappify.restoration.spread.draws import DrawnSource, turned, turned_back

NOISE = NoiseModel(gain=Estimate(2.0), intercept=Estimate(-200.0), levels=(100, 180))
RUN = {"inference": dc.InferenceOptions(device="cpu", precision="float32"), "draws": 3}
ALL = slice(None)


@pytest.fixture(scope="module")
def identity(tiny_models):
    """A model of 3 frames that returns the middle one."""
    return load_model(tiny_models["movie"])


@pytest.fixture(scope="module")
def model():
    """A model of 3 frames whose result differs for rotated frames."""
    network = create("small", base_channels=16, depth=1, n_frames=3)
    torch.nn.init.normal_(network.tail.weight, 0, 0.1, generator=torch.Generator().manual_seed(0))
    return Model(network, card={"name": "random"})


@pytest.fixture(scope="module")
def measured():
    expected = np.tile(np.linspace(10, 40, 40), (5, 1, 1, 32, 1))
    raw = np.random.default_rng(0).poisson(expected).astype(np.uint16) * 2 + 100
    return Movie.from_array(raw, name="cells", pixel_size_um=(None, 0.1, 0.1), channel_names=["GFP"])


@pytest.fixture(scope="module")
def restored(measured, model):
    return dc.restore(measured, model, inference=RUN["inference"])


def test_spread_of_symmetries_is_the_deviation_of_turned_restorations(measured, restored, model):
    spread = dc.spread_map(measured, restored, model, method="symmetry", **RUN)
    results = []
    for number in range(3):
        movie = np.ascontiguousarray(turned(np.asarray(measured), number)).astype(np.float32)
        results.append(turned_back(dc.restore_array(movie, model, inference=RUN["inference"]), number))
    expected = np.std(results, axis=0, ddof=1)
    np.testing.assert_allclose(np.asarray(spread), expected, rtol=0.02, atol=0.01 * expected.max())
    assert (spread.shape, spread.channel_names, spread.pixel_size_um) == (
        restored.shape,
        ("GFP",),
        restored.pixel_size_um,
    )


def test_spread_of_a_model_that_changes_nothing_is_the_noise(measured, identity):
    expected = np.tile(100 + 2 * np.linspace(10, 40, 40, dtype=np.float32), (5, 1, 1, 32, 1))
    restored = measured.derived(ArraySource(expected), provenance={})
    spread = np.asarray(dc.spread_map(measured, restored, identity, NOISE, seed=4, **RUN))
    power = np.square(spread).mean((0, 1, 2, 3))
    np.testing.assert_allclose(power, 2 * (expected[0, 0, 0, 0] - 100), rtol=0.25)
    again = dc.spread_map(measured, restored, identity, NOISE, seed=4, **RUN)
    np.testing.assert_array_equal(spread, np.asarray(again))
    other = dc.spread_map(measured, restored, identity, NOISE, seed=5, **RUN)
    assert (spread != np.asarray(other)).mean() > 0.7


def test_drawn_frames_are_independent_and_use_the_nearest_restored_frame():
    measured = Movie.from_array(np.zeros((6, 8, 8), np.float32))
    restored = Movie.from_array(np.ones((2, 8, 8), np.float32) * np.array([200, 900])[:, None, None])
    drawers = [NoiseDrawer.of(NOISE)]
    source = DrawnSource(measured, restored, [1, 4], drawers, (0, 1))
    frames = [source.read(t, 0, 0, ALL, ALL) for t in range(6)]
    assert [round(float(frame.mean()), -2) for frame in frames] == [200, 200, 200, 900, 900, 900]
    assert (frames[0] != frames[1]).any()
    np.testing.assert_array_equal(source.read(4, 0, 0, slice(2, 5), slice(1, 3)), frames[4][2:5, 1:3])
    other = DrawnSource(measured, restored, [1, 4], drawers, (0, 2))
    assert (other.read(0, 0, 0, ALL, ALL) != frames[0]).any()


def test_spread_of_selected_frames_has_the_windows_of_the_whole_movie(measured, restored, model):
    options = dc.RestorationOptions(frames="1:3")
    part = dc.restore(measured, model, inference=RUN["inference"], options=options)
    spread = dc.spread_map(measured, part, model, method="symmetry", **RUN)
    whole = dc.spread_map(measured, restored, model, method="symmetry", **RUN)
    np.testing.assert_array_equal(np.asarray(spread), np.asarray(whole)[1:3])


def test_spread_is_zero_in_missing_planes_and_constant_channels(measured, model):
    pixels = np.repeat(np.asarray(measured), 2, axis=1)
    pixels[:, 1] = 100
    movie = Movie.from_array(pixels).replace(missing=[(1, 0, 0), (1, 1, 0)])
    result = dc.restore(movie, model, inference=RUN["inference"])
    spread = dc.spread_map(movie, result, model, [NOISE, NOISE], **RUN)
    values = np.asarray(spread)
    assert spread.missing == {(1, 0, 0), (1, 1, 0)}
    assert not values[:, 1].any()
    assert not values[1].any()
    assert values[[0, 2, 3, 4], 0].all(axis=(1, 2, 3)).sum() >= 3


@pytest.mark.parametrize("name", ["spread.ome.zarr", "spread.ome.tif"])
def test_cancelled_spread_is_resumed(measured, restored, model, tmp_path, name):
    stop, planes = threading.Event(), []

    class Counted(ArraySource):
        def read(self, t, c, z, rows, columns):
            planes.append(t)
            if len(planes) == 12:
                stop.set()
            return super().read(t, c, z, rows, columns)

    counted = restored.derived(Counted(np.asarray(restored)))
    with pytest.raises(Cancelled, match="finished planes are kept"):
        dc.spread_map(measured, counted, model, NOISE, tmp_path / name, cancel=stop, **RUN)
    begun = len(planes)
    spread = dc.spread_map(measured, counted, model, NOISE, tmp_path / name, **RUN)
    resumed = len(planes) - begun
    np.testing.assert_array_equal(
        np.asarray(spread), np.asarray(dc.spread_map(measured, restored, model, NOISE, **RUN))
    )
    planes.clear()
    dc.spread_map(measured, counted, model, NOISE, **RUN)
    assert resumed < len(planes)
    with pytest.raises(OutputExistsError):
        dc.spread_map(measured, counted, model, NOISE, tmp_path / name, **RUN)


def test_spread_memory_does_not_grow_with_the_movie(identity, tmp_path):
    peaks = []

    class Source(ArraySource):
        def read(self, t, c, z, rows, columns):
            if c == 0:
                peaks.append(tracemalloc.get_traced_memory()[1])
            return super().read(t, c, z, rows, columns)

    still = 100 + 2 * np.random.default_rng(0).poisson(30, (1, 64, 64)).astype(np.uint16)
    movie = Movie(Source(np.broadcast_to(still, (30, 64, 64))))
    restored = movie.replace(provenance={})
    tracemalloc.start()
    dc.spread_map(movie, restored, identity, NOISE, tmp_path / "spread.ome.zarr", **(RUN | {"draws": 2}))
    tracemalloc.stop()
    assert peaks[-1] < peaks[-40] + 150_000  # the maps of the frames between are 0.2 MB


def test_spread_map_refuses_another_model_and_wrong_settings(measured, restored, model, tiny_models):
    with pytest.raises(InputError, match=r"was restored with the model .*; use the recorded model"):
        dc.spread_map(measured, restored, tiny_models["still"], NOISE)
    with pytest.raises(InputError, match="method is 'photons', expected 'noise' or 'symmetry'"):
        dc.spread_map(measured, restored, model, NOISE, method="photons")
    for draws, method in ((1, "noise"), (9, "symmetry")):
        with pytest.raises(InputError, match="draws"):
            dc.spread_map(measured, restored, model, NOISE, method=method, draws=draws)


def test_spread_uses_the_recorded_fidelity(measured, nogan_model):
    options = dc.RestorationOptions(fidelity=0.5)
    result = dc.restore(measured, nogan_model, inference=RUN["inference"], options=options)
    spread = dc.spread_map(measured, result, nogan_model, NOISE, **RUN)
    assert spread.provenance["restoration"]["fidelity"] == 0.5
    same = dc.spread_map(measured, result, load_model(nogan_model).with_fidelity(0.5), NOISE, **RUN)
    np.testing.assert_array_equal(np.asarray(spread), np.asarray(same))
