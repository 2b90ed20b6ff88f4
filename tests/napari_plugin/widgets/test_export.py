"""Export page of the Restore widget, driven by clicks, and the save dialog of napari with its own file types."""

from __future__ import annotations

import time

import numpy as np
import pytest
from napari.plugins import _npe2
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QMessageBox, QTabWidget
from tests.napari_plugin.clicking import SIZES, TIMEOUT, Driver, answer, assert_reachable, shown
from tests.napari_plugin.scene_files import write_scenes

from decrappify import Movie, open_movie, save_movie, scenes
from napari_decrappify.readers import get_reader
from napari_decrappify.widgets.restore import RestoreWidget


@pytest.fixture
def page(qtbot, scene, tmp_path):
    driver = shown(qtbot, RestoreWidget, scene, "export")
    driver["folder"].setText(str(tmp_path / "exported"))
    return driver


def add(viewer, path):
    return [viewer.add_image(data, **attributes) for data, attributes, _ in get_reader(str(path))(str(path))]


def tick(page, *names):
    """Click the check marks so that only these layers are ticked."""
    ticks = page["layers"]
    for row in range(ticks.count()):
        item = ticks.item(row)
        item.setCheckState(Qt.CheckState.Checked if item.text() in names else Qt.CheckState.Unchecked)


@pytest.mark.parametrize("label", ["OME-Zarr", "OME-TIFF"])
def test_all_channels_and_scenes_are_written_into_one_file(page, scene, tmp_path, rng, label):
    layers = add(scene, write_scenes(tmp_path / "cells.czi", rng))
    assert len(layers) == 4
    tick(page, *(layer.name for layer in layers))
    page["format"].setCurrentText(label)
    page["file"].setText("plate")
    page.run()
    assert page.status.startswith("exported (2 scenes; channels ChA-T1, ChS2) in"), page.status
    path = tmp_path / "exported" / f"plate{page['format'].currentData()}"
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    assert scenes(path) == ["scene 0", "scene 1"]
    for number in range(2):
        with open_movie(path, scene=number) as stored, open_movie(tmp_path / "cells.czi", scene=number) as source:
            assert stored.shape == source.shape == (2, 2, 3, 24, 32)
            assert stored.channel_names == ("ChA-T1", "ChS2")
            assert stored.pixel_size_um[1:] == pytest.approx((0.2, 0.2))
            np.testing.assert_array_equal(np.asarray(stored), np.asarray(source))


def test_restored_channels_are_exported_with_the_names_of_the_file(page, scene, qtbot, tmp_path, rng, tiny_models):
    movie = Movie.from_array(
        rng.integers(90, 4000, (3, 2, 1, 32, 40), dtype=np.uint16), channel_names=["ChA-T1", "ChS2"]
    )
    layers = add(scene, save_movie(movie, tmp_path / "cells.ome.tif"))
    restore = Driver(qtbot, page.widget, "restore")
    restore["folder"].setText(str(tmp_path / "results"))
    page.widget._model.add_file(tiny_models["movie"])
    for layer in layers:
        restore["layer"].layer = layer
        restore.run()
    assert [layer.blending for layer in scene.layers] == ["additive"] * 4
    assert [layer.name for layer in scene.layers if page["layers"].layers == [layer]] == [scene.layers[-1].name]
    assert page["file"].text() == "cells-ChS2-movie"
    tick(page, scene.layers[-2].name, scene.layers[-1].name)
    assert page["file"].text() == "cells-movie"
    page["format"].setCurrentText("OME-TIFF")
    page.run()
    with open_movie(tmp_path / "exported" / f"{page['file'].text()}.ome.tif") as stored:
        assert stored.channel_names == ("ChA-T1", "ChS2")
        np.testing.assert_array_equal(np.asarray(stored)[:, 1, 0], np.asarray(scene.layers[-1].data))
        assert set(stored.provenance["channels"]) == {"ChA-T1", "ChS2"}


@pytest.mark.parametrize("units", [None, ("pixel",) * 3, ("second", "micrometer", "micrometer")])
def test_layer_without_units_keeps_axes_and_scale(page, scene, tmp_path, rng, units):
    labels = ("z", "y", "x") if units is None else ("t", "y", "x")
    pixels = rng.integers(0, 255, (5, 16, 20), dtype=np.uint8)
    scene.add_image(pixels, name="stack", scale=(2, 0.3, 0.3), units=units, axis_labels=labels)
    page["format"].setCurrentText("OME-TIFF")
    page.run()
    with open_movie(tmp_path / "exported" / "stack.ome.tif") as stored:
        assert stored.shape == ((1, 1, 5, 16, 20) if units is None else (5, 1, 1, 16, 20))
        if units is None:
            assert stored.unitless_spacing == {"Z": 2.0, "Y": 0.3, "X": 0.3}
        elif units[0] == "second":
            assert (stored.frame_interval_s, stored.pixel_size_um[1:]) == (2, (0.3, 0.3))


def test_film_shows_the_displayed_slice_of_a_stack(page, scene, tmp_path, rng):
    pixels = rng.integers(0, 255, (4, 3, 32, 48), dtype=np.uint8)
    scene.add_image(pixels, name="stack", axis_labels=("t", "z", "y", "x"))
    scene.dims.set_current_step(1, 2)
    page["format"].setCurrentText("Film for viewing (MP4)")
    page.run()
    assert "slice 2" in page.status
    with open_movie(tmp_path / "exported" / "stack.mp4") as stored:
        assert stored.shape[0] == 4
        assert abs(stored.frame(1).astype(float) - pixels[1, 2]).mean() < 20


@pytest.mark.parametrize(
    ("control", "text", "message"),
    [
        ("file", "x" * 300, "the file name has 309 characters, at most 200 are possible; shorten it"),
        ("folder", "", "no output folder; choose one"),
        ("folder", "~no-such-user/a", "the output folder ~no-such-user/a is not a complete path; choose a folder with"),
        ("folder", f"/{'x' * 300}", "cannot create the folder"),
    ],
)
def test_names_and_folders_that_cannot_be_used_are_refused(page, scene, rng, control, text, message):
    scene.add_image(rng.integers(0, 255, (16, 20), dtype=np.uint8), name="cells")
    page[control].setText(text)
    page.click("run")
    assert page.is_error
    assert page.status.startswith(message), page.status
    page.click("command")
    assert page.is_error


def test_existing_file_is_replaced_only_after_a_question(page, scene, tmp_path, rng):
    scene.add_image(np.zeros((4, 16, 20), np.uint16), name="cells", axis_labels=("t", "y", "x"))
    page.run()
    path = tmp_path / "exported" / "cells.ome.zarr"
    scene.layers[0].data = np.ones((4, 16, 20), np.uint16)
    for button, value in [(QMessageBox.StandardButton.No, 0), (QMessageBox.StandardButton.Yes, 1)]:
        texts = answer(button)
        page.click("run")
        page.wait_for_end()
        assert texts == [f"cells.ome.zarr already exists in {path.parent}. Replace it?"]
        with open_movie(path) as stored:
            assert int(stored.frame(0)[0, 0]) == value
        assert page.status.startswith("exported" if value else "cells.ome.zarr was not replaced"), page.status


def test_export_refuses_files_of_layers_and_films_of_scenes(page, scene, tmp_path, rng):
    path = save_movie(Movie.from_array(np.ones((3, 16, 20), np.uint16)), tmp_path / "cells.ome.zarr")
    add(scene, path)
    page["folder"].setText(str(tmp_path))
    page.click("run")
    assert page.is_error
    assert page.status == "cells.ome.zarr is the file of the layer 'cells.ome.zarr'; choose another name"
    page["folder"].setText(f"{tmp_path}/../{tmp_path.name}")
    page.click("run")
    assert page.status.endswith("is the file of the layer 'cells.ome.zarr'; choose another name")
    layers = add(scene, write_scenes(tmp_path / "plate.czi", rng))
    tick(page, *(layer.name for layer in layers))
    page["format"].setCurrentText("Film for viewing (MP4)")
    page.click("run")
    assert page.status == "a film has one scene, and layers of several are ticked; tick those of one scene"


def test_error_of_the_library_names_controls(page, scene):
    scene.add_image(np.zeros((16, 20), np.float16), name="half")
    page["format"].setCurrentText("OME-TIFF")
    page.run()
    assert page.is_error
    assert page.status == "half.ome.tif is float16, which OME-TIFF cannot store; choose OME-Zarr as format"


def test_cancelled_export_leaves_no_file(page, scene, qtbot, tmp_path, rng):
    scene.add_image(rng.integers(0, 4000, (300, 256, 256), dtype=np.uint16), name="cells")
    page["format"].setCurrentText("OME-TIFF")
    page.click("run")
    qtbot.waitUntil(lambda: page["progress"].value() > 0, timeout=TIMEOUT)
    clicked = time.monotonic()
    page.click("cancel")
    page.wait_for_end()
    assert time.monotonic() - clicked < 3
    assert page.status.endswith("; no file was written")
    assert list((tmp_path / "exported").iterdir()) == []


@pytest.mark.parametrize("label", ["OME-Zarr", "OME-TIFF", "Film for viewing (MP4)"])
def test_cancelled_export_keeps_the_file_that_it_would_replace(page, scene, qtbot, rng, label):
    scene.add_image(rng.integers(0, 4000, (3, 64, 64), dtype=np.uint16), name="cells")
    page["format"].setCurrentText(label)
    page.run()
    scene.layers[0].data = rng.integers(0, 4000, (300, 256, 256), dtype=np.uint16)
    answer(QMessageBox.StandardButton.Yes)
    page.click("run")
    qtbot.waitUntil(lambda: page["progress"].value() > 0, timeout=TIMEOUT)
    page.click("cancel")
    page.wait_for_end()
    assert page.status.startswith("cancelled at"), page.status
    with open_movie(page.widget._export.path) as stored:
        assert stored.shape == (3, 1, 1, 64, 64)
    assert len(list(page.widget._export.path.parent.iterdir())) == 1


def test_reasons_for_a_disabled_export_are_shown(page, scene, rng):
    assert page.status == "no layer is ticked; tick the layers to export"
    scene.add_image(rng.integers(0, 255, (16, 20), dtype=np.uint8), name="cells")
    assert page.status == ""
    page["file"].setText(" ")
    page["file"].textEdited.emit(" ")
    assert not page["run"].isEnabled()
    assert page.status == "no file name; enter one"


@pytest.mark.parametrize("size", SIZES)
def test_export_is_reachable_by_clicks(viewer, qtbot, tmp_path, rng, size):
    viewer.window.resize(*size)
    viewer.add_image(rng.integers(0, 255, (5, 16, 20), dtype=np.uint8), name="cells" * 12, scale=(1, 0.2, 0.2))
    _, widget = viewer.window.add_plugin_dock_widget("decrappify", "Restore")
    bar = widget.findChild(QTabWidget, "restore_tabs").tabBar()
    qtbot.mouseClick(bar, Qt.MouseButton.LeftButton, pos=bar.tabRect(2).center())
    page = Driver(qtbot, widget, "export")
    page["folder"].setText(str(tmp_path))
    qtbot.wait(100)
    assert_reachable(page, "layers", "format", "file", "folder", "browse", "run", "cancel", "progress")
    page["file"].setText("cells")
    page.run()
    assert page.status.startswith("exported"), page.status


def save_by_dialog(viewer, monkeypatch, path, filter_start):
    """Save the selected layers by the dialog of the File menu, with the file type that begins with some text."""
    text, _ = _npe2.file_extensions_string_for_layers(list(viewer.layers.selection))
    (chosen,) = [entry for entry in text.split(";;") if entry.startswith(filter_start)]
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **options: (str(path), chosen))
    viewer.window._qt_viewer._save_layers_dialog(selected=True)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("decrappify OME-TIFF", "x.ome.tif"),
        ("decrappify OME-TIFF", "x.tif"),
        ("decrappify OME-Zarr", "x.ome.zarr"),
        ("decrappify OME-Zarr", "x.zarr"),
    ],
)
@pytest.mark.parametrize("labels", [("t", "y", "x"), ("z", "y", "x")])
def test_file_types_of_the_plugin_in_the_save_dialog_keep_axes(viewer, monkeypatch, tmp_path, rng, kind, name, labels):
    pixels = rng.integers(0, 4000, (7, 16, 20), dtype=np.uint16)
    viewer.add_image(pixels, name="cells", scale=(2, 0.3, 0.3), axis_labels=labels)
    save_by_dialog(viewer, monkeypatch, tmp_path / name, kind)
    with open_movie(tmp_path / name) as stored:
        assert stored.shape == ((7, 1, 1, 16, 20) if labels[0] == "t" else (1, 1, 7, 16, 20))
        assert stored.unitless_spacing == {labels[0].upper(): 2.0, "Y": 0.3, "X": 0.3}
        np.testing.assert_array_equal(np.asarray(stored).squeeze(), pixels)
