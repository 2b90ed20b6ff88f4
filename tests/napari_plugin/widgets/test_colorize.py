"""Colorize widget, driven by clicks, with a tiny untrained network."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtWidgets import QFileDialog
from tests import narrow  # noqa: F401  # makes its encoder known
from tests.napari_plugin.clicking import TIMEOUT, shown

from decrappify import InferenceOptions, load_model
from decrappify.colorization import ColorizationOptions, Colorizer, colorize
from decrappify.model import Model
from decrappify.networks import create
from decrappify.normalization import IMAGENET
from napari_decrappify.widgets.colorize import ColorizeWidget


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    network = create("dynamic-unet", encoder="narrow-resnet", width_factor=0.25)
    card = {"name": "tiny", "task": "colorization", "preset": "own"}
    return Model(network, IMAGENET, card=card).save(tmp_path_factory.mktemp("models") / "tiny.safetensors")


@pytest.fixture
def scene():
    return ViewerModel()


@pytest.fixture
def colorizer(qtbot, scene, model_file):
    return prepared(shown(qtbot, ColorizeWidget, scene, "colorize"), model_file)


def prepared(driver, model_file):
    driver.widget._model.add_file(model_file)
    driver["render_factor"].setValue(2)
    return driver


def colorized(image, model_file):
    return colorize(image, model=model_file, render_factor=2)


def test_displayed_frame_is_colorized_in_place(scene, colorizer, rng, model_file):
    film = rng.integers(0, 256, (4, 40, 50), dtype=np.uint8)
    scene.add_image(film, name="film", scale=(2, 0.5, 0.5), translate=(1, 2, 3), colormap="magma")
    scene.dims.set_current_step(0, 2)
    colorizer.run()
    layer = scene.layers["film [colorized]"]
    assert layer.rgb
    np.testing.assert_array_equal(layer.data, colorized(film[2], model_file)[None])
    np.testing.assert_allclose(layer.scale, (2, 0.5, 0.5))
    np.testing.assert_allclose(layer.translate, (5, 2, 3))
    recorded = layer.metadata["decrappify"]
    assert (recorded["colorized_from"], recorded["render_factor"]) == ("film", 2)
    expected = Colorizer(load_model(model_file), render_factor=2, inference=InferenceOptions(device="cpu")).statement(2)
    assert recorded["statement"] == expected
    assert colorizer.status == f"added the layer film [colorized]; {expected}"


@pytest.mark.parametrize("axes", ["TCYX", "CZYX", "TZCYX", "ZTYX"])
def test_colorized_frames_are_at_the_place_of_their_frame_slice_and_channel(scene, colorizer, rng, model_file, axes):
    sizes = {"T": 2, "C": 3, "Z": 4, "Y": 32, "X": 40}
    pixels = rng.integers(0, 256, [sizes[axis] for axis in axes], dtype=np.uint8)
    scene.add_image(pixels, name="film", axis_labels=tuple(axes.lower()), scale=[2] * len(axes), blending="additive")
    if "C" in axes:
        scene.dims.set_current_step(axes.index("C"), 2)
    colorizer["all"].setChecked(True)
    colorizer.run()
    layer = scene.layers["film [colorized]"]
    kept = [1 if axis == "C" else sizes[axis] for axis in axes]
    assert layer.data.shape == (*kept, 3)
    assert layer.blending == "translucent_no_depth"  # over the gray layer, not added to it
    assert [str(label) for label in layer.axis_labels] == list(axes.lower())
    np.testing.assert_allclose(layer.translate, [4 if axis == "C" else 0 for axis in axes])
    for index in np.ndindex(*kept[:-2]):
        of_film = tuple(2 if axis == "C" else i for axis, i in zip(axes, index, strict=False))
        np.testing.assert_array_equal(layer.data[index], colorized(pixels[of_film], model_file))


def test_all_frames_of_a_color_film_are_colorized(scene, colorizer, rng, model_file):
    film = rng.integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    scene.add_image(film, name="film", rgb=True)
    colorizer["all"].setChecked(True)
    colorizer.run()
    expected = np.stack([colorized(image, model_file) for image in film])
    np.testing.assert_array_equal(scene.layers["film [colorized]"].data, expected)
    assert colorizer["progress"].value() == 3


def test_other_gray_levels_are_scaled_by_contrast_limits(scene, colorizer, rng, model_file):
    image = rng.random((32, 40), np.float32) * 4000
    scene.add_image(image, name="cells", contrast_limits=(1000, 3000))
    colorizer.run()
    shown = np.rint(np.clip((image - 1000) / 2000, 0, 1) * 255).astype(np.uint8)
    np.testing.assert_array_equal(scene.layers["cells [colorized]"].data, colorized(shown, model_file))


def test_cancel_keeps_finished_images(scene, colorizer, qtbot, rng):
    scene.add_image(rng.integers(0, 256, (500, 200, 200), dtype=np.uint8), name="film")
    colorizer["all"].setChecked(True)
    colorizer["render_factor"].setValue(8)
    colorizer.click("run")
    qtbot.waitUntil(lambda: colorizer["progress"].value() > 1, timeout=TIMEOUT)
    colorizer.click("cancel")
    colorizer.wait_for_end()
    layer = scene.layers[-1]
    assert layer.name == f"film [colorized, partial: {len(layer.data)} of 500 images]"
    assert 0 < len(layer.data) < 500


def test_watermark_is_written_if_chosen(scene, colorizer, rng, model_file):
    image = rng.integers(0, 256, (200, 300), dtype=np.uint8)
    scene.add_image(image, name="image")
    colorizer["watermark"].setChecked(True)
    colorizer.run()
    expected = colorize(image, model=model_file, render_factor=2, options=ColorizationOptions(watermark=True))
    np.testing.assert_array_equal(scene.layers[-1].data, expected)


def test_missing_model_file_is_an_error_and_the_widget_remains_usable(scene, colorizer, rng, tmp_path, model_file):
    scene.add_image(rng.integers(0, 256, (20, 20), dtype=np.uint8), name="image")
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(model_file.read_bytes())
    colorizer.widget._model.add_file(copy)
    copy.unlink()
    colorizer.run()
    assert colorizer.is_error
    assert "copy.safetensors" in colorizer.status
    assert len(scene.layers) == 1
    colorizer.widget._model.add_file(model_file)
    colorizer.run()
    assert scene.layers[-1].name == "image [colorized]"


def test_result_larger_than_a_layer_is_an_error(scene, colorizer):
    huge = np.broadcast_to(np.zeros((1, 1, 1), np.uint8), (4000, 1000, 1000))
    scene.add_image(huge, name="film", contrast_limits=(0, 255))
    colorizer["all"].setChecked(True)
    colorizer.run()
    assert colorizer.is_error
    assert "11.2 GB, the limit of a layer is 2 GB" in colorizer.status
    assert "decrappify colorize" in colorizer.status


def test_import_rejects_other_files(colorizer, qtbot, tmp_path, monkeypatch, model_file):
    wrong = tmp_path / "wrong.pth"
    wrong.write_bytes(b"nonsense")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(wrong), ""))
    colorizer.click("import")
    qtbot.waitUntil(lambda: colorizer.is_error, timeout=TIMEOUT)
    assert "wrong.pth" in colorizer.status
    imported = tmp_path / "known.safetensors"
    imported.write_bytes(model_file.read_bytes())  # imported before
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(imported.with_suffix(".pth")), ""))
    colorizer.click("import")
    qtbot.waitUntil(lambda: colorizer.status == f"imported {imported}", timeout=TIMEOUT)
    assert colorizer.widget._model.chosen == imported


def test_colorize_requires_a_model(scene, qtbot, rng, monkeypatch, model_file):
    scene.add_image(rng.random((20, 20)), name="image")
    colorizer = shown(qtbot, ColorizeWidget, scene, "colorize")
    assert not colorizer["run"].isEnabled()
    assert "choose or import a colorization model" in colorizer.status
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(model_file), ""))
    colorizer["model"].activated.emit(0)  # the only entry is chosen
    assert colorizer.widget._model.chosen == model_file
    assert colorizer["run"].isEnabled()
    assert colorizer.status == ""


def test_controls_have_names_tooltips_and_saved_values(scene, qtbot, colorizer, model_file):
    assert colorizer.unnamed() == []
    colorizer["device"].setCurrentText("CPU")
    again = shown(qtbot, ColorizeWidget, scene, "colorize")
    assert again["render_factor"].value() == 2
    assert again["device"].currentText() == "CPU"
    assert again.widget._model.chosen == model_file
