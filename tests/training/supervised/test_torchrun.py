"""Training by torchrun on two processes of the CPU (gloo): equal to one process, restarts, files and lines."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import tifffile
from scipy.ndimage import gaussian_filter

from decrappify.model import load_model

TORCHRUN = Path(sys.executable).with_name("torchrun")

RUN = """
crappifier = "confocal"
[data]
high_res = ["a.tif", "b.tif", "c.tif"]
[training]
n_frames = 1
{length}
validate_every = 8
checkpoint_minutes = 0
batch_size = {batch_size}
patch_size = 16
network = "small"
device = "cpu"
[network]
base_channels = 16
depth = 1
"""


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A folder with three images, which two processes cannot share evenly."""
    folder = tmp_path_factory.mktemp("images")
    for name in "abc":
        blobs = gaussian_filter(np.random.default_rng(ord(name)).random((72, 80)), 3)
        tifffile.imwrite(folder / f"{name}.tif", blobs.astype(np.float32))
    return folder


def start(folder, run, output, *options, processes=2, batch_size=2, length="max_steps = 24"):
    (folder / f"{run}.toml").write_text(RUN.format(batch_size=batch_size, length=length))
    launcher = [TORCHRUN, "--standalone", "--nproc-per-node", str(processes), *options]
    command = [*(launcher if processes > 1 else [sys.executable]), "-m", "decrappify", "train", f"{run}.toml"]
    return subprocess.Popen(
        [*map(str, command), "--output", str(output)],
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(process):
    stdout, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stderr
    return stdout, stderr


def log_rows(folder):
    with (folder / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def second_of(process):
    return next(child for child in psutil.Process(process.pid).children() if child.environ().get("RANK") == "1")


@pytest.fixture(scope="module")
def straight(images):
    return images / "straight", finished(start(images, "straight", images / "straight"))


@pytest.mark.slow
def test_two_processes_equal_one_at_the_same_global_batch(images, straight):
    folder, (stdout, stderr) = straight
    assert stdout.count("model.safetensors: validation:") == 1
    assert stderr.count("validation patches") == 1
    finished(start(images, "one", images / "one", processes=1, batch_size=4))
    for ours, theirs in zip(log_rows(folder), log_rows(images / "one"), strict=True):
        assert ours["step"] == theirs["step"]
        assert float(ours["val_psnr"]) == pytest.approx(float(theirs["val_psnr"]), abs=1e-3)
        if ours["step"] == "8":  # later, Adam amplifies the differences from the order of sums
            for name in ("loss", "stability"):
                assert float(ours[name]) == pytest.approx(float(theirs[name]), abs=1e-5)


@pytest.mark.slow
def test_killed_process_is_restarted_and_the_result_is_equal(images, straight):
    output = images / "killed"
    process = start(images, "killed", output, "--max-restarts", "2")
    while not (output / "checkpoint.pt").exists():
        time.sleep(0.02)
        assert process.poll() is None
    second_of(process).kill()
    finished(process)
    models = [load_model(path / "model.safetensors") for path in (output, straight[0])]
    assert models[0].sha256 == models[1].sha256
    assert [row["step"] for row in log_rows(output)] == [row["step"] for row in log_rows(straight[0])]


@pytest.mark.slow
def test_ctrl_c_in_one_process_stops_both_before_the_first_step_and_the_run_can_be_repeated(images):
    output = images / "stopped"
    process = start(images, "stopped", output, length="minutes = 10")
    while "validation patches" not in process.stderr.readline():  # before the measurement of the speed
        assert process.poll() is None
    second_of(process).send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=300)
    assert process.returncode != 0
    assert stderr.count("decrappify: interrupted; the run was stopped before its first step") == 1
    assert [path.name for path in output.iterdir()] == [".torchrun"]
    finished(start(images, "stopped", output))
    assert load_model(output / "model.safetensors").card["steps"] == 24


@pytest.mark.slow
def test_nogan_runs_on_two_processes(tmp_path):
    script = Path(__file__).parents[1] / "tiny_nogan.py"
    command = [TORCHRUN, "--standalone", "--nproc-per-node", 2, script, tmp_path / "run", "start"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([*map(str, command)], env=environment, check=True, capture_output=True, timeout=300)
    model = load_model(tmp_path / "run" / "model.safetensors")
    assert model.card["settings"]["n_devices"] == 2
    phases = [row["phase"] for row in log_rows(tmp_path / "run")]
    assert phases[0] == "pretrain"
    assert "GAN" in phases[-1]
