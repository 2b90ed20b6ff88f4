from __future__ import annotations

import logging
import math
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from tests.training.runs import log_rows
from tests.training.tiny_run import CONFIG, NETWORK, NOISE, cells, tiny_train

from decrappify.errors import InputError
from decrappify.losses import register_loss, unregister_loss
from decrappify.model import load_model
from decrappify.movie import Movie
from decrappify.training import DataOptions, RunOptions, train
from decrappify.training.engine import status
from decrappify.training.engine.weight_average import WeightAverage
from decrappify.training.supervised.report import kept

pytestmark = pytest.mark.usefixtures("undrawn_training")
FEATURES = ("brightness", "noise", "correlation", "detail")


def test_short_run_improves_loss_and_psnr(tmp_path):
    config = replace(CONFIG, max_steps=60, validate_every=10, batch_size=4)
    model = tiny_train(tmp_path, config)
    rows = log_rows(tmp_path)
    losses = [float(row["loss"]) for row in rows[1:]]  # of step 0, only the validation exists
    assert (rows[0]["loss"], len(losses), losses[-1] < losses[0]) == ("", 6, True)
    score = model.card["validation"]
    assert score["psnr_db"] > score["psnr_source_db"] + 1
    gains = score["psnr_db"] - score["psnr_source_db"], score["gain_content_db"], score["gain_background_db"]
    assert min(gains[1:]) < gains[0] < max(gains[1:])
    assert (score["patches"], score["patches_with_content"], score["movies"]) == (8, 8, 1)
    assert "validation rose by" in model.card["longer_training"]
    assert (model.n_frames, model.scale, model.crappifier) == (3, 1, NOISE.to_dict())
    assert (model.card["trained_on"], model.card["settings"]) == (["cells"], config.to_dict())


@pytest.mark.parametrize(("keep", "step"), [("best", 0), ("last", 8)])
def test_train_keeps_the_weights_of_the_best_or_of_the_last_validation(tmp_path, keep, step):
    scores = {}
    first = tiny_train(tmp_path / "first", replace(CONFIG, max_steps=24, validate_every=24))
    away = replace(CONFIG, max_steps=8, learning_rate=0.5, ema_decay=0.0, keep=keep)
    model = tiny_train(
        tmp_path / "second", away, start_from=first, on_validation=lambda at, score: scores.update({at: score.psnr})
    )
    assert (max(scores, key=scores.get), model.card["best_step"], model.card["validations"]) == (0, step, 3)
    assert model.card["validation"]["psnr_db"] == pytest.approx(scores[step], abs=0.01)
    assert (model.sha256 == first.sha256) == (keep == "best")
    assert kept(model.card).startswith(f"weights of step {step} of 8, the {keep}")


def test_train_stores_the_range_of_its_inputs_on_the_card(tmp_path):
    image = gaussian_filter(np.random.default_rng(0).random((100, 90)), 3)
    movie = Movie.from_array(np.stack([image] * 12))
    config = replace(CONFIG, n_frames=1, max_steps=10, validate_every=10)
    train(movie, NOISE, config=config, output=tmp_path / "run")
    learned = load_model(tmp_path / "run" / "model.safetensors").card["learned_range"]
    assert {name: len(quantiles) for name, quantiles in learned.items()} == dict.fromkeys(FEATURES, 5)


def test_train_restores_the_global_generator_and_determinism(tmp_path):
    before = torch.get_rng_state()
    tiny_train(tmp_path, replace(CONFIG, max_steps=2, validate_every=2, deterministic=True))
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.slow
def test_number_of_workers_does_not_change_the_model():
    config = replace(CONFIG, max_steps=2, validate_every=2)
    sums = {tiny_train(None, replace(config, workers=workers)).sha256 for workers in (0, 1)}
    assert len(sums) == 1


@pytest.mark.slow
def test_train_in_bfloat16_keeps_float32_weights():
    model, exact = (tiny_train(None, replace(CONFIG, max_steps=2, precision=name)) for name in ("bfloat16", "float32"))
    weights = list(model.network.parameters())
    assert all(weight.dtype == torch.float32 for weight in weights)
    assert not all(map(torch.equal, weights, exact.network.parameters()))


def test_train_accepts_measured_pairs(tmp_path):
    target = np.asarray(cells())[:, 0, 0]
    noisy = target + np.random.default_rng(0).normal(0, 0.05, target.shape).astype(np.float32)
    pairs = [(noisy, target), (noisy[:, ::-1], target[:, ::-1]), (noisy[..., ::-1], target[..., ::-1])]
    model = train(pairs=pairs, config=replace(CONFIG, max_steps=4), output=tmp_path)
    assert model.crappifier is None
    assert load_model(tmp_path / "model.safetensors").card["validation"]["noise_draw"] is None


def test_train_accepts_two_channels():
    both = np.stack([np.asarray(cells())[:, 0, 0], np.random.default_rng(0).random((16, 48, 48))], axis=1)
    movie = Movie.from_array(both.astype(np.float32), "TCYX")
    config = replace(CONFIG, max_steps=2, network_settings=NETWORK | {"in_channels": 2})
    model = train(movie, NOISE, config=config)
    assert (model.in_channels, model.network.out_channels) == (2, 2)


def test_train_takes_windows_along_z():
    stack = cells().z_as_time()
    model = train(stack, NOISE, config=replace(CONFIG, max_steps=2), data=DataOptions(time_axis="Z"))
    assert model.n_frames == 3


@pytest.mark.slow
def test_start_from_initializes_three_frames_from_one(tmp_path):
    first = tiny_train(tmp_path / "one", replace(CONFIG, n_frames=1, max_steps=4))
    config = replace(CONFIG, max_steps=1, learning_rate=1e-9)
    wide, source = tiny_train(None, config, start_from=first), torch.rand(1, 3, 16, 16)
    torch.testing.assert_close(wide.network(source), first.network(source[:, 1:2]), atol=1e-5, rtol=0)
    with pytest.raises(InputError, match=r"start_from='one' does not fit: base_channels is 16, expected 32"):
        tiny_train(None, replace(config, network_settings=NETWORK | {"base_channels": 32}), start_from=first)


def test_train_stops_at_a_loss_that_is_not_finite(tmp_path):
    calls = []

    def explode(prediction, target):
        calls.append(1)
        return (prediction - target).abs().mean() * (math.nan if len(calls) > 15 else 1)

    register_loss("explode", meaning="a loss")(explode)
    with pytest.raises(InputError, match=r"the loss of step 6 is nan; lower learning_rate \(0.002\) or check the data"):
        tiny_train(tmp_path, replace(CONFIG, loss="explode"))
    unregister_loss("explode")
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 4


def test_train_reports_progress(bar):
    tiny_train(None, replace(CONFIG, max_steps=4), progress=bar)
    assert (bar.settings["total"], bar.settings["initial"], bar.n, bar.closed) == (4, 0, 4, True)
    assert "val " in bar.text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "training needs high_res images and a crappifier, or pairs"),
        ({"high_res": []}, "training needs high_res images and a crappifier"),
        ({"high_res": [], "crappifier": NOISE}, "no images to train on; pass at least one path, array or movie"),
        ({"high_res": cells(), "pairs": []}, "pass either pairs, or high_res and a crappifier, not both"),
        ({"high_res": cells(), "crappifier": "confocl"}, "unknown crappifier preset 'confocl'"),
        ({"high_res": cells()[:5], "crappifier": NOISE}, "has 5 frames of 48 x 48 pixels, too few to keep some"),
        ({"pairs": [(cells()[:5], cells()[:1])]}, "has 1 frame of 48 x 48 pixels, too few to keep some"),
        (
            {"high_res": cells(), "crappifier": NOISE, "config": replace(CONFIG, patch_size=17)},
            "patch_size is 17, the network needs a multiple of 2, such as 18",
        ),
        (
            {
                "high_res": cells(),
                "crappifier": NOISE,
                "config": replace(CONFIG, network_settings={"out_channels": 2}),
            },
            "out_channels is 2, expected 1 like in_channels",
        ),
        (
            {"high_res": cells(), "crappifier": NOISE, "run": RunOptions(resume=True)},
            "cannot resume without a run folder",
        ),
    ],
)
def test_train_errors_are_one_line(arguments, message):
    with pytest.raises(InputError, match=message) as caught:
        train(**({"config": CONFIG} | arguments))
    assert "\n" not in str(caught.value)


def test_status_lines_contain_step_loss_validation_and_time_left(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(status, "SECONDS_BETWEEN_LINES", 0.0)
    with caplog.at_level(logging.INFO, "decrappify.training.engine.status"):
        tiny_train(None, replace(CONFIG, max_steps=6))
    lines = [record.getMessage() for record in caplog.records if record.name == "decrappify.training.engine.status"]
    assert len(lines) == 6
    assert re.fullmatch(r"training: step 3 of 6, loss [\d.e-]+, stability [\d.e-]+, \d+ s left", lines[2])
    assert re.fullmatch(r"training: step 5 of 6, .*, validation [\d.]+ dB, \d+ s left", lines[4])


def test_status_is_logged_once_a_minute(caplog):
    time = 0.0
    lines = status.StatusLog("training", 400, 100, now=lambda: time)
    with caplog.at_level(logging.INFO, "decrappify.training.engine.status"):
        time = 59.0
        lines.at(150, lambda: pytest.fail("computed in vain"))
        time = 120.0
        lines.at(151, lambda: {"loss": 0.25})
    (line,) = [record.getMessage() for record in caplog.records]
    assert line == "training: step 151 of 400, loss 0.25, 9 min left"


def test_status_begins_with_the_expected_time_of_a_long_run(caplog):
    time = 0.0
    long, short = (status.StatusLog("training", total, now=lambda: time) for total in (2000, 40))
    with caplog.at_level(logging.INFO, "decrappify.training.engine.status"):
        for step in range(1, 12):
            time = 20.0 + 0.5 * step  # the first step is slow
            long.at(step)
            short.at(step)
    lines = [record.getMessage() for record in caplog.records]
    assert lines == [
        "training: 2,000 steps take about 16 min (0.5 s per step)",
        "training: 40 steps take about 20 s (0.5 s per step)",
    ]


@pytest.mark.parametrize("decay", [0.0, 0.9, 0.999])
def test_weight_average_matches_the_formula(decay):
    network = torch.nn.Linear(1, 1, bias=False)
    average = WeightAverage(network, decay)
    expected = average.weights["weight"].item()
    for step in range(1, 30):
        torch.nn.init.constant_(network.weight, math.sin(step))
        average.update(network)
        now = min(decay, (1 + step) / (10 + step))
        expected = now * expected + (1 - now) * math.sin(step)
        assert average.weights["weight"].item() == pytest.approx(expected, abs=1e-6)
