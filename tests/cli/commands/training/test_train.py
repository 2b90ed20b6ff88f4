from __future__ import annotations

import re
import signal

import pytest
from torch.optim.optimizer import register_optimizer_step_post_hook

from decrappify.model import load_model
from decrappify.training.engine import status
from decrappify.training.engine.validation import Validator

RUN = """
crappifier = "confocal"
[data]
high_res = "cells.tif"
[training]
n_frames = 3
max_steps = 6
validate_every = 3
batch_size = 2
patch_size = 16
network = "small"
[network]
base_channels = 16
depth = 1
"""


@pytest.mark.usefixtures("undrawn_training")
def test_train_writes_a_model_and_replaces_it_only_with_overwrite(cells, tmp_path, command):
    run = cells.with_name("run.toml")
    run.write_text(RUN)
    folder = tmp_path / "runs" / "run"
    result = command("train", run)
    numbers = r"source [\d.]+, best Gaussian [\d.]+, model [\d.]+ dB; gain over the input -?[\d.]+ dB on content"
    path = re.escape(str(folder / "model.safetensors"))
    kept = r"\(weights of step \d of 6, the best of 3 validations\)"
    assert re.match(rf"{path}: validation: {numbers}.* {kept}\n", result.stdout)
    assert re.search(r"decrappify: 32 validation patches, \d+ with content, from 1 movie", result.stderr)
    assert load_model(folder / "model.safetensors").n_frames == 3
    run.write_text(RUN.replace("max_steps = 6", "max_steps = 2"))
    assert "already contains a run" in command("train", run, exit_code=2).stderr
    command("train", run, "--overwrite", "--device", "cpu", "--output", folder)


@pytest.mark.usefixtures("undrawn_training")
@pytest.mark.slow
def test_train_interrupted_by_ctrl_c_states_its_step_and_how_to_resume(cells, tmp_path, command, monkeypatch):
    run, folder = cells.with_name("run.toml"), tmp_path / "out put"
    run.write_text(RUN)
    score, calls = Validator.score, []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 1:  # before the first step
            return score(*arguments)
        monkeypatch.setattr(Validator, "score", score)  # a second Ctrl-C would end the run at once
        signal.raise_signal(signal.SIGINT)
        return score(*arguments)

    monkeypatch.setattr(Validator, "score", interrupted)
    monkeypatch.setattr(status, "SECONDS_BETWEEN_LINES", 0.0)
    result = command("train", run, "--output", folder, "--device", "cpu", exit_code=130)
    *lines, last = result.stderr.splitlines()
    again = f"decrappify train {run} --output '{folder}' --device cpu --resume"
    assert last.startswith(f"decrappify: stopped at step 4 of 6; resume with '{again}' (")
    assert [line.split(",")[0] for line in lines if "loss" in line] == [
        f"decrappify: training: step {n} of 6" for n in (1, 2, 3)
    ]
    assert result.stdout == ""
    assert "unfinished: stopped at step 4 of 6" in command("models", folder / "model.safetensors").stdout
    assert " of 6," in command("train", run, "--output", folder, "--resume").stdout
    assert "unfinished" not in command("models", folder / "model.safetensors").stdout


@pytest.mark.usefixtures("undrawn_training", "few_validation_patches")
@pytest.mark.parametrize("step", [0, 2])
def test_train_stopped_by_sigterm_saves_what_ctrl_c_saves(step, cells, tmp_path, command):
    run, folder, before = cells.with_name("run.toml"), tmp_path / "run", signal.getsignal(signal.SIGTERM)
    run.write_text(RUN)
    done = []

    def requested(*_):
        done.append(1)
        if len(done) == (step or 1):
            signal.raise_signal(signal.SIGTERM)
            hook.remove()

    hook = register_optimizer_step_post_hook(requested)  # with --minutes, first of the measurement of the speed
    minutes = [] if step else ["--minutes", 1]
    result = command("train", run, "--output", folder, *minutes, exit_code=143)
    line = "stopped at step 2 of 6; resume with" if step else "terminated; the run was stopped before its first step"
    assert result.stderr.splitlines()[-1].startswith(f"decrappify: {line}")
    assert signal.getsignal(signal.SIGTERM) is before
    if step:
        assert (folder / "checkpoint.pt").exists()
        command("train", run, "--output", folder, "--resume")
    else:
        assert not folder.exists()


@pytest.mark.usefixtures("undrawn_training", "few_validation_patches")
def test_train_interrupted_before_its_first_step_saves_nothing_and_can_be_repeated(cells, tmp_path, command):
    run, folder = cells.with_name("run.toml"), tmp_path / "run"
    run.write_text(RUN)

    def pressed(*_):
        signal.raise_signal(signal.SIGINT)
        hook.remove()

    hook = register_optimizer_step_post_hook(pressed)  # of the measurement of the speed
    result = command("train", run, "--output", folder, "--minutes", 1, exit_code=130)
    line = "decrappify: interrupted; the run was stopped before its first step; nothing was saved, so start it again"
    assert result.stderr.splitlines()[-1] == line
    assert not folder.exists()
    assert " of 6," in command("train", run, "--output", folder).stdout
