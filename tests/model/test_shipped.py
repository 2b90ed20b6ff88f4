"""The shipped models: size, card, agreement with their run files, and improvement over their sources."""

from __future__ import annotations

import tomllib
from dataclasses import replace

import numpy as np
import pytest
import torch

from decrappify import crappifier_preset, load_model, restore
from decrappify.crappify import crappify_movie
from decrappify.inference.network import MIN_AGREEMENT_DB
from decrappify.inference.options import InferenceOptions
from decrappify.inference.precision import has_fast_bfloat16
from decrappify.metrics.baselines import best_gaussian
from decrappify.metrics.fidelity import psnr
from decrappify.model import shipped_models
from decrappify.movie import Movie
from decrappify.normalization import measure
from decrappify.restoration import Restorer
from decrappify.samples import simulate
from decrappify.training import TrainingConfig

NEEDS = {
    "em-denoise": (1, 1),
    "em-x4": (1, 4),
    "fluorescence-movie": (3, 1),
    "fluorescence-movie-x2": (3, 2),
    "fluorescence-still": (1, 1),
}
FAST_BFLOAT16 = pytest.mark.skipif(
    not has_fast_bfloat16(torch.device("cpu")), reason="this processor only emulates bfloat16, which takes too long"
)


def test_shipped_models_are_complete():
    assert set(shipped_models()) == set(NEEDS)


@pytest.mark.parametrize("name", NEEDS)
def test_shipped_model_is_small_and_has_a_complete_card(name):
    model = load_model(name)
    assert (model.n_frames, model.scale) == NEEDS[name]
    assert shipped_models()[name].stat().st_size <= 8_000_000
    assert model.name == name
    for key in ("summary", "data", "limits", "scores", "settings", "trained_with", "steps"):
        assert model.card[key], key


@pytest.mark.parametrize("name", NEEDS)
def test_run_file_matches_the_card(name):
    run = tomllib.loads(shipped_models()[name].with_suffix(".toml").read_text(encoding="utf-8"))
    model = load_model(name)
    assert TrainingConfig.from_dict(run["training"]) == TrainingConfig.from_dict(model.card["settings"])
    expected = run["crappifier"]["name"] if isinstance(run["crappifier"], dict) else run["crappifier"]
    assert model.crappifier["name"] == expected


@pytest.fixture(scope="module")
def sample():
    return simulate("cell", n_frames=5, size=(160, 160), speed_px=0.5, seed=77)


@pytest.mark.parametrize("name", ["fluorescence-movie", pytest.param("fluorescence-still", marks=pytest.mark.slow)])
def test_restored_movie_exceeds_the_best_gaussian_by_half_a_decibel(name, sample):
    target, noisy = (np.asarray(movie)[:, 0, 0].astype(np.float32) for movie in (sample.truth, sample.noisy))
    restored = np.asarray(restore(sample.noisy, name, inference=InferenceOptions(device="cpu")))[:, 0, 0]
    best = [best_gaussian(*frames).psnr for frames in zip(noisy, target, strict=True)]
    assert psnr(restored, target) > np.mean(best) + 0.5


def test_restored_x2_movie_exceeds_cubic_interpolation_by_two_decibels(sample):
    from scipy.ndimage import zoom

    target = sample.truth.select()
    source = crappify_movie(target, crappifier_preset("confocal-x2"), seed=5)
    restored = np.asarray(restore(source, "fluorescence-movie-x2", inference=InferenceOptions(device="cpu")))[:, 0, 0]
    expected, coarse = np.asarray(target)[:, 0, 0], np.asarray(source)[:, 0, 0]
    cubic = zoom(coarse, (1, 2, 2), order=3, grid_mode=True, mode="nearest")
    assert psnr(restored, expected) > psnr(cubic, expected) + 2


@pytest.mark.parametrize(
    "name",
    ["fluorescence-movie", *(pytest.param(n, marks=pytest.mark.slow) for n in NEEDS if n != "fluorescence-movie")],
)
@pytest.mark.parametrize("precision", ["float32", pytest.param("bfloat16", marks=FAST_BFLOAT16)])
def test_tiled_restoration_differs_by_less_than_a_thousandth(name, precision, sample):
    model = load_model(name)
    options = InferenceOptions(device="cpu", precision=precision)
    frame = measure(sample.noisy).apply(sample.noisy.frame(2))
    window = np.tile(frame, (model.n_frames, 2, 2))
    whole = Restorer(model, inference=replace(options, tile_size=512)).restore_window(window)
    tiled = Restorer(model, inference=replace(options, tile_size=192)).restore_window(window)
    assert np.abs(whole - tiled).max() < 1e-3 * np.ptp(whole)


@FAST_BFLOAT16
@pytest.mark.parametrize(
    "name",
    ["fluorescence-movie", *(pytest.param(n, marks=pytest.mark.slow) for n in NEEDS if n != "fluorescence-movie")],
)
def test_bfloat16_is_chosen_and_changes_less_than_the_own_error_of_the_model(name, sample):
    model = load_model(name)
    on_cpu = InferenceOptions(device="cpu")
    network = Restorer(model, inference=on_cpu).network
    assert network.precision == "bfloat16"
    assert 62 < network.agreement_db < 80
    frames = slice(0, model.n_frames)
    source = np.asarray(sample.noisy)[frames, 0, 0].astype(np.float32)
    exact, rounded = (
        np.asarray(restore(Movie.from_array(source), model, inference=replace(on_cpu, precision=precision)))[:, 0, 0]
        for precision in ("float32", "bfloat16")
    )
    assert psnr(rounded, exact) > MIN_AGREEMENT_DB
    target = np.asarray(sample.truth)[frames, 0, 0].astype(np.float32)
    if model.scale == 1:
        assert psnr(rounded, target) == pytest.approx(psnr(exact, target), abs=0.01)


def test_restoration_does_not_depend_on_gain_and_offset(sample):
    pixels = np.asarray(sample.noisy)[:3, 0, 0].astype(np.float32)
    once, scaled = (
        np.asarray(
            restore(
                Movie.from_array(pixels * gain + 50), "fluorescence-movie", inference=InferenceOptions(device="cpu")
            )
        )
        for gain in (1.0, 7.0)
    )
    np.testing.assert_allclose((scaled - 50) / 7, once - 50, atol=2e-3 * np.ptp(once))
