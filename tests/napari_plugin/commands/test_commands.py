"""Command lines of the widgets, which are parsed or run by the command line itself."""

from __future__ import annotations

import shlex
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from napari.layers import Image
from qtpy.QtWidgets import QApplication
from tests.napari_plugin.clicking import Driver, shown
from tests.napari_plugin.scene_files import write_scenes

from decrappify import Movie, open_movie, save_movie
from decrappify.cli import main
from napari_decrappify.readers import get_reader
from napari_decrappify.widgets.colorize import ColorizeWidget
from napari_decrappify.widgets.compare import CompareWidget
from napari_decrappify.widgets.restore import RestoreWidget
from napari_decrappify.widgets.scenes import ScenesWidget
from napari_decrappify.widgets.train import TrainWidget


@pytest.fixture
def layers(scene, tmp_path, rng):
    path = write_scenes(tmp_path / "my cells.czi", rng)
    return [scene.add_layer(Image(data, **given)) for data, given, _ in get_reader(str(path))(str(path))]


def copied(driver):
    driver.click("command")
    assert not driver.is_error, driver.status
    text = QApplication.clipboard().text()
    assert driver.status == f"copied: {text}"
    return text


def run(text):
    program, *words = shlex.split(text)
    if program == "python":
        subprocess.run([sys.executable, *words], check=True)
        return
    assert program == "decrappify"
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output


def test_restore_command_restores_the_chosen_frames_and_scene(qtbot, scene, layers, tmp_path, tiny_models):
    restore = shown(qtbot, RestoreWidget, scene, "restore")
    restore.widget._model.add_file(tiny_models["movie"])
    restore["folder"].setText(str(tmp_path / "results"))
    restore["layer"].layer = layers[3]  # second scene, second channel
    restore["first"].setValue(1)
    text = copied(restore)
    assert text.endswith("--scene 'scene 1' --channel 1 --frames 1:2")
    run(text)
    output = tmp_path / "results" / "my-cells-scene-1-ChS2-movie.ome.zarr"
    with open_movie(output) as stored:
        written = np.asarray(stored)
    output.rename(tmp_path / "other.ome.zarr")
    restore.run()
    with open_movie(output) as stored:
        np.testing.assert_array_equal(np.asarray(stored), written)
    restore["scenes"].click()
    assert "--scene all --channel 1 --frames 1:2" in copied(restore)

    export = Driver(qtbot, restore.widget, "export")
    export["folder"].setText(str(tmp_path))
    export["file"].setText("exported")
    export["format"].setCurrentText("OME-TIFF")
    run(copied(export))
    with open_movie(tmp_path / "exported.ome.tif") as stored:
        np.testing.assert_array_equal(np.asarray(stored), written)

    compare = shown(qtbot, CompareWidget, scene, "compare")
    assert compare["restored"].layer == scene.layers[-1]
    text = copied(compare)
    assert text == f"decrappify benchmark {shlex.quote(str(tmp_path / 'my cells.czi'))} --model {tiny_models['movie']}"


def test_train_command_writes_a_run_file(qtbot, scene, tmp_path, rng):
    save_movie(Movie.from_array(rng.random((12, 64, 64), dtype=np.float32), "TYX"), tmp_path / "good.ome.tif")
    for data, given, _ in get_reader(str(tmp_path / "good.ome.tif"))(str(tmp_path / "good.ome.tif")):
        scene.add_layer(Image(data, **given))
    train = shown(qtbot, TrainWidget, scene, "train")
    train["models"].setText(str(tmp_path / "models"))
    train["minutes"].setMinimum(0.02)
    train["minutes"].setValue(0.02)
    train["n_frames"].setCurrentText("1")
    run(copied(train))
    assert (tmp_path / "models" / "my-model" / "model.safetensors").exists()
    assert (tmp_path / "models" / "my-model-crappifier.toml").exists()
    calibration = Driver(qtbot, train.widget, "train_calibration")
    train["tabs"].setCurrentIndex(1)
    run(copied(calibration))
    assert (tmp_path / "good-noise.toml").exists()


def test_commands_of_the_other_widgets(qtbot, scene, layers, tmp_path, nogan_model, monkeypatch):
    file = tmp_path / "my cells.czi"
    scenes = shown(qtbot, ScenesWidget, scene, "scenes")
    qtbot.waitUntil(lambda: not scenes.widget._runner.is_running)
    text = copied(scenes)
    assert text == f"decrappify info '{file}'"
    run(text)
    monkeypatch.setattr("napari_decrappify.widgets.colorize.colorizes", lambda header: True)
    colorize = shown(qtbot, ColorizeWidget, scene, "colorize")
    colorize.widget._model.add_file(nogan_model)
    colorize["render_factor"].setValue(20)
    output = tmp_path / "my-cells-colorized.czi"
    assert copied(colorize).startswith(
        f"decrappify colorize '{file}' {output} --model {nogan_model} --render-factor 20 --fidelity 0.0"
    )
