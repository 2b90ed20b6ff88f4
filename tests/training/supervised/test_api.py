from __future__ import annotations

import csv
import logging
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from tests.training.tiny_run import CONFIG, NETWORK, NOISE, cells, tiny_train

from decrappify._common.processor import processor_type, threads_put_back
from decrappify.crappify import Crappifier, Gaussian
from decrappify.errors import InputError, OutputError, OutputExistsError
from decrappify.losses import register_loss, unregister_loss
from decrappify.model import load_model
from decrappify.movie import Movie
from decrappify.training import DataOptions, RunOptions, train
from decrappify.training.engine import status
from decrappify.training.engine.training_log import TrainingLog
from decrappify.training.engine.weight_average import WeightAverage

FEATURES = ("brightness", "noise", "correlation", "detail")
SCRIPT = Path(__file__).parents[1] / "tiny_run.py"


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """One undisturbed run that many tests look at."""
    folder = tmp_path_factory.mktemp("runs") / "straight"
    tiny_train(folder)
    return folder


@pytest.fixture(autouse=True)
def undrawn(monkeypatch):
    """The plot of the losses is looked at in `straight`, which is made before this; elsewhere it only takes time."""
    monkeypatch.setattr(TrainingLog, "plot", lambda self, *, final=True: None)


def in_new_process(*arguments):
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    threads = {"OMP_NUM_THREADS": "2" if torch.get_num_threads() == 1 else "1"}  # others than here
    return subprocess.Popen(command, env=os.environ | threads, stderr=subprocess.PIPE, text=True)


def finish(process):
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors


def log_rows(folder):
    with (folder / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def assert_equal(first, second, where="checkpoint"):
    """Bit for bit, all the way down; but for the time that it took."""
    assert type(first) is type(second), where
    if isinstance(first, dict):
        assert first.keys() == second.keys(), where
        for key in first.keys() - {"seconds"}:
            assert_equal(first[key], second[key], f"{where}.{key}")
    elif isinstance(first, torch.Tensor):
        assert torch.equal(first, second), where
    else:
        assert first == second, where


def halted_after(folder, step, config=CONFIG):
    """Train until the validation of `step` asks to stop, which happens one step later."""
    stop = threading.Event()
    return tiny_train(folder, config, cancel=stop, on_validation=lambda at, _: at >= step and stop.set())


@pytest.fixture(scope="module")
def new_process(tmp_path_factory):
    """Two run folders: one resumed in a process with other threads, and one that it then began and Ctrl-C stopped."""
    resumed, stopped = (tmp_path_factory.mktemp("runs") / name for name in ("resumed", "stopped"))
    assert halted_after(resumed, 4).card["steps"] == 5
    process = in_new_process(resumed, "resume", CONFIG.max_steps, 1, stopped)
    while not (stopped / "preview_0000004.png").exists() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    finish(process)
    return resumed, stopped


@pytest.mark.cpu_sensitive
def test_a_run_resumed_with_other_threads_is_the_same_to_the_bit(straight, tmp_path):
    with threads_put_back():
        assert halted_after(tmp_path, 4).card["steps"] == 5
        torch.set_num_threads(2 if torch.get_num_threads() == 1 else 1)
        tiny_train(tmp_path, resume=True)
    assert_same_run(tmp_path, straight)


@pytest.mark.slow
def test_a_run_resumed_in_a_new_process_with_other_threads_is_the_same_to_the_bit(straight, new_process):
    resumed, _ = new_process
    assert_same_run(resumed, straight)


def assert_same_run(resumed, straight):
    """Bit for bit, of a run that was stopped after step 5 and resumed; but for the time that it took."""
    ours, theirs = (torch.load(folder / "checkpoint.pt", weights_only=True) for folder in (resumed, straight))
    assert_equal(ours, theirs)
    first, second = (load_model(folder / "model.safetensors") for folder in (resumed, straight))
    assert first.sha256 == second.sha256
    # the files differ in nothing but the folder's name and the time that it took
    cards = [list((model.card | {"name": "", "training_seconds": 0}).items()) for model in (first, second)]
    assert cards[0] == cards[1]
    kept = [{key: row[key] for key in row if key != "seconds"} for row in log_rows(resumed) if row["step"] != "5"]
    assert kept == [{key: row[key] for key in row if key != "seconds"} for row in log_rows(straight)]


class Killed(BaseException):
    """Ends a run without a chance to save."""


def killed_at(folder, step):
    """Train with a checkpoint after every step, and end in this step as a killed process does."""

    class Bar:
        def __init__(self, *, initial, **_):
            self.n = initial

        def update(self, n):
            self.n += n
            if self.n == step:
                raise Killed

        def close(self):
            pass

    with pytest.raises(Killed):
        tiny_train(folder, replace(CONFIG, checkpoint_minutes=0), progress=Bar)


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("step", "damage", "resumed"),
    [
        pytest.param(2, None, 1, marks=pytest.mark.slow),
        (7, None, 6),
        (7, flip_a_bit, 5),
        pytest.param(5, lambda path: path.write_bytes(b""), 3, marks=pytest.mark.slow),
        (6, Path.unlink, 4),
    ],
)
def test_a_run_killed_in_any_step_loses_one_step_and_resumes_to_the_bit(
    straight, tmp_path, caplog, bar, step, damage, resumed
):
    killed_at(tmp_path, step)
    last = tmp_path / "checkpoint.pt"
    if damage is not None:
        damage(last)
    model = tiny_train(tmp_path, resume=True, progress=bar)
    assert bar.settings["initial"] == resumed
    assert "unfinished" not in model.card
    assert model.sha256 == load_model(straight / "model.safetensors").sha256
    assert_equal(*(torch.load(folder / "checkpoint.pt", weights_only=True) for folder in (tmp_path, straight)))
    warned = [record.getMessage() for record in caplog.records if "previous checkpoint" in record.getMessage()]
    assert len(warned) == (damage is not None)
    assert (tmp_path / "checkpoint.damaged.pt").exists() is (damage not in (None, Path.unlink))


@pytest.mark.parametrize(("then", "now"), [pytest.param(2, 1, marks=pytest.mark.slow), (1, 2)])
def test_a_resumed_run_has_the_threads_that_it_began_with(tmp_path, then, now):
    config, stop, found = replace(CONFIG, max_steps=2), threading.Event(), set()
    stop.set()
    with threads_put_back():
        torch.set_num_threads(then)
        assert tiny_train(tmp_path, config, cancel=stop).card["steps"] == 1
        torch.set_num_threads(now)
        model = tiny_train(tmp_path, config, resume=True, on_validation=lambda *_: found.add(torch.get_num_threads()))
        assert torch.get_num_threads() == now
    assert found == {then}
    assert model.card["runtime"] == {"threads": then, "processor": processor_type()}


@pytest.mark.parametrize("recorded", [None, {"threads": 1, "processor": "riscv64"}])
def test_a_run_begun_elsewhere_or_without_record_is_resumed_with_a_warning(tmp_path, caplog, recorded):
    config, stop = replace(CONFIG, max_steps=2), threading.Event()
    stop.set()
    tiny_train(tmp_path, config, cancel=stop)
    checkpoint = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    del checkpoint["runtime"]
    torch.save(checkpoint | ({} if recorded is None else {"runtime": recorded}), tmp_path / "checkpoint.pt")
    with caplog.at_level(logging.WARNING, "decrappify._common.processor"):
        tiny_train(tmp_path, config, resume=True)
    (warning,) = [record.getMessage() for record in caplog.records if record.name == "decrappify._common.processor"]
    assert warning.endswith("last digits may differ")


@pytest.mark.slow
def test_ctrl_c_saves_and_the_run_resumes_from_there(new_process):
    _, stopped = new_process
    steps = torch.load(stopped / "checkpoint.pt", weights_only=True)["step"]
    assert steps >= 4
    assert load_model(stopped / "model.safetensors").card["unfinished"].startswith("stopped at step ")
    config, stop = replace(CONFIG, max_steps=100_000), threading.Event()
    stop.set()
    assert tiny_train(stopped, config, resume=True, cancel=stop).card["steps"] == steps + 1


def test_run_folder_contains_log_plot_and_images(straight):
    assert {path.name for path in straight.iterdir() if not path.name.startswith("events")} == {
        "checkpoint.previous.pt",
        "checkpoint.pt",
        "log.csv",
        "loss.png",
        "model.safetensors",
        *(f"preview_{step:07d}.png" for step in (4, 8, 12)),
    }
    rows = log_rows(straight)
    assert [row["step"] for row in rows] == ["4", "8", "12"]
    assert all(math.isfinite(float(value)) for row in rows for value in row.values())
    assert float(rows[0]["seconds"]) < float(rows[-1]["seconds"])
    for name in ("loss.png", "preview_0000012.png"):
        assert np.asarray(Image.open(straight / name)).std() > 10


def test_a_short_run_learns(tmp_path):
    config = replace(CONFIG, max_steps=60, validate_every=10, batch_size=4)
    model = tiny_train(tmp_path, config)
    losses = [float(row["loss"]) for row in log_rows(tmp_path)]
    assert losses[-1] < losses[0]
    score = model.card["validation"]
    assert score["psnr_db"] > score["psnr_source_db"] + 1
    assert (model.n_frames, model.scale, model.crappifier) == (3, 1, NOISE.to_dict())
    assert (model.card["trained_on"], model.card["settings"]) == (["cells"], config.to_dict())


def test_train_stores_the_range_of_its_inputs_on_the_card(tmp_path):
    image = gaussian_filter(np.random.default_rng(0).random((100, 90)), 3)
    movie = Movie.from_array(np.stack([image] * 12))
    config = replace(CONFIG, n_frames=1, max_steps=10, validate_every=10)
    train(movie, NOISE, config=config, output=tmp_path / "run")
    learned = load_model(tmp_path / "run" / "model.safetensors").card["learned_range"]
    assert {name: len(quantiles) for name, quantiles in learned.items()} == dict.fromkeys(FEATURES, 5)


def test_the_callers_generator_and_choices_are_left_alone(tmp_path):
    before = torch.get_rng_state()
    tiny_train(tmp_path, replace(CONFIG, max_steps=2, validate_every=2, deterministic=True))
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.are_deterministic_algorithms_enabled()


def test_loader_processes_change_nothing():
    config = replace(CONFIG, max_steps=2, validate_every=2)
    sums = {tiny_train(None, replace(config, workers=workers)).sha256 for workers in (0, 1)}
    assert len(sums) == 1


def test_bfloat16_runs():
    model = tiny_train(None, replace(CONFIG, max_steps=2, precision="bfloat16"))
    assert all(weight.dtype == torch.float32 for weight in model.network.parameters())


def test_measured_pairs_train(tmp_path):
    good = np.asarray(cells())[:, 0, 0]
    noisy = good + np.random.default_rng(0).normal(0, 0.05, good.shape).astype(np.float32)
    pairs = [(noisy, good), (noisy[:, ::-1], good[:, ::-1]), (noisy[..., ::-1], good[..., ::-1])]
    model = train(pairs=pairs, config=replace(CONFIG, max_steps=4), output=tmp_path)
    assert model.crappifier is None
    assert load_model(tmp_path / "model.safetensors").card["validation"]["noise_draw"] is None


def test_two_channels_train_together():
    both = np.stack([np.asarray(cells())[:, 0, 0], np.random.default_rng(0).random((16, 48, 48))], axis=1)
    movie = Movie.from_array(both.astype(np.float32), "TCYX")
    config = replace(CONFIG, max_steps=2, network_settings=NETWORK | {"in_channels": 2})
    model = train(movie, NOISE, config=config)
    assert (model.in_channels, model.network.out_channels) == (2, 2)


def test_z_stack_is_used_as_a_movie_and_split_along_z():
    stack = cells().z_as_time()
    model = train(stack, NOISE, config=replace(CONFIG, max_steps=2), data=DataOptions(time_axis="Z"))
    assert model.n_frames == 3


def test_a_model_of_one_frame_starts_one_of_three(tmp_path):
    first = tiny_train(tmp_path / "one", replace(CONFIG, n_frames=1, max_steps=4))
    config = replace(CONFIG, max_steps=1, learning_rate=1e-9)
    wide, source = tiny_train(None, config, start_from=first), torch.rand(1, 3, 16, 16)
    torch.testing.assert_close(wide.network(source), first.network(source[:, 1:2]), atol=1e-5, rtol=0)
    with pytest.raises(InputError, match=r"start_from='one' does not fit: base_channels is 16, expected 32"):
        tiny_train(None, replace(config, network_settings=NETWORK | {"base_channels": 32}), start_from=first)


def test_a_run_is_not_overwritten_unasked(straight, tmp_path):
    with pytest.raises(OutputExistsError, match=r"already contains a run; pass resume=True .* or overwrite=True"):
        tiny_train(straight)
    halted_after(tmp_path, 4)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError):  # the old run's files must not be taken for those of the new one that failed
        tiny_train(tmp_path, replace(CONFIG, patch_size=17), overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_another_setting_is_not_resumed(straight):
    with pytest.raises(InputError, match=r"cannot resume .*: learning_rate is 0.01 now and was 0.002"):
        tiny_train(straight, replace(CONFIG, learning_rate=0.01), resume=True)
    other = Crappifier([Gaussian((0.1, 0.4))], name="noise")
    with pytest.raises(InputError, match=r"crappifier.steps.0.sigma.1 is 0.4 now and was 0.3"):
        train(cells(), other, config=CONFIG, output=straight, run=RunOptions(resume=True))


def test_a_finished_run_resumes_to_its_model(straight):
    before = load_model(straight / "model.safetensors").sha256
    assert tiny_train(straight, resume=True).sha256 == before


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
    calls = []

    def explode(prediction, target):
        calls.append(1)
        return (prediction - target).abs().mean() * (math.nan if len(calls) > 15 else 1)

    register_loss("explode", meaning="a loss")(explode)
    with pytest.raises(InputError, match=r"the loss of step 6 is nan; lower learning_rate \(0.002\) or check the data"):
        tiny_train(tmp_path, replace(CONFIG, loss="explode"))
    unregister_loss("explode")
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 4


def test_progress_is_reported(bar):
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
        ({"pairs": [(cells()[:5], cells()[:1])]}, "has 5 frames of 48 x 48 pixels, too few to keep some"),
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
def test_errors_are_one_line(arguments, message):
    with pytest.raises(InputError, match=message) as caught:
        train(**({"config": CONFIG} | arguments))
    assert "\n" not in str(caught.value)


def test_a_run_folder_that_vanishes_ends_the_run_in_one_line(tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(OutputError, match=r"the run folder .*run no longer exists; restore it") as caught:
        tiny_train(folder, on_validation=lambda *_: shutil.rmtree(folder))
    assert "\n" not in str(caught.value)
    assert not folder.exists()


@pytest.mark.parametrize("ending", [b"8,0.00", b"8,0.001,x,0,1,2,3,4\r\n", b"\xff\xfe"])
def test_log_truncated_by_a_kill_is_repaired_on_resume(tmp_path, ending):
    killed_at(tmp_path, 6)
    with (tmp_path / "log.csv").open("ab") as file:
        file.write(ending)
    tiny_train(tmp_path, resume=True)
    assert [row["step"] for row in log_rows(tmp_path)][-2:] == ["8", "12"]


def test_status_lines_state_step_loss_validation_and_time_left(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(status, "SECONDS_BETWEEN_LINES", 0.0)
    with caplog.at_level(logging.INFO, "decrappify.training.engine.status"):
        tiny_train(None, replace(CONFIG, max_steps=6))
    lines = [record.getMessage() for record in caplog.records if record.name == "decrappify.training.engine.status"]
    assert len(lines) == 6
    assert re.fullmatch(r"training: step 3 of 6, loss [\d.e-]+, stability [\d.e-]+, \d+ s left", lines[2])
    assert re.fullmatch(r"training: step 5 of 6, .*, validation [\d.]+ dB, \d+ s left", lines[4])


def test_status_is_logged_once_a_minute(caplog):
    times = iter([0.0, 0.0, 59.0, 60.0, 60.0, 120.0, 7000.0, 7000.0, 7000.0])
    lines = status.StatusLog("training", 400, 100, now=lambda: next(times))
    with caplog.at_level(logging.INFO, "decrappify.training.engine.status"):
        lines.at(150, lambda: pytest.fail("computed in vain"))
        lines.at(160, lambda: {"loss": 0.25})
    assert [record.getMessage() for record in caplog.records] == ["training: step 160 of 400, loss 0.25, 8 min left"]


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match=r"cannot use .*run as run folder"):
        tiny_train(tmp_path / "file" / "run")


@pytest.mark.parametrize("decay", [0.0, 0.9, 0.999])
def test_the_average_is_that_of_the_formula(decay):
    network = torch.nn.Linear(1, 1, bias=False)
    average = WeightAverage(network, decay)
    expected = average.weights["weight"].item()
    for step in range(1, 30):
        torch.nn.init.constant_(network.weight, math.sin(step))
        average.update(network)
        now = min(decay, (1 + step) / (10 + step))
        expected = now * expected + (1 - now) * math.sin(step)
        assert average.weights["weight"].item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.slow
def test_two_processes_stay_equal_and_resume(tmp_path):
    for folder in ("straight", "again"):
        finish(in_new_process(tmp_path / folder, "start", 8, 2))
    folders = tmp_path / "straight", tmp_path / "again"
    first, second = (torch.load(folder / "checkpoint.pt", weights_only=True) for folder in folders)
    assert_equal(first, second)
    finish(in_new_process(tmp_path / "again", "resume", 8, 2))
    first, second = (load_model(folder / "model.safetensors") for folder in folders)
    assert first.sha256 == second.sha256
