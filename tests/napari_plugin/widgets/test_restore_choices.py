"""Choices of the Restore widget that follow the layer and the model."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtWidgets import QComboBox, QLabel, QLineEdit, QMessageBox, QSpinBox
from tests.napari_plugin.clicking import SIZES, Driver, answer, assert_reachable, shown
from tests.napari_plugin.restoring import button, click, noisy, status, wait_for_end

from napari_decrappify.widgets.restore import RestoreWidget


def model_name(widget):
    return widget.findChild(QComboBox, "restore_model").currentText()


def test_still_image_gets_a_still_model_and_a_movie_the_previous_one(qtbot, scene):
    widget = shown(qtbot, RestoreWidget, scene, "restore").widget
    movie = scene.add_image(np.zeros((3, 32, 40), np.uint16), name="movie")
    assert model_name(widget) == "fluorescence-movie"
    still = scene.add_image(np.zeros((32, 40), np.uint16), name="still")
    assert model_name(widget) == "fluorescence-still"
    scene.layers.selection.active = movie
    assert model_name(widget) == "fluorescence-movie"
    scene.layers.selection.active = still
    widget.findChild(QComboBox, "restore_model").setCurrentText("fluorescence-movie")
    assert not button(widget, "run").isEnabled()
    assert status(widget).startswith("this model needs several frames or slices, and the layer is one image; choose")
    widget.findChild(QComboBox, "restore_model").setCurrentText("em-denoise")
    assert widget.findChild(QLabel, "restore_caution").text().startswith("em-denoise is for electron micrographs")
    assert button(widget, "run").isEnabled()
    assert status(widget) == ""
    scene.layers.selection.active = movie
    assert widget.findChild(QLabel, "restore_caution").isHidden()


def test_first_click_restores_a_still(qtbot, scene, tmp_path, rng):
    widget = shown(qtbot, RestoreWidget, scene, "restore").widget
    widget.findChild(QLineEdit, "restore_folder").setText(str(tmp_path))
    scene.add_image(noisy(rng, (40, 48)), name="still")
    click(qtbot, widget, "run")
    wait_for_end(qtbot, widget)
    assert status(widget).startswith("restored in"), status(widget)


def test_layer_choice_follows_selected_sources_only(scene, widget, qtbot, rng, results):
    first, second = (scene.add_image(noisy(rng, (3, 32, 40)), name=name) for name in ("first", "second"))
    assert widget._input.layer is second
    scene.layers.selection.active = first
    assert widget._input.layer is first
    click(qtbot, widget, "run")
    wait_for_end(qtbot, widget)
    assert scene.layers.selection.active.name == "first [movie]"
    assert widget._input.layer is first


def test_axis_labels_and_pixels_that_are_set_later_are_used(scene, widget, qtbot, rng, results):
    layer = scene.add_image(noisy(rng, (4, 32, 40)), name="cells")
    axes, last = widget.findChild(QComboBox, "restore_axes"), widget.findChild(QSpinBox, "restore_last")
    assert (axes.currentText(), last.value()) == ("TYX", 3)
    layer.axis_labels = ("z", "y", "x")
    assert (axes.currentText(), last.value(), last.isEnabled()) == ("ZYX", 0, False)
    layer.axis_labels = ("t", "y", "x")
    layer.data = noisy(rng, (2, 32, 40))
    assert (axes.currentText(), last.value()) == ("TYX", 1)
    click(qtbot, widget, "run")
    wait_for_end(qtbot, widget)
    assert scene.layers[-1].data.shape == (2, 32, 40)


def test_warnings_about_a_result_are_shown(scene, widget, qtbot, rng, results):
    pixels = noisy(rng, (3, 32, 40)).astype(np.float32)
    pixels[1, 5, 7] = 1e6
    scene.add_image(pixels, name="cells")
    click(qtbot, widget, "run")
    wait_for_end(qtbot, widget)
    assert ". Warning: cells: 1 outlier pixel in 1 plane replaced from their surroundings" in status(widget)
    assert widget._queue.texts[0].startswith("cells\nmovie: finished, cells: 1 outlier pixel in 1 plane")


def test_very_long_layer_name_is_restored(scene, widget, qtbot, rng, results):
    ends = ("DAPI", "GFP")
    for end in ends:
        scene.add_image(noisy(rng, (2, 32, 40)), name=f"{'ä very long name ' * 30} · {end}")
        click(qtbot, widget, "run")
        wait_for_end(qtbot, widget)
        assert status(widget).startswith("restored in"), status(widget)
    found = sorted(results.iterdir())
    assert len(found) == 2
    assert [path.name.removesuffix("-movie.ome.zarr").rpartition("-")[2] for path in found] == list(ends)


def test_sample_selects_the_noisy_movie(viewer, widget):
    viewer.open_sample("decrappify", "degraded_copy")
    assert widget._input.layer.name == "filaments-degraded"


def test_reasons_for_a_disabled_button_are_shown(scene, widget):
    assert status(widget) == "no image layer; open a movie or an image"
    scene.add_image(np.zeros((3, 32, 40), np.uint16), name="cells")
    assert status(widget) == ""


@pytest.mark.parametrize("size", SIZES)
def test_controls_are_reachable_after_a_narrow_widget(viewer, qtbot, rng, size):
    viewer.window.resize(*size)
    viewer.add_image(noisy(rng, (3, 32, 40)), name="cells" * 10)
    _, narrow = viewer.window.add_plugin_dock_widget("decrappify", "Scenes")
    qtbot.wait(50)
    viewer.window.remove_dock_widget(narrow)
    _, wide = viewer.window.add_plugin_dock_widget("decrappify", "Restore")
    qtbot.wait(100)
    names = ("layer", "scenes", "axes", "last", "model", "device", "folder", "preview", "split", "run", "cancel")
    assert_reachable(Driver(qtbot, wide, "restore"), *names)


def test_restored_frames_are_displayed(scene, widget, qtbot, rng, results):
    place = {"scale": (2, 1, 1), "translate": (3, 0, 0), "axis_labels": ("t", "y", "x")}
    scene.add_image(noisy(rng, (6, 32, 40)), name="cells", **place)
    scene.dims.set_current_step(0, 4)
    widget.findChild(QSpinBox, "restore_first").setValue(1)
    widget.findChild(QSpinBox, "restore_last").setValue(2)
    click(qtbot, widget, "run")
    wait_for_end(qtbot, widget)
    assert scene.dims.point[0] == 5  # frame 1
    scene.dims.set_point(0, 7)
    widget.findChild(QSpinBox, "restore_first").setValue(0)
    answer(QMessageBox.StandardButton.Yes)
    click(qtbot, widget, "run")
    wait_for_end(qtbot, widget)
    assert scene.dims.point[0] == 7
