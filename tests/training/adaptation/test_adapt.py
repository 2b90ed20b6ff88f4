from __future__ import annotations

import logging
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from tests.training.runs import log_rows
from tests.training.tiny_run import NETWORK
from torch.nn.modules.module import register_module_forward_pre_hook

from decrappify.datasets.plane_cache import cache_movies
from decrappify.errors import Cancelled, InputError
from decrappify.metrics.fidelity import psnr
from decrappify.model import Model, load_model
from decrappify.movie import Movie
from decrappify.networks import create
from decrappify.networks.spec import RestorationNetwork
from decrappify.noise import Estimate, NoiseModel
from decrappify.noise.measurement.measure import HIDDEN_BY_MOTION
from decrappify.noise.pixels.splitting import NoiseSplitter
from decrappify.noise.pixels.variance import MovieSplitter
from decrappify.normalization import NormalizationRule
from decrappify.restoration import restore
from decrappify.training import AdaptationConfig, RunOptions, adapt
from decrappify.training.adaptation.api import verdict
from decrappify.training.adaptation.dataset import SplitDataset
from decrappify.training.adaptation.noise import in_words, splitters_of
from decrappify.training.adaptation.outputs import plot_adaptation
from decrappify.training.adaptation.run import best_interpolation
from decrappify.training.adaptation.validation import AdaptationScore

GAIN, OFFSET, PHOTONS = 3.0, 100.0, 12.0
NOISE = NoiseModel(gain=Estimate(GAIN, 0.05), intercept=Estimate(-GAIN * OFFSET))
CONFIG = AdaptationConfig(
    max_steps=60,
    batch_size=4,
    patch_size=32,
    learning_rate=2e-3,
    ema_decay=0.9,
    validate_every=20,
    device="cpu",
    precision="float32",
)

pytestmark = pytest.mark.usefixtures("undrawn_training")


@pytest.fixture(scope="module")
def expected():
    """Return a movie (T, Y, X) without noise, in gray levels: smooth blobs that drift by one pixel per frame."""
    rng = np.random.default_rng(0)
    blobs = gaussian_filter(rng.random((80, 80)), 2.5)
    blobs = (blobs - blobs.min()) / np.ptp(blobs)
    return np.stack([OFFSET + GAIN * PHOTONS * np.roll(blobs, t, axis=1)[:64, :64] for t in range(20)])


@pytest.fixture(scope="module")
def noisy(expected):
    counts = np.random.default_rng(1).poisson((expected - OFFSET) / GAIN)
    return Movie.from_array((OFFSET + GAIN * counts).astype(np.uint16), name="noisy")


@pytest.fixture(scope="module")
def given(torch_seed):
    """Return a model with random weights, which predicts nearly the middle frame."""
    return Model(create("small", n_frames=3, scale=1, **NETWORK), card={"name": "untrained"})


@pytest.fixture(scope="module")
def torch_seed():
    torch.manual_seed(0)


def test_adapted_model_is_closer_to_the_movie_without_noise(given, noisy, expected, tmp_path, caplog):
    caplog.set_level(logging.INFO, "decrappify.training.adaptation")
    model = adapt(given, noisy, noise=NOISE, config=CONFIG, output=tmp_path / "run")
    results = [restore(noisy, one) for one in (given, model)]
    before, after = (psnr(np.asarray(one)[:, 0, 0], expected) for one in results)
    assert after > before + 2
    card = model.card["adapted"]
    assert (card["from"], card["kept"], card["movies"], card["steps"]) == ("untrained", "adapted", ["noisy"], 60)
    assert card["change"] < 0
    assert card["noise"][0][0]["gain"] == GAIN
    record = [one.provenance["restoration"].get("adapted") for one in results]
    keys = ("from", "from_sha256", "movies", "kept", "share", "steps")
    assert record == [None, {key: card[key] for key in keys}]
    assert "gain 3 ± 0.05 gray levels per photoelectron, independent noise; split by photon thinning" in caplog.text
    assert verdict(card) in caplog.text
    assert load_model(tmp_path / "run" / "model.safetensors").sha256 == model.sha256
    assert [int(row["step"]) for row in log_rows(tmp_path / "run")] == [0, 20, 40, 60]


@pytest.mark.parametrize(("lowest", "share"), [(1.5, 0.75), (0.9, 0.75), (0.6, 0.5), (0.3, 0.25), (-1, 0.25)])
def test_interpolation_has_almost_the_lowest_error_of_the_weights_in_between(lowest, share):
    def score(weights):
        return AdaptationScore(float((weights["w"] - lowest) ** 2 - lowest**2), 0.1, 1.0, 0.1, 0.0)

    weights, best, found = best_interpolation({"w": torch.zeros(1)}, {"w": torch.ones(1)}, score)
    assert found == share
    assert (weights["w"].item(), best) == (share, score({"w": torch.tensor([share])}))


def test_plot_of_validations_is_an_image(tmp_path):
    rows = [
        {"step": str(step), "val_change": change, "val_change_error": "1e-6", "val_gaussian": "4e-5"}
        | {"val_noise_draw": "0.01"}
        for step, change in ((0, "0"), (10, "-1e-5"), (20, "-2e-5"))
    ]
    plot_adaptation(rows, tmp_path)
    with Image.open(tmp_path / "loss.png") as image:
        assert image.size == (1200, 432)


@pytest.mark.slow
def test_given_model_is_kept_if_the_adapted_one_is_not_better(given, noisy):
    harmful = replace(CONFIG, max_steps=4, validate_every=4, learning_rate=1e-9)
    model = adapt(given, noisy, noise=NOISE, config=harmful)
    assert model.card["adapted"]["kept"] == "given"
    assert (model.sha256, model.name) == (given.sha256, "untrained")
    assert "whose weights are kept" in verdict(model.card["adapted"])


@pytest.mark.parametrize(("kept", "which"), [("adapted", "it"), ("given", "fluorescence-movie")])
def test_verdict_states_that_a_gaussian_filter_is_as_good(kept, which):
    card = {"from": "fluorescence-movie", "kept": kept, "lead": None, "better_than_gaussian": False}
    assert verdict(card).endswith(f"; {which} is not clearly better than the best Gaussian filter")
    assert "Gaussian" not in verdict(card | {"better_than_gaussian": True})


def test_score_compares_both_models_with_the_gaussian_filter():
    score = AdaptationScore(-4.0, 0.1, 1.0, 1.0, 0.0)
    assert score.is_better_than_gaussian(given=False)
    assert not score.is_better_than_gaussian(given=True)
    assert np.isnan(score.lead)


@pytest.mark.slow
def test_resumed_run_has_the_weights_of_an_uninterrupted_one(given, noisy, tmp_path):
    config = replace(CONFIG, max_steps=8, validate_every=4)
    whole = adapt(given, noisy, noise=NOISE, config=config, output=tmp_path / "whole")
    cancel = threading.Event()

    def stop(step, score):
        if step == 4:
            cancel.set()

    run = RunOptions(cancel=cancel, on_validation=stop)
    stopped = adapt(given, noisy, noise=NOISE, config=config, output=tmp_path / "run", run=run)
    assert stopped.card["adapted"]["unfinished"] == "stopped at step 5 of 8"
    resumed = adapt(given, noisy, noise=NOISE, config=config, output=tmp_path / "run", run=RunOptions(resume=True))
    assert resumed.sha256 == whole.sha256
    other = replace(NOISE, gain=Estimate(2.0))
    with pytest.raises(InputError, match="noise"):
        adapt(given, noisy, noise=other, config=config, output=tmp_path / "run", run=RunOptions(resume=True))


NOTHING = "^the run was stopped before its first step; nothing was saved, so start it again$"


@pytest.mark.parametrize("noise", [None, NOISE], ids=["calibration", "thinning"])
def test_stop_while_the_noise_is_measured_ends_after_its_channel(given, noisy, tmp_path, noise):
    stop, read = threading.Event(), set()
    pixels = np.asarray(noisy)
    both = Movie.from_array(np.concatenate([pixels, pixels], axis=1), channel_names=["GFP", "RFP"], name="two")

    def region(t, c, z, rows, columns):
        read.add(c)
        stop.set()
        return both.region(t, c, z, rows, columns)

    with pytest.raises(Cancelled, match=NOTHING):
        adapt(
            given,
            both.map_regions(region),
            noise=noise,
            config=CONFIG,
            output=tmp_path / "run",
            run=RunOptions(cancel=stop),
        )
    assert read == {0}
    assert not (tmp_path / "run").exists()


# Of the given model, in the measurement of the speed, before step 1.
@pytest.mark.parametrize("batches", [1, *(pytest.param(n, marks=pytest.mark.slow) for n in (5, 9))])
def test_stop_during_a_validation_before_the_first_step_ends_after_its_batch(given, noisy, tmp_path, batches):
    stop, forward, output = threading.Event(), [], tmp_path / "run"

    def validated(network, *_):
        if isinstance(network, RestorationNetwork) and not torch.is_grad_enabled():
            forward.append(1)
            if len(forward) == 2 * batches:  # both splits
                stop.set()

    timed = replace(CONFIG, max_steps=None, validate_every=None, minutes=0.01)
    hook = register_module_forward_pre_hook(validated)
    with pytest.raises(Cancelled, match=NOTHING):
        adapt(given, noisy, noise=NOISE, config=timed, output=output, run=RunOptions(cancel=stop))
    hook.remove()
    assert len(forward) == 2 * batches
    assert not output.exists()
    one = replace(CONFIG, max_steps=1, validate_every=1)
    assert adapt(given, noisy, noise=NOISE, config=one, output=output).card["adapted"]["steps"] == 1


@pytest.mark.slow
def test_noise_is_calibrated_for_each_channel(given, noisy, caplog):
    caplog.set_level(logging.INFO, "decrappify.training.adaptation")
    pixels = np.asarray(noisy)
    both = Movie.from_array(np.concatenate([pixels, 4 * pixels], axis=1), channel_names=["GFP", "RFP"], name="two")
    adapt(given, both, config=replace(CONFIG, max_steps=1, validate_every=1))
    gains = [float(line.split("gain ")[1].split()[0]) for line in caplog.messages if "gray levels per" in line]
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.INFO]
    assert [line.split(":")[0] for line in lines[:2]] == ["channel GFP of two", "channel RFP of two"]
    assert gains[1] / gains[0] == pytest.approx(4, rel=0.05)
    assert gains[0] == pytest.approx(GAIN, rel=0.15)


@pytest.mark.parametrize(("factor", "words"), [(0.5, "about 2.2 times that of the noise model"), (2.0, "about 0.5")])
def test_noise_model_that_leaves_dependent_parts_is_an_error(given, noisy, factor, words):
    wrong = NoiseModel(gain=Estimate(factor * GAIN), intercept=Estimate(-factor * GAIN * OFFSET))
    with pytest.raises(InputError, match=f"^noisy: split into two parts, the noise of both correlates.*{words}"):
        adapt(given, noisy, noise=wrong, config=CONFIG)


def test_filtered_movie_is_an_error_unless_the_noise_of_the_camera_is_passed(given, noisy):
    smoothed = gaussian_filter(np.asarray(noisy)[:, 0, 0], (1, 1.5, 1.5))
    advice = r"; pass the raw movie, or noise='camera\.toml', a file of calibrate for a raw movie of this camera$"
    with pytest.raises(InputError, match=f"^smoothed: the data are not raw: .*{advice}"):
        adapt(given, Movie.from_array(smoothed, "TYX", name="smoothed"), config=CONFIG)
    with pytest.raises(InputError, match=r"^movie: split into two parts"):  # a given noise is compared with the data
        splitters_of([Movie.from_array(smoothed, "TYX")], [[NOISE]])


def test_noise_of_which_neither_gain_nor_correlation_is_known_is_an_error(noisy):
    hidden = (Estimate(None, note=HIDDEN_BY_MOTION),) * 5
    noise = NoiseModel(noise_sd=Estimate(3.0), correlation_y=hidden, correlation_x=hidden)
    with pytest.raises(InputError, match=r"^noisy: neither the gain nor the correlation of the noise is determined"):
        splitters_of([noisy], [[noise]])
    known = in_words(replace(noise, gain=NOISE.gain), MovieSplitter(NoiseSplitter(3.0, -300.0)))
    assert "noise that is assumed to be independent (motion hides its correlation)" in known


@pytest.mark.slow
def test_uncertain_gain_is_warned_of(given, noisy, caplog):
    uncertain = replace(NOISE, gain=Estimate(GAIN, 0.25 * GAIN))
    adapt(given, noisy, noise=uncertain, config=replace(CONFIG, max_steps=1))
    assert "noisy: the gain is uncertain (3 ± 0.75)" in caplog.text


def test_single_image_with_correlated_noise_is_an_error(noisy):
    still = Model(create("small", n_frames=1, scale=1, **NETWORK), card={"name": "untrained"})
    rng = np.random.default_rng(0)
    field = gaussian_filter(rng.normal(0, 30, (192, 192)), 0.7)
    image = Movie.from_array((400 + field + np.linspace(0, 100, 192)).astype(np.float32), name="still")
    noise = NoiseModel(noise_sd=Estimate(float(field.std())))
    with pytest.raises(InputError, match=r"^still: the noise of neighboring pixels correlates by about 0\.4"):
        adapt(still, image, noise=noise, config=CONFIG)
    correlated = replace(noise, correlation_y=(Estimate(1.0), Estimate(0.6), Estimate(0.1)))
    assert adapt(still, image, noise=correlated, config=replace(CONFIG, max_steps=1)).card["adapted"]["steps"] == 1


def split_patches(movie, size=16):
    movies, splitters = cache_movies([movie], NormalizationRule(), 2**30), [[MovieSplitter.of(movie, 0, NOISE)]]
    return SplitDataset(movies, splitters, n_frames=3, patch_size=size, length=9, seed=5, share=(0.6, 0.9))


def test_frames_that_replace_missing_neighbors_do_not_contain_the_light_of_the_target():
    flat = OFFSET + GAIN * np.random.default_rng(0).poisson(100, (3, 64, 64))
    movie = Movie.from_array(flat.astype(np.uint16), "TYX", missing=[(0, 0, 0), (2, 0, 0)])  # the middle frame remains
    patch = split_patches(movie, 64)[0]
    assert np.array_equal(patch["source"][0], patch["source"][1])
    for source in patch["source"]:
        assert abs(np.corrcoef(source.ravel(), patch["target"].ravel())[0, 1]) < 0.05


def test_items_of_a_dataset_depend_only_on_their_number(noisy):
    first, again, other = (split_patches(noisy)[number] for number in (3, 3, 4))
    assert all(np.array_equal(first[key], again[key]) for key in ("source", "source_2", "target", "target_2"))
    assert not np.array_equal(first["source"], other["source"])
    assert not np.array_equal(first["target"], first["target_2"])
    assert first["weight"].shape == (1, 16, 16)
    assert np.corrcoef(first["weight"].ravel(), first["source"][1].ravel())[0, 1] < 0  # dim pixels count more
    assert first["source"].shape == (3, 16, 16)
    assert first["target"].shape == (1, 16, 16)


@pytest.mark.parametrize(
    ("change", "expected_lead", "better"), [(-2e-5, 1.5, True), (-2e-6, 1.05, False), (1e-5, 0.75, False)]
)
def test_score_compares_with_the_given_model_and_the_gaussian(change, expected_lead, better):
    score = AdaptationScore(change, 4e-6, 4e-5, 5e-6, 0.01)
    assert (score.is_better, round(score.lead, 2)) == (better, expected_lead)


def test_lead_is_unknown_for_a_model_that_is_not_better_than_the_gaussian():
    assert np.isnan(AdaptationScore(-2e-5, 4e-6, 4e-6, 5e-6, 0.01).lead)


def test_models_of_other_kinds_are_errors(noisy):
    with pytest.raises(InputError, match="fluorescence-movie-x2 has scale 2"):
        adapt("fluorescence-movie-x2", noisy)
    with pytest.raises(InputError, match="expected a NoiseModel, a Calibration, the path"):
        adapt("fluorescence-movie", noisy, noise=2.0)


def test_movies_without_frames_to_hold_out_and_color_movies_are_errors(given, noisy):
    with pytest.raises(InputError, match=r"too few to keep .*; pass a longer movie, or several$"):
        adapt(given, noisy[:8], noise=NOISE, config=CONFIG)
    with pytest.raises(InputError, match=r"if its 20 slices are frames, open it with axes='TYX'$"):
        adapt(given, Movie.from_array(np.asarray(noisy)[:, 0, 0], "ZYX"), noise=NOISE, config=CONFIG)
    color = Movie.from_array(np.repeat(np.asarray(noisy), 3, axis=1), channel_names=["R", "G", "B"])
    with pytest.raises(InputError, match=r"is a color movie .* open it with channel='G' or another one"):
        adapt(given, color, noise=NOISE, config=CONFIG)


def test_number_of_noise_models_must_be_that_of_the_channels(noisy):
    with pytest.raises(InputError, match="noise has 2 entries, expected 1, one per channel of noisy"):
        adapt("fluorescence-movie", noisy, noise=[NOISE, NOISE])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"share": (0.5, 1.0)}, "share is 1, expected a share of the light between 0 and 1"),
        ({"share": (0.8, 0.5)}, r"share is \(0.8, 0.5\), expected \(low, high\)"),
        ({"minutes": 0.0}, "minutes"),
    ],
)
def test_impossible_settings_are_errors(settings, message):
    with pytest.raises(InputError, match=message):
        AdaptationConfig(**settings)
