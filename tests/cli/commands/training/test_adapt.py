"""`decrappify adapt`."""

from __future__ import annotations

import signal
import threading

import pytest
from torch.optim.optimizer import register_optimizer_step_post_hook

from decrappify.io import save_movie
from decrappify.model import Model, load_model
from decrappify.networks import create
from decrappify.samples import simulate


@pytest.fixture(scope="module")
def movie(tmp_path_factory):
    noisy = simulate("vesicles", n_frames=14, size=(72, 72), seed=3).noisy
    return save_movie(noisy, tmp_path_factory.mktemp("movie") / "vesicles.ome.tif")


@pytest.fixture
def small(tmp_path):
    network = create("small", n_frames=1, scale=1, base_channels=16, depth=1, stem=2)
    return Model(network, card={"name": "small"}).save(tmp_path / "small.safetensors")


def test_adapt_writes_a_model_that_restore_accepts(movie, small, tmp_path, command):
    camera, folder = tmp_path / "camera.toml", tmp_path / "adapted"
    command("calibrate", movie, "-o", camera)
    options = ["--channel", "0", "--model", small, "-o", folder, "--noise", camera, "--minutes", "0.01"]
    result = command("adapt", movie, *options)
    assert "photon thinning" in result.stderr
    assert "about 10 steps" in result.stderr
    path = folder / "model.safetensors"
    use = f"decrappify restore {movie} OUT.ome.zarr --channel 0 --model {path}"
    assert result.stdout == f"{path}: written; use it with '{use}'\n"
    adapted = load_model(path).card["adapted"]
    assert (adapted["from"], adapted["movies"]) == ("small", ["vesicles.ome.tif"])
    assert adapted["steps"] >= 10
    command("restore", movie, tmp_path / "restored.ome.tif", "--model", path)


def test_ctrl_c_before_the_first_step_ends_in_one_line_and_saves_nothing(movie, small, tmp_path, command):
    camera, folder = tmp_path / "camera.toml", tmp_path / "adapted"
    command("calibrate", movie, "-o", camera)

    def pressed(*_):
        if threading.current_thread() is threading.main_thread():
            signal.raise_signal(signal.SIGINT)
            hook.remove()

    hook = register_optimizer_step_post_hook(pressed)  # of the measurement of the speed
    result = command("adapt", movie, "--model", small, "-o", folder, "--noise", camera, exit_code=130)
    line = "decrappify: interrupted; the run was stopped before its first step; nothing was saved, so start it again"
    assert result.stderr.splitlines()[-1] == line
    assert not folder.exists()


def test_existing_run_is_not_replaced(movie, tmp_path, command):
    (tmp_path / "adapted").mkdir()
    (tmp_path / "adapted" / "model.safetensors").write_bytes(b"")
    error = command("adapt", movie, "-o", tmp_path / "adapted", "--minutes", "0.01", exit_code=2).stderr
    assert "--overwrite" in error
    assert error.count("\n") == 1
