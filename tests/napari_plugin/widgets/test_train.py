"""Train widget, driven by clicks, with training runs of seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image
from qtpy.QtWidgets import QFileDialog, QLabel
from tests.napari_plugin.clicking import TIMEOUT, Driver, shown
from tests.registries import isolated
from tests.test_recipes import RECIPES

from decrappify import load_model, save_movie
from decrappify.crappify import crappifier_preset, crappify_movie
from decrappify.samples import simulate
from napari_decrappify.readers import get_reader
from napari_decrappify.samples import degraded_copy, simulated_movie
from napari_decrappify.widgets.choices.preferences import recent_models
from napari_decrappify.widgets.restore import RestoreWidget
from napari_decrappify.widgets.train import TrainWidget
from napari_decrappify.workers.models.train import movies_in

MINUTES = 0.05


@pytest.fixture(scope="module")
def clean():
    return simulate("filaments", n_frames=16, size=(64, 64), seed=0).truth


@pytest.fixture
def scene(clean):
    scene = ViewerModel()
    scene.add_image(np.asarray(clean)[:, 0, 0], name="clean", scale=(1, 0.1, 0.1))
    return scene


@pytest.fixture
def train(qtbot, scene, tmp_path, few_validation_patches):
    return prepared(shown(qtbot, TrainWidget, scene, "train"), tmp_path)


def prepared(driver, tmp_path):
    driver["models"].setText(str(tmp_path / "models"))
    driver["minutes"].setValue(MINUTES)
    driver["n_frames"].setCurrentText("1")
    return driver


def use_a_second(driver):
    """Set a shorter training time than the control allows."""
    driver["minutes"].setMinimum(0.02)
    driver["minutes"].setValue(0.02)


def test_trained_model_is_listed_in_restore(scene, train, qtbot, tmp_path):
    restore = shown(qtbot, RestoreWidget, scene, "restore").widget
    use_a_second(train)
    train.run()
    assert train.status.startswith("trained "), train.status
    path = tmp_path / "models" / "my-model" / "model.safetensors"
    assert f"{path} is in the list of the Restore widget" in train.status
    model = load_model(path)
    assert (model.n_frames, model.scale, model.card["name"]) == (1, 1, "my-model")
    assert model.card["summary"] == "trained on clean for 0.02 minutes, crappifier confocal"
    assert model.crappifier["name"] == "confocal"
    steps = train["progress"].value()
    assert 0 < steps <= train["progress"].maximum()  # a run that takes too long ends after a validation
    psnr, loss = train.widget._progress.psnr.curves, train.widget._progress.loss.curves
    assert [curve.label for curve in psnr] == ["restored", "Gaussian", "degraded"]
    assert psnr[0].points[0][0] == 0 < loss[0].points[0][0]
    assert psnr[0].points[-1][0] == loss[0].points[-1][0] == steps
    assert model.card["steps"] in [step for step, _ in psnr[0].points]  # of the best validation
    assert max(value for _, value in psnr[0].points) == pytest.approx(model.card["validation"]["psnr_db"], abs=0.01)
    assert train.widget._progress.patches.captions == ["degraded", "Gaussian", "restored", "reference"]
    assert recent_models() == [path]
    restore._model.showPopup()
    restore._model.hidePopup()
    assert "my-model/model" in [restore._model.itemText(i) for i in range(restore._model.count())]


@pytest.mark.slow
def test_stop_keeps_the_best_model_and_names_are_numbered(train, qtbot, tmp_path):
    (tmp_path / "models" / "my-model").mkdir(parents=True)
    train["minutes"].setValue(60)
    train.click("run")
    qtbot.waitUntil(lambda: "training: step" in train.status, timeout=TIMEOUT)
    assert train["progress"].maximum() > 100
    train.click("cancel")
    train.wait_for_end()
    model = load_model(tmp_path / "models" / "my-model-2" / "model.safetensors")
    assert 0 < model.card["steps"] < train["progress"].maximum()
    assert train.status.startswith(f"trained {model.card['steps']} of {train['progress'].maximum()} steps")


def test_stop_before_the_first_step_is_stated_and_leaves_no_folder(train, qtbot, tmp_path):
    train["minutes"].setValue(60)
    train.click("run")
    qtbot.waitUntil(lambda: train.status.startswith("measuring the training speed"), timeout=TIMEOUT)
    train.click("cancel")
    train.wait_for_end()
    assert train.status == "cancelled; the run was stopped before its first step, and no model was saved"
    assert list((tmp_path / "models").iterdir()) == []
    use_a_second(train)
    train.run()
    assert (tmp_path / "models" / "my-model" / "model.safetensors").is_file()


def test_preview_in_the_3d_view_states_what_to_do(scene, train, qtbot):
    scene.dims.ndisplay = 3
    train["live"].setChecked(True)
    qtbot.waitUntil(lambda: train.status == "the preview requires the 2D view; switch the canvas to 2D")
    assert train.is_error
    scene.dims.ndisplay = 2
    qtbot.waitUntil(lambda: len(scene.layers) == 2, timeout=TIMEOUT)
    assert train.status == ""


def test_preview_on_another_layer_has_its_contrast_and_color(scene, train, qtbot):
    bright = scene.add_image(np.asarray(scene.layers[0].data) * 20, name="bright", scale=(1, 2, 2), colormap="magma")
    train["live"].setChecked(True)
    qtbot.waitUntil(lambda: len(scene.layers) == 3, timeout=TIMEOUT)
    train["preview_layer"].layer = scene.layers["bright"]
    qtbot.waitUntil(lambda: scene.layers[-1].name == "bright [crappified: confocal]", timeout=TIMEOUT)
    shown = scene.layers[-1]
    assert len(scene.layers) == 3
    assert (shown.colormap.name, tuple(shown.contrast_limits)) == ("magma", tuple(bright.contrast_limits))
    np.testing.assert_allclose(shown.scale, (1, 2, 2))


def test_preview_follows_the_sliders(scene, train, qtbot):
    layer = scene.layers["clean"]
    scene.dims.set_current_step(0, 5)
    train["live"].setChecked(True)
    qtbot.waitUntil(lambda: len(scene.layers) == 2, timeout=TIMEOUT)
    shown = scene.layers[1]
    assert shown.name == "clean [crappified: confocal]"
    assert shown.data.shape == (1, 64, 32)
    np.testing.assert_allclose(shown.translate, (5, 0, 3.2))
    pixels = layer.data[5][:, 32:].astype(float)
    before = np.abs(shown.data[0] - pixels).mean()
    assert before > 0
    photons = train["crappifier_0_photons"]
    photons.setValue((0, 0))  # tenfold fewer
    qtbot.waitUntil(lambda: np.abs(shown.data[0] - pixels).mean() > 1.5 * before, timeout=TIMEOUT)
    steps = shown.metadata["decrappify"]["crappifier"]["steps"]
    assert [(step["part"], step["photons"]) for step in steps] == [("excess_noise", 0.8)]
    train["crappifier_scale"].setCurrentText("2")
    qtbot.waitUntil(lambda: shown.data.shape == (1, 32, 16), timeout=TIMEOUT)
    np.testing.assert_allclose(shown.scale, (1, 0.2, 0.2))
    np.testing.assert_allclose(shown.translate[1:] - 0.1, (0 - 0.05, 3.2 - 0.05))  # equal corners
    scene.dims.set_current_step(0, 7)
    qtbot.waitUntil(lambda: shown.translate[0] == 7, timeout=TIMEOUT)
    train.click("crappifier_reset")
    assert train.widget._crappifier.crappifier == crappifier_preset("confocal")
    train["live"].setChecked(False)
    assert [layer.name for layer in scene.layers] == ["clean"]


def test_preset_sets_sliders_and_scale(train):
    train["crappifier_preset"].setCurrentText("widefield-x2")
    assert train["crappifier_scale"].currentText() == "2"
    assert train.widget._crappifier.crappifier == crappifier_preset("widefield-x2")
    assert train["crappifier_0_sigma"].toolTip().startswith("blur: sigma")
    names = [train["crappifier_preset"].itemText(i) for i in range(train["crappifier_preset"].count())]
    assert "colour-grey" not in names
    labels = {label.text() for label in train.widget._crappifier.findChildren(QLabel)}
    assert "0.7 – 1.5" in labels


def test_part_of_a_user_file_has_sliders(train, tmp_path, monkeypatch):
    path = tmp_path / "my_parts.py"
    path.write_text(RECIPES["crappifier part"], encoding="utf-8")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))
    with isolated():
        train.click("crappifier_load")
        train["crappifier_part"].setCurrentText("vignette")
        assert train["crappifier_0_loss"].toolTip().startswith("vignette: loss")
        assert train["crappifier_1_photons"].toolTip().startswith("excess_noise: photons")
        train["crappifier_0_loss"].setValue((50, 100))
        steps = train.widget._crappifier.crappifier.steps
        assert [step.name for step in steps] == ["vignette", "excess_noise"]
        assert steps[0].loss == (0.225, 0.45)
        train["crappifier_part"].setCurrentText("None")
        train["crappifier_preset"].setCurrentText("old-lamp")
        assert train.widget._crappifier.crappifier == crappifier_preset("old-lamp")
        train["crappifier_preset"].setCurrentText("confocal")
    path.write_text("import nothing_here\n")
    with isolated():
        train.click("crappifier_load")
    assert train.is_error
    assert "my_parts.py, line 1: ModuleNotFoundError: No module named 'nothing_here'" in train.status


@pytest.mark.slow
def test_training_uses_a_folder_of_movies(train, qtbot, clean, tmp_path, monkeypatch):
    folder = tmp_path / "movies"
    folder.mkdir()
    for name in ("a.ome.tif", "b.ome.tif"):
        save_movie(clean, folder / name)
    assert [movie.name for movie in movies_in(folder)] == ["a.ome.tif", "b.ome.tif"]
    train["source"].setCurrentIndex(1)
    assert not train["run"].isEnabled()
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    train.click("browse")
    train["crappifier_preset"].setCurrentText("confocal-x2")
    use_a_second(train)
    train.run()
    assert train.status.startswith("trained "), train.status
    model = load_model(tmp_path / "models" / "my-model" / "model.safetensors")
    assert model.scale == 2
    assert model.card["trained_on"] == ["a.ome.tif", "b.ome.tif"]


def test_errors_are_one_line_and_the_widget_remains_usable(scene, train, tmp_path):
    still = scene.add_image(np.random.default_rng(0).random((64, 64)), name="still")
    checks = train["layers"]
    checks.tick(scene.layers["clean"], False)
    assert not train["run"].isEnabled()
    checks.tick(still)
    train.run()
    assert train.is_error
    assert "too few to keep some for validation, which needs a second image" in train.status
    assert train.status.endswith("; choose more or longer movies, or larger images")
    train["source"].setCurrentIndex(1)
    train["folder"].setText(str(tmp_path / "nothing"))
    train.run()
    assert train.status == f"{tmp_path / 'nothing'} is not a folder; choose a folder of training images"
    (tmp_path / "file").write_text("not a folder")
    train["models"].setText(str(tmp_path / "file"))
    train.click("run")
    assert "cannot create the folder" in train.status
    assert train["run"].isEnabled()
    train["name"].setText(" ")
    assert not train["run"].isEnabled()


def test_controls_have_names_tooltips_and_saved_values(scene, qtbot, train):
    assert train.unnamed() == []
    train["crappifier_preset"].setCurrentText("lightsheet")
    train["crappifier_0_sigma"].setValue((0, 100))
    before = train.widget._crappifier.crappifier
    assert before != crappifier_preset("lightsheet")
    again = shown(qtbot, TrainWidget, scene, "train")
    assert again.widget._crappifier.crappifier == before
    assert again["minutes"].value() == MINUTES
    assert again["n_frames"].currentText() == "1"


@pytest.mark.slow  # test_restore.py tests the same runner
def test_closing_during_a_run_leaves_no_partial_model(viewer, qtbot, clean, tmp_path):
    viewer.add_image(np.asarray(clean)[:, 0, 0], name="clean")
    _, widget = viewer.window.add_plugin_dock_widget("decrappify", "Train")
    train = prepared(Driver(qtbot, widget, "train"), tmp_path)
    train["minutes"].setValue(60)
    train.click("run")
    qtbot.waitUntil(lambda: "training: step" in train.status, timeout=TIMEOUT)
    running = train.widget._runner._running
    viewer.close()
    qtbot.waitUntil(lambda: running._thread is None, timeout=TIMEOUT)
    assert not list(Path(tmp_path / "models").rglob("*.partial"))
    for path in Path(tmp_path / "models").rglob("*.safetensors"):
        load_model(path)


@pytest.mark.parametrize(("sample", "good"), [(degraded_copy, "filaments"), (simulated_movie, "cell-reference")])
@pytest.mark.parametrize("is_open_first", [True, False])
def test_good_layer_of_a_sample_is_ticked(qtbot, monkeypatch, sample, good, is_open_first):
    monkeypatch.setattr("napari_decrappify.samples._FRAMES", 2)
    monkeypatch.setattr("napari_decrappify.samples._SIZE", (64, 64))
    scene = ViewerModel()
    widgets = [shown(qtbot, TrainWidget, scene, "train")] if is_open_first else []
    for data, given, _ in sample():
        scene.add_layer(Image(data, **given))
    train = widgets[0] if widgets else shown(qtbot, TrainWidget, scene, "train")
    assert [layer.name for layer in train["layers"].layers] == [good]
    assert train["preview_layer"].layer.name == good


def test_file_that_was_degraded_is_not_ticked_unless_the_user_does(qtbot, train, scene, tmp_path, clean):
    degraded = save_movie(crappify_movie(clean, crappifier_preset("confocal")), tmp_path / "degraded.ome.tif")
    other = ViewerModel()
    for data, given, _ in get_reader(str(degraded))(str(degraded)):
        other.add_layer(Image(data, **given))
    driver = shown(qtbot, TrainWidget, other, "train")
    assert driver["layers"].layers == []
    assert driver.status == "no training images; tick a layer, or choose a folder"
    other.add_image(np.asarray(clean)[:, 0, 0], name="clean")
    assert [layer.name for layer in driver["layers"].layers] == ["clean"]
    driver["layers"].tick(other.layers["clean"], False)
    other.add_image(np.asarray(clean)[:, 0, 0], name="again")
    assert driver["layers"].layers == []
