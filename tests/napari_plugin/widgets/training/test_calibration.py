"""Calibration page, own crappifier files, measured pairs, fine-tuning and continued runs of the Train widget."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtWidgets import QFileDialog
from tests.napari_plugin.clicking import TIMEOUT, Driver, shown

from decrappify import load_model, save_movie
from decrappify.crappify import crappifier_preset, crappify_movie
from decrappify.samples import simulate
from napari_decrappify.layers.image import METADATA
from napari_decrappify.widgets.train import TrainWidget
from napari_decrappify.workers.models.train import Trained


@pytest.fixture(scope="module")
def clean():
    return simulate("filaments", n_frames=12, size=(64, 64), seed=0).truth


@pytest.fixture
def train(qtbot, scene, clean, tmp_path, few_validation_patches):
    scene.add_image(np.asarray(clean)[:, 0, 0], name="clean", scale=(1, 0.1, 0.1))
    driver = shown(qtbot, TrainWidget, scene, "train")
    driver["models"].setText(str(tmp_path / "models"))
    driver["minutes"].setMinimum(0.02)
    driver["minutes"].setValue(0.02)
    driver["n_frames"].setCurrentText("1")
    return driver


def test_restored_layer_is_not_ticked(qtbot, scene):
    scene.add_image(np.zeros((4, 32, 32)), name="raw")
    scene.add_image(np.zeros((4, 32, 32)), name="result", metadata={METADATA: {"restored_from": "raw"}})
    train = shown(qtbot, TrainWidget, scene, "train")
    assert [layer.name for layer in train["layers"].layers] == ["raw"]
    train["layers"].tick(scene.layers["result"])
    assert [layer.name for layer in train["layers"].layers] == ["result", "raw"]


def test_calibration_becomes_the_crappifier(qtbot, scene, train, rng):
    pixels = 100 + 2.0 * rng.poisson(np.tile(np.linspace(10, 400, 128), (6, 128, 1)))
    low = scene.add_image(pixels.astype(np.uint16), name="low")
    page = Driver(qtbot, train.widget, "train_calibration")
    train["tabs"].setCurrentIndex(1)
    page["layer"].layer = low
    page.run()
    assert not page.is_error, page.status
    assert train["crappifier_preset"].currentText() == "calibrated-low"
    assert train.widget._crappifier.crappifier.steps
    calibration = train.widget._calibration
    assert calibration.strip.captions == ["recorded", "simulated"]
    assert [curve.label for curve in calibration.histogram.curves] == ["recorded", "simulated"]
    assert [curve.label for curve in calibration.profile.curves] == ["recorded", "simulated"]
    assert "gain" in page["table"].text()


def test_displayed_channel_is_calibrated_and_color_images_are_not_offered(scene, train, rng):
    counts = rng.poisson(np.tile(np.linspace(10, 400, 128), (6, 128, 1)))
    pixels = np.stack([100 + 2 * counts, 100 + 5 * counts], axis=1).astype(np.uint16)
    low = scene.add_image(pixels, name="low", axis_labels=("t", "c", "y", "x"))
    scene.add_image(np.zeros((32, 32, 3), np.uint8), name="photo", rgb=True)
    page = Driver(train._qtbot, train.widget, "train_calibration")
    train["tabs"].setCurrentIndex(1)
    box = page["layer"]
    assert "photo" not in [box.itemText(number) for number in range(box.count())]
    box.layer = low
    gains = []
    for channel in range(2):
        scene.dims.set_current_step(1, channel)
        page.run()
        assert not page.is_error, page.status
        gains.append(float(page["table"].text().split("Gain: ")[1].split()[0]))
    assert gains == pytest.approx([2, 5], rel=0.2)


def test_crappifier_file_is_listed_and_chosen(train, tmp_path, monkeypatch):
    path = crappifier_preset("lightsheet").save(tmp_path / "mine.toml")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))
    train.click("crappifier_load")
    assert train["crappifier_preset"].currentText() == "mine"
    assert train.widget._crappifier.crappifier.steps == crappifier_preset("lightsheet").steps
    path.write_text("steps = 3")
    train.click("crappifier_load")
    assert train.is_error
    assert train["crappifier_preset"].currentText() == "mine"


@pytest.mark.slow
def test_pairs_of_a_folder_are_trained_on_without_crappifier(train, clean, tmp_path):
    for folder in ("low", "high"):
        (tmp_path / "pairs" / folder).mkdir(parents=True)
    for name in "ab":
        save_movie(clean[:4], tmp_path / "pairs" / "high" / f"{name}.ome.tif")
        low = crappify_movie(clean[:4], crappifier_preset("confocal"))
        save_movie(low, tmp_path / "pairs" / "low" / f"{name}.tif")
    train["source"].setCurrentText("Measured pairs in a folder")
    assert not train["crappifier_preset"].isEnabled()
    train["folder"].setText(str(tmp_path / "pairs"))
    train.run()
    path = tmp_path / "models" / "my-model" / "model.safetensors"
    assert str(path) in train.status, train.status
    assert load_model(path).card["summary"] == "trained on the pairs in pairs for 0.02 minutes"


@pytest.mark.slow
def test_stopped_run_is_continued_and_model_fine_tuned(qtbot, train, tmp_path):
    assert not train["resume"].isEnabled()
    train["minutes"].setValue(60)
    train.click("run")
    qtbot.waitUntil(lambda: "training: step" in train.status, timeout=TIMEOUT)
    train.click("cancel")
    train.wait_for_end()
    path = tmp_path / "models" / "my-model" / "model.safetensors"
    steps = load_model(path).card["steps"]
    assert train["resume"].isEnabled()
    train["resume"].click()
    train.click("run")
    qtbot.waitUntil(lambda: "training: step" in train.status, timeout=TIMEOUT)
    qtbot.wait(500)
    train.click("cancel")
    train.wait_for_end()
    assert load_model(path).card["steps"] > steps
    trained = load_model(path).card["validation"]
    assert not (tmp_path / "models" / "my-model-2").exists()
    train["resume"].setChecked(False)
    train["minutes"].setValue(0.02)
    train["start_from"].setCurrentText("my-model/model")
    train.run()
    card = load_model(tmp_path / "models" / "my-model-2" / "model.safetensors").card
    assert ", from the weights of my-model, crappifier" in card["summary"]
    start = train.widget._progress.psnr.curves[0].points[0][1]
    assert start == pytest.approx(trained["psnr_db"], abs=0.3)


def test_model_that_is_worse_than_its_input_is_an_error(train):
    assert "does not improve" in Trained("m", 1, 1, 1, 20.0, 20.0, 25.0, 1.0).warning
    assert "worse than a Gaussian" in Trained("m", 1, 1, 1, 24.0, 20.0, 25.0, 1.0).warning
    assert Trained("m", 1, 1, 1, 26.0, 20.0, 25.0, 1.0).warning == ""
    train.widget._show_result(Trained("m", 1, 1, 1, 19.0, 20.0, 25.0, 1.0))
    assert train.is_error
    assert train.status.endswith(". Warning: the model does not improve its input; do not use it")
