from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.training.runs import Killed, assert_equal, finish, log_rows
from tests.training.tiny_nogan import CONFIG, tiny_nogan

from decrappify._common.processes.processor import processor_type, threads_put_back
from decrappify.errors import OutputError
from decrappify.model import load_model
from decrappify.training.monitors.measure import Monitors

undrawn_run = pytest.mark.usefixtures("undrawn_training")


def run_script(*arguments):
    command = [sys.executable, str(Path(__file__).parents[1] / "tiny_nogan.py"), *map(str, arguments)]
    return subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE, text=True)


class StopAt:
    """A progress bar that sets its event, or kills the run, after `steps` steps of a phase."""

    def __init__(self, phase, steps, *, kill=False):
        self.phase, self.steps, self.kill, self.event = phase, steps, kill, threading.Event()

    def __call__(self, *, total, desc, unit, initial):
        self.now, self.count = desc, initial
        return self

    def update(self, n):
        self.count += n
        if self.now == self.phase and self.count >= self.steps:
            if self.kill:
                raise Killed
            self.event.set()

    def close(self):
        pass


def _halt_in_every_phase(tmp_path, threads, kinds):
    """Start with `threads` threads, resume with one or two in turn, and halt in each phase by these kinds."""
    stops = ("pretrain", 5), ("cycle 1: save images", 8), ("cycle 1: critic", 3), ("cycle 1: GAN", 4)
    for number, (phase, steps) in enumerate(stops):
        torch.set_num_threads(threads if number == 0 else 1 + number % 2)
        if "stop" in kinds[number]:
            stop = StopAt(phase, steps)
            halted = tiny_nogan(tmp_path, progress=stop, cancel=stop.event, resume=number > 0)
            assert stop.event.is_set()
            assert halted.sha256 == load_model(tmp_path / "model.safetensors").sha256
            assert halted.card["unfinished"].startswith(f"stopped in {phase} at ")
            assert not (tmp_path / "critic.safetensors").exists()
            before_gan = halted.card["verdict"] == "stopped before the first checkpoint of a GAN phase"
            assert before_gan is (phase != "cycle 1: GAN")
        if "kill" in kinds[number]:
            saves = replace(CONFIG, checkpoint_minutes=0)
            is_begun = number > 0 or "stop" in kinds[number]
            with pytest.raises(Killed):
                tiny_nogan(tmp_path, saves, progress=StopAt(phase, steps + 2, kill=True), resume=is_begun)


@undrawn_run
@pytest.mark.cpu_sensitive
@pytest.mark.parametrize(
    "kinds",
    [
        pytest.param(("kill", "stop", "kill", "stop"), id="once"),
        pytest.param((("stop", "kill"),) * 4, marks=pytest.mark.slow, id="both"),
    ],
)
@pytest.mark.slow
def test_train_nogan_halted_in_every_phase_resumes_bit_for_bit(straight, tmp_path, kinds):
    folder, model = straight
    threads = torch.get_num_threads()
    with threads_put_back():
        _halt_in_every_phase(tmp_path, threads, kinds)
        torch.set_num_threads(2 if threads == 1 else 1)
        resumed = tiny_nogan(tmp_path, resume=True)
    assert resumed.card["runtime"] == {"threads": threads, "processor": processor_type()}
    assert resumed.sha256 == model.sha256
    assert "unfinished" not in resumed.card
    ours, theirs = (torch.load(run / "checkpoint.pt", weights_only=True) for run in (tmp_path, folder))
    assert_equal(ours, theirs)
    times = {"seconds"}
    for one, other in zip(log_rows(tmp_path), log_rows(folder), strict=True):
        assert {k: v for k, v in one.items() if k not in times} == {k: v for k, v in other.items() if k not in times}


@pytest.mark.slow
@undrawn_run
@pytest.mark.parametrize(
    ("phase", "steps"), [pytest.param("pretrain", 2, marks=pytest.mark.slow), ("cycle 1: save images", 4)]
)
def test_train_nogan_reports_a_removed_run_folder_in_one_line(tmp_path, phase, steps):
    class Removed(StopAt):
        def update(self, n):
            super().update(n)
            if self.event.is_set():
                shutil.rmtree(tmp_path / "run", ignore_errors=True)

    with pytest.raises(OutputError, match=r"the run folder .*run no longer exists; restore it") as caught:
        tiny_nogan(tmp_path / "run", progress=Removed(phase, steps))
    assert "\n" not in str(caught.value)


@undrawn_run
def test_finished_nogan_run_resumes_to_its_model(straight):
    folder, model = straight
    rows = log_rows(folder)
    assert tiny_nogan(folder, resume=True).sha256 == model.sha256
    assert log_rows(folder) == rows


@undrawn_run
@pytest.mark.slow
def test_phase_stopped_by_the_detector_stays_stopped_on_resume(tmp_path):
    row = {"psnr": 0.0}  # falls by many dB at the first checkpoint: the detector stops the phase
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Monitors, "measure", lambda self, network, **at: replace(self.baseline, **at, **row))
        config = replace(CONFIG, pretrain=(replace(CONFIG.pretrain[0], share=0.02),), detect=True)
        first = tiny_nogan(tmp_path, config)
        rows = log_rows(tmp_path)
        assert [row["step"] for row in rows if row["phase"].endswith("GAN")] == ["3"]
        again = tiny_nogan(tmp_path, config, resume=True)
    assert "at most 3" in first.card["stopped"]
    assert (again.sha256, again.card["stopped"], log_rows(tmp_path)) == (first.sha256, first.card["stopped"], rows)


@pytest.mark.slow
def test_train_nogan_on_two_devices_is_reproducible_and_resumes(tmp_path):
    for folder in ("straight", "again"):
        finish(run_script(tmp_path / folder, "start", 2))
    folders = tmp_path / "straight", tmp_path / "again"
    first, second = (torch.load(folder / "checkpoint.pt", weights_only=True) for folder in folders)
    assert_equal(first, second)
    assert first["phase"] > 0
    finish(run_script(tmp_path / "again", "resume", 2))
    first, second = (load_model(folder / "model.safetensors") for folder in folders)
    assert first.sha256 == second.sha256
