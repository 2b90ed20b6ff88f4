from __future__ import annotations

import logging
import math
import os
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
from tests.training.runs import Killed, assert_equal, finish, log_rows
from tests.training.tiny_run import CONFIG, cells, tiny_train

from decrappify._common.processes.processor import processor_type, threads_put_back
from decrappify.crappify import Crappifier, Gaussian
from decrappify.errors import Cancelled, InputError, OutputError, OutputExistsError
from decrappify.model import load_model
from decrappify.training import RunOptions, train
from decrappify.training.engine.processes import used_precision
from decrappify.training.engine.run_folder import describe_run

pytestmark = pytest.mark.usefixtures("undrawn_training")
SCRIPT = Path(__file__).parents[1] / "tiny_run.py"


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """Folder of an uninterrupted run that many tests share."""
    folder = tmp_path_factory.mktemp("runs") / "straight"
    tiny_train(folder)
    return folder


def in_new_process(*arguments):
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    threads = {"OMP_NUM_THREADS": "2" if torch.get_num_threads() == 1 else "1"}  # not the number of this process
    return subprocess.Popen(command, env=os.environ | threads, stderr=subprocess.PIPE, text=True)


def halted_after(folder, step, config=CONFIG):
    """Train until the validation of `step` requests a stop, which takes effect one step later."""
    stop = threading.Event()
    return tiny_train(folder, config, cancel=stop, on_validation=lambda at, _: at >= step and stop.set())


@pytest.fixture(scope="module")
def new_process(tmp_path_factory):
    """Folders of a run resumed in a process with other threads, and of its next run, stopped by Ctrl-C."""
    resumed, stopped = (tmp_path_factory.mktemp("runs") / name for name in ("resumed", "stopped"))
    assert halted_after(resumed, 4).card["steps"] == 5
    process = in_new_process(resumed, "resume", CONFIG.max_steps, 1, stopped)
    while not (stopped / "preview_0000004.png").exists() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    finish(process)
    return resumed, stopped


@pytest.mark.slow
@pytest.mark.cpu_sensitive
def test_train_resumed_with_other_threads_is_equal_bit_for_bit(straight, tmp_path):
    with threads_put_back():
        assert halted_after(tmp_path, 4).card["steps"] == 5
        torch.set_num_threads(2 if torch.get_num_threads() == 1 else 1)
        tiny_train(tmp_path, resume=True)
    assert_same_run(tmp_path, straight)


@pytest.mark.slow
def test_train_resumed_in_a_new_process_with_other_threads_is_equal_bit_for_bit(straight, new_process):
    resumed, _ = new_process
    assert_same_run(resumed, straight)


def assert_same_run(resumed, straight):
    """Check that a run stopped after step 5 and resumed equals `straight` bit for bit, except for the elapsed time."""
    ours, theirs = (torch.load(folder / "checkpoint.pt", weights_only=True) for folder in (resumed, straight))
    assert_equal(ours, theirs)
    first, second = (load_model(folder / "model.safetensors") for folder in (resumed, straight))
    assert first.sha256 == second.sha256
    # the cards differ only in the name of the folder and the elapsed time
    cards = [list((model.card | {"name": "", "training_seconds": 0}).items()) for model in (first, second)]
    assert cards[0] == cards[1]
    kept = [{key: row[key] for key in row if key != "seconds"} for row in log_rows(resumed) if row["step"] != "5"]
    assert kept == [{key: row[key] for key in row if key != "seconds"} for row in log_rows(straight)]


def killed_at(folder, step):
    """Train with a checkpoint after every step, and end in `step` without saving, like a killed process."""

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
        pytest.param(7, flip_a_bit, 5, marks=pytest.mark.slow),
        pytest.param(5, lambda path: path.write_bytes(b""), 3, marks=pytest.mark.slow),
        pytest.param(6, Path.unlink, 4, marks=pytest.mark.slow),
    ],
)
def test_train_killed_in_any_step_resumes_bit_for_bit(straight, tmp_path, caplog, bar, step, damage, resumed):
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
@pytest.mark.slow
def test_resumed_run_uses_its_original_number_of_threads(tmp_path, then, now):
    config, found = replace(CONFIG, max_steps=2), set()
    with threads_put_back():
        torch.set_num_threads(then)
        assert halted_after(tmp_path, 0, config).card["steps"] == 1
        torch.set_num_threads(now)
        model = tiny_train(tmp_path, config, resume=True, on_validation=lambda *_: found.add(torch.get_num_threads()))
        assert torch.get_num_threads() == now
    assert found == {then}
    precision = used_precision(config)
    assert model.card["runtime"] == {"threads": then, "processor": processor_type(), "precision": precision}


@pytest.mark.parametrize(
    "recorded", [pytest.param(None, marks=pytest.mark.slow), {"threads": 1, "processor": "riscv64"}]
)
@pytest.mark.slow
def test_resuming_on_another_or_unknown_processor_warns(tmp_path, caplog, recorded):
    config = replace(CONFIG, max_steps=2)
    halted_after(tmp_path, 0, config)
    checkpoint = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    del checkpoint["runtime"]
    torch.save(checkpoint | ({} if recorded is None else {"runtime": recorded}), tmp_path / "checkpoint.pt")
    with caplog.at_level(logging.WARNING, "decrappify._common.processes.processor"):
        tiny_train(tmp_path, config, resume=True)
    (warning,) = [
        record.getMessage() for record in caplog.records if record.name == "decrappify._common.processes.processor"
    ]
    assert warning.endswith("last digits may differ")


@pytest.mark.slow
def test_ctrl_c_saves_a_checkpoint_to_resume_from(new_process):
    _, stopped = new_process
    steps = torch.load(stopped / "checkpoint.pt", weights_only=True)["step"]
    assert steps >= 4
    assert load_model(stopped / "model.safetensors").card["unfinished"].startswith("stopped at step ")
    stop = threading.Event()
    stop.set()
    kept = "^the run was stopped before its first step; the last checkpoint is kept; resume with resume=True$"
    with pytest.raises(Cancelled, match=kept):
        tiny_train(stopped, replace(CONFIG, max_steps=100_000), resume=True, cancel=stop)
    assert torch.load(stopped / "checkpoint.pt", weights_only=True)["step"] == steps


def test_run_folder_contains_log_plot_and_images(straight):
    assert {path.name for path in straight.iterdir() if not path.name.startswith("events")} == {
        "checkpoint.previous.pt",
        "checkpoint.pt",
        "log.csv",
        "loss.png",
        "model.safetensors",
        *(f"preview_{step:07d}.png" for step in (0, 4, 8, 12)),
    }
    rows = log_rows(straight)
    assert [row["step"] for row in rows] == ["0", "4", "8", "12"]
    assert all(math.isfinite(float(value)) for row in rows[1:] for value in row.values())
    assert float(rows[0]["seconds"]) < float(rows[-1]["seconds"])
    for name in ("loss.png", "preview_0000012.png"):
        assert np.asarray(Image.open(straight / name)).std() > 10


def test_run_is_overwritten_only_on_request(straight, tmp_path):
    with pytest.raises(OutputExistsError, match=r"already contains a run; pass resume=True .* or overwrite=True"):
        tiny_train(straight)
    halted_after(tmp_path, 4)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError):  # files of the old run must not be mistaken for those of the failed one
        tiny_train(tmp_path, replace(CONFIG, patch_size=17), overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_resuming_with_another_setting_raises(straight):
    with pytest.raises(InputError, match=r"cannot resume .*: learning_rate is 0.01 now and was 0.002"):
        tiny_train(straight, replace(CONFIG, learning_rate=0.01), resume=True)
    other = Crappifier([Gaussian((0.1, 0.4))], name="noise")
    with pytest.raises(InputError, match=r"crappifier.steps.0.sigma.1 is 0.4 now and was 0.3"):
        train(cells(), other, config=CONFIG, output=straight, run=RunOptions(resume=True))


def test_finished_run_resumes_to_its_model(straight):
    before, files = load_model(straight / "model.safetensors").sha256, sorted(straight.iterdir())
    assert tiny_train(straight, resume=True).sha256 == before
    assert sorted(straight.iterdir()) == files  # no further file of TensorBoard events


def test_describe_run_states_progress_and_model(straight, tmp_path):
    run = f"finished training run, last logged at step 12; 'decrappify models {straight / 'model.safetensors'}' prints"
    assert describe_run(straight).startswith(f"{straight}: {run}")
    halted_after(tmp_path, 4)
    assert "training run stopped at step 5 of 12; 'decrappify models" in describe_run(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    assert "unfinished training run, last logged at step 5; 'decrappify train' with" in describe_run(tmp_path)


def test_removed_run_folder_is_reported_in_one_line(tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(OutputError, match=r"the run folder .*run no longer exists; restore it") as caught:
        tiny_train(folder, on_validation=lambda *_: shutil.rmtree(folder))
    assert "\n" not in str(caught.value)
    assert not folder.exists()


@pytest.mark.parametrize(
    "ending", [b"8,0.00", *(pytest.param(e, marks=pytest.mark.slow) for e in (b"8,0.001,x,0,1,2,3,4\r\n", b"\xff\xfe"))]
)
@pytest.mark.slow
def test_log_truncated_by_a_kill_is_repaired_on_resume(tmp_path, ending):
    killed_at(tmp_path, 6)
    with (tmp_path / "log.csv").open("ab") as file:
        file.write(ending)
    tiny_train(tmp_path, resume=True)
    assert [row["step"] for row in log_rows(tmp_path)][-2:] == ["8", "12"]


def test_run_folder_that_cannot_be_created_raises(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match=r"cannot use .*run as run folder"):
        tiny_train(tmp_path / "file" / "run")


@pytest.mark.slow
def test_train_on_two_devices_is_reproducible_and_resumes(tmp_path):
    for folder in ("straight", "again"):
        finish(in_new_process(tmp_path / folder, "start", 8, 2))
    folders = tmp_path / "straight", tmp_path / "again"
    first, second = (torch.load(folder / "checkpoint.pt", weights_only=True) for folder in folders)
    assert_equal(first, second)
    finish(in_new_process(tmp_path / "again", "resume", 8, 2))
    first, second = (load_model(folder / "model.safetensors") for folder in folders)
    assert first.sha256 == second.sha256
