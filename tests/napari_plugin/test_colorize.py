"""The Colorize widget, clicked in a real viewer, with a tiny untrained network."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtWidgets import QFileDialog
from tests import narrow  # noqa: F401  # makes its encoder known

from decrappify import load_model
from decrappify.colorization import Colorizer, colorize
from decrappify.model import Model
from decrappify.networks import create
from decrappify.normalization import IMAGENET
from napari_decrappify.colorize import ColorizeWidget

from .clicking import TIMEOUT, shown


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    network = create("dynamic-unet", encoder="narrow-resnet", width_factor=0.25)
    card = {"name": "tiny", "task": "colorization", "preset": "own"}
    return Model(network, IMAGENET, card=card).save(tmp_path_factory.mktemp("models") / "tiny.safetensors")


@pytest.fixture
def scene():
    return ViewerModel()


@pytest.fixture
def colour(qtbot, scene, model_file):
    return prepared(shown(qtbot, ColorizeWidget, scene, "colorize"), model_file)


def prepared(driver, model_file):
    driver.widget._model.add_file(model_file)
    driver["render_factor"].setValue(2)
    return driver


def coloured(picture, model_file):
    return colorize(picture, model=model_file, render_factor=2)


def test_the_frame_on_the_canvas_is_coloured_in_its_place(scene, colour, rng, model_file):
    film = rng.integers(0, 256, (4, 40, 50), dtype=np.uint8)
    scene.add_image(film, name="film", scale=(2, 0.5, 0.5), translate=(1, 2, 3), colormap="magma")
    scene.dims.set_current_step(0, 2)
    colour.run()
    layer = scene.layers["film [coloured]"]
    assert layer.rgb
    np.testing.assert_array_equal(layer.data, coloured(film[2], model_file)[None])
    np.testing.assert_allclose(layer.scale, (2, 0.5, 0.5))
    np.testing.assert_allclose(layer.translate, (5, 2, 3))
    recorded = layer.metadata["decrappify"]
    assert (recorded["coloured_from"], recorded["render_factor"]) == ("film", 2)
    expected = Colorizer(load_model(model_file), render_factor=2, device="cpu").statement(2)
    assert recorded["statement"] == expected
    assert colour.status == f"added film [coloured]; {expected}"


def test_all_frames_of_a_colour_film_are_coloured_anew(scene, colour, rng, model_file):
    film = rng.integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    scene.add_image(film, name="film", rgb=True)
    colour["all"].setChecked(True)
    colour.run()
    expected = np.stack([coloured(picture, model_file) for picture in film])
    np.testing.assert_array_equal(scene.layers["film [coloured]"].data, expected)
    assert colour["progress"].value() == 3


def test_other_grey_levels_are_coloured_as_the_canvas_shows_them(scene, colour, rng, model_file):
    picture = rng.random((32, 40), np.float32) * 4000
    scene.add_image(picture, name="cells", contrast_limits=(1000, 3000))
    colour.run()
    shown = np.rint(np.clip((picture - 1000) / 2000, 0, 1) * 255).astype(np.uint8)
    np.testing.assert_array_equal(scene.layers["cells [coloured]"].data, coloured(shown, model_file))


def test_cancel_keeps_the_pictures_that_are_finished(scene, colour, qtbot, rng):
    scene.add_image(rng.integers(0, 256, (500, 200, 200), dtype=np.uint8), name="film")
    colour["all"].setChecked(True)
    colour["render_factor"].setValue(8)
    colour.click("run")
    qtbot.waitUntil(lambda: colour["progress"].value() > 1, timeout=TIMEOUT)
    colour.click("cancel")
    colour.wait_for_end()
    layer = scene.layers[-1]
    assert layer.name == f"film [coloured, partial: {len(layer.data)} of 500 pictures]"
    assert 0 < len(layer.data) < 500


def test_the_watermark_is_written_where_it_is_asked_for(scene, colour, rng, model_file):
    picture = rng.integers(0, 256, (200, 300), dtype=np.uint8)
    scene.add_image(picture, name="picture")
    colour["watermark"].setChecked(True)
    colour.run()
    expected = colorize(picture, model=model_file, render_factor=2, watermark=True)
    np.testing.assert_array_equal(scene.layers[-1].data, expected)


def test_a_file_that_has_gone_is_one_line_and_the_widget_goes_on(scene, colour, rng, tmp_path, model_file):
    scene.add_image(rng.integers(0, 256, (20, 20), dtype=np.uint8), name="picture")
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(model_file.read_bytes())
    colour.widget._model.add_file(copy)
    copy.unlink()
    colour.run()
    assert colour.is_error
    assert "copy.safetensors" in colour.status
    assert len(scene.layers) == 1
    colour.widget._model.add_file(model_file)
    colour.run()
    assert scene.layers[-1].name == "picture [coloured]"


def test_what_does_not_fit_into_a_layer_is_left_to_the_command_line(scene, colour):
    huge = np.broadcast_to(np.zeros((1, 1, 1), np.uint8), (4000, 1000, 1000))
    scene.add_image(huge, name="film", contrast_limits=(0, 255))
    colour["all"].setChecked(True)
    colour.run()
    assert colour.is_error
    assert "11.2 GB, a layer may have 2" in colour.status
    assert "decrappify colorize" in colour.status


def test_weights_that_are_none_are_refused_in_one_line(colour, qtbot, tmp_path, monkeypatch, model_file):
    wrong = tmp_path / "wrong.pth"
    wrong.write_bytes(b"nonsense")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(wrong), ""))
    colour.click("import")
    qtbot.waitUntil(lambda: colour.is_error, timeout=TIMEOUT)
    assert "wrong.pth" in colour.status
    imported = tmp_path / "known.safetensors"
    imported.write_bytes(model_file.read_bytes())  # imported before
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(imported.with_suffix(".pth")), ""))
    colour.click("import")
    qtbot.waitUntil(lambda: colour.status == f"imported {imported}", timeout=TIMEOUT)
    assert colour.widget._model.chosen == imported


def test_a_model_is_asked_for(scene, qtbot, rng, monkeypatch, model_file):
    scene.add_image(rng.random((20, 20)), name="picture")
    colour = shown(qtbot, ColorizeWidget, scene, "colorize")
    assert not colour["run"].isEnabled()
    assert "choose or import a colorization model" in colour.status
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(model_file), ""))
    colour["model"].activated.emit(0)  # as a user does who picks the only entry
    assert colour.widget._model.chosen == model_file
    assert colour["run"].isEnabled()
    assert colour.status == ""


def test_controls_are_named_explained_and_remembered(scene, qtbot, colour, model_file):
    assert colour.unnamed() == []
    colour["device"].setCurrentText("CPU")
    again = shown(qtbot, ColorizeWidget, scene, "colorize")
    assert again["render_factor"].value() == 2
    assert again["device"].currentText() == "CPU"
    assert again.widget._model.chosen == model_file
