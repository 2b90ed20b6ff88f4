"""Command lines of the widgets, which are parsed or run by the command line itself."""

from __future__ import annotations

import shlex
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from napari.layers import Image
from qtpy.QtWidgets import QApplication, QCheckBox
from tests.napari_plugin.clicking import Driver, shown
from tests.napari_plugin.scene_files import write_scenes

from decrappify import Movie, open_movie, save_movie
from decrappify.cli import main
from napari_decrappify.readers import get_reader
from napari_decrappify.widgets.adapt import AdaptWidget
from napari_decrappify.widgets.batch import BatchWidget
from napari_decrappify.widgets.colorize import ColorizeWidget
from napari_decrappify.widgets.compare import CompareWidget
from napari_decrappify.widgets.restore import RestoreWidget
from napari_decrappify.widgets.scenes import ScenesWidget
from napari_decrappify.widgets.train import TrainWidget
from napari_decrappify.widgets.trust.widget import TrustWidget


@pytest.fixture
def layers(scene, tmp_path, rng):
    return add(scene, write_scenes(tmp_path / "my cells.czi", rng))


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


@pytest.mark.slow
def test_train_command_writes_a_run_file(qtbot, scene, tmp_path, rng):
    save_movie(Movie.from_array(rng.random((12, 64, 64), dtype=np.float32), "TYX"), tmp_path / "good.ome.tif")
    add(scene, tmp_path / "good.ome.tif")
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


@pytest.fixture
def raw(scene, tmp_path):
    """Layer of a file with photon noise of gain 2 on moving stripes, so that it can be calibrated."""
    expected = np.stack([np.roll(np.tile(np.linspace(20, 400, 64), (64, 1)), t, axis=1) for t in range(20)])
    pixels = (100 + 2 * np.random.default_rng(0).poisson(expected)).astype(np.uint16)
    path = save_movie(Movie.from_array(pixels), tmp_path / "raw.ome.tif")
    return path, add(scene, path)[0]


def add(scene, path):
    read = get_reader(str(path))(str(path))
    return [scene.add_layer(Image(data, **given)) for data, given, kind in read if kind == "image"]


def parsed(text):
    """Return the values that the command line takes from a copied command."""
    program, name, *words = shlex.split(text)
    assert program == "decrappify"
    return main.get_command(None, name).make_context(name, words).params


def test_commands_with_trust_maps_write_them(qtbot, scene, raw, tmp_path, tiny_models):
    path, layer = raw
    restore = shown(qtbot, RestoreWidget, scene, "restore")
    restore.widget._model.add_file(tiny_models["movie"])
    restore["folder"].setText(str(tmp_path / "results"))
    restore.widget.findChild(QCheckBox, "restore_trust").setChecked(True)
    text = copied(restore)
    assert text.endswith("--trust")
    run(text)
    output = tmp_path / "results" / "raw-movie.ome.zarr"
    written = tmp_path / "results" / "raw-movie_trust.ome.zarr"
    with open_movie(written) as stored:
        expected = np.asarray(stored)
    written.rename(tmp_path / "other.ome.zarr")
    add(scene, output)
    trust = shown(qtbot, TrustWidget, scene, "trust")
    trust["measured"].layer = layer
    text = copied(trust)
    assert text == f"decrappify trust {output} {path} --channel 0"
    run(text)
    with open_movie(written) as stored:
        np.testing.assert_array_equal(np.asarray(stored), expected)


def test_command_of_the_check_has_the_choices_of_both_pages(qtbot, scene, raw, tmp_path, tiny_models):
    restore = shown(qtbot, RestoreWidget, scene, "restore")
    restore.widget._model.add_file(tiny_models["movie"])
    restore["device"].setCurrentText("CPU")
    restore["tabs"].setCurrentIndex(3)
    page = Driver(qtbot, restore.widget, "restore_about")
    page["noise"].setText(str(tmp_path / "noise.toml"))
    values = parsed(copied(page))
    assert (values["movie"], values["model"]) == (raw[0], str(tiny_models["movie"]))
    assert (values["noise"], values["device"], values["window_axis"]) == (tmp_path / "noise.toml", "cpu", "T")
    restore["first"].setValue(2)
    page.click("command")
    assert page.status == "the command line checks all frames; select all frames on the page Restore"


def test_command_of_adapt_names_a_free_folder(qtbot, scene, raw, tmp_path, tiny_models):
    adapt = shown(qtbot, AdaptWidget, scene, "adapt")
    adapt["model"].add_file(tiny_models["movie"])
    adapt["minutes"].setValue(2.5)
    adapt["folder"].setText(str(tmp_path / "models"))
    (tmp_path / "models" / "raw-adapted").mkdir(parents=True)
    values = parsed(copied(adapt))
    assert (values["movies"], values["model"], values["minutes"]) == ((raw[0],), str(tiny_models["movie"]), 2.5)
    assert values["output"] == tmp_path / "models" / "raw-adapted-2"


def test_command_of_batch_writes_the_same_outputs(qtbot, scene, raw, tmp_path, tiny_models, rng):
    batch = shown(qtbot, BatchWidget, scene, "batch")
    batch["movie_model"].add_file(tiny_models["movie"])
    batch["still_model"].add_file(tiny_models["still"])
    batch["folder"].setText(str(tmp_path / "out"))
    batch["format"].setCurrentText("OME-TIFF")
    batch.click("command")
    assert batch.status == "no inputs; add a folder or files"
    save_movie(Movie.from_array(rng.integers(90, 4000, (1, 40, 48), dtype=np.uint16)), tmp_path / "still.ome.tif")
    batch.widget._inputs.add([str(raw[0]), str(tmp_path / "still.ome.tif")])
    run(copied(batch))
    written = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.ome.tif")}
    assert sorted(written) == ["raw.ome.tif", "still.ome.tif"]
    assert (tmp_path / "out" / "decrappify-summary.csv").exists()
    batch.run()
    assert batch.status.startswith("2 outputs: 2 finished earlier"), batch.status


def test_command_for_some_channels_of_a_scene_is_refused(qtbot, scene, tmp_path, rng, tiny_models):
    layers = add(scene, write_scenes(tmp_path / "cells.czi", rng, n_scenes=1, n_channels=3))
    scene.layers.remove(layers[0])
    restore = shown(qtbot, RestoreWidget, scene, "restore")
    restore.widget._model.add_file(tiny_models["movie"])
    restore["channels"].click()
    restore.click("command")
    assert restore.status.startswith("2 of the 3 channels of cells.czi are layers"), restore.status
