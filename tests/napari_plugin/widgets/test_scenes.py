"""Scenes widget, and restoration of all scenes, driven by clicks."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt
from tests.io.formats.czi.czi_files import rename_dimension, write_planes
from tests.napari_plugin.clicking import SIZES, TIMEOUT, Driver, assert_reachable, shown
from tests.napari_plugin.scene_files import write_scenes

from decrappify import open_movie, scenes
from napari_decrappify.layers.image import LayerImage
from napari_decrappify.readers import get_reader
from napari_decrappify.widgets.restore import RestoreWidget
from napari_decrappify.widgets.scenes import ScenesWidget


@pytest.fixture
def page(qtbot, scene):
    return shown(qtbot, ScenesWidget, scene, "scenes")


def add(viewer, path):
    return [viewer.add_image(data, **attributes) for data, attributes, _ in get_reader(str(path))(str(path))]


def items(page):
    return [page["list"].item(row) for row in range(page["list"].count())]


def test_file_with_several_scenes_opens_all_at_their_stage_positions(scene, tmp_path, rng):
    path = write_scenes(tmp_path / "cells.czi", rng)
    layers = add(scene, path)
    assert [layer.name for layer in layers] == [
        f"cells.czi [scene {number}] · {channel}" for number in range(2) for channel in ("ChA-T1", "ChS2")
    ]
    assert [tuple(layer.translate) for layer in layers] == [(0, 0, 0, 0)] * 2 + [(0, 0, 0, 20)] * 2
    with LayerImage.of(layers[2]).movie() as movie, open_movie(path, scene=1) as expected:
        np.testing.assert_array_equal(movie.frame(1, 0, 2), expected.frame(1, 0, 2))


def test_many_scenes_are_listed_and_ticked_ones_opened(page, scene, tmp_path, rng):
    path = write_scenes(tmp_path / "plate.czi", rng, n_scenes=14)
    with pytest.warns(UserWarning, match="contains 14 scenes, of which the first was opened; .* widget Scenes"):
        layers = add(scene, path)
    assert len(layers) == 2
    page["file"].setText(str(path))
    page.run()
    assert page.status == "14 scenes"
    assert [item.text().split("\n")[0] for item in items(page)] == scenes(path)
    assert items(page)[3].text().endswith("2 frames, 2 channels, 3 slices, 24 × 32 pixels")
    assert items(page)[3].toolTip().endswith(", at x 60, y 0 µm")
    assert all(not item.icon().isNull() for item in items(page))
    assert [item.checkState() == Qt.CheckState.Checked for item in items(page)] == [False] + [True] * 13
    page.click("none")
    assert not page["open"].isEnabled()
    for number in (4, 9):
        items(page)[number].setCheckState(Qt.CheckState.Checked)
    page.click("open")
    assert [layer.name for layer in scene.layers[2::2]] == [f"plate.czi [scene {n}] · ChA-T1" for n in (4, 9)]
    assert page.status == "opened 2 scenes"
    assert page.unnamed() == []


@pytest.mark.filterwarnings("ignore:.*the metadata state 3 slices")  # the file was edited
def test_further_dimensions_are_named_and_chosen(page, scene, tmp_path):
    planes = {(0, 0, 0, z): np.full((24, 32), 10 + z, np.uint8) for z in range(3)}
    path = write_planes(tmp_path / "airyscan.czi", planes)
    rename_dimension(path, "Z", "H")
    with pytest.warns(UserWarning, match=r"contains 3 detector elements or phases, of which H 0 was opened; open"):
        (layer,) = add(scene, path)
    assert layer.name == "airyscan.czi [H 0]"
    page["file"].setText(str(path))
    page.run()
    box = page["H"]
    assert box.toolTip().startswith("Detector elements or phases")
    assert [box.itemText(i) for i in range(box.count())] == ["0", "1", "2", "sum"]
    for choice, value in (("2", 12), ("sum", 33)):
        box.setCurrentText(choice)
        page.click("all")
        page.click("open")
        assert scene.layers[-1].name == f"airyscan.czi [H {choice}]"
        assert int(np.asarray(scene.layers[-1].data)[0, 0]) == value
        with LayerImage.of(scene.layers[-1]).movie() as movie:
            assert movie.frame(0)[0, 0] == value


def test_missing_file_is_one_line(page, tmp_path):
    page["file"].setText(str(tmp_path / "none.czi"))
    page.run()
    assert page.is_error
    assert "none.czi does not exist" in page.status
    assert not page["open"].isEnabled()


def test_all_scenes_are_restored_and_exported_into_one_file(qtbot, scene, tmp_path, rng, tiny_models):
    path = write_scenes(tmp_path / "cells.czi", rng, n_scenes=3)
    driver = shown(qtbot, RestoreWidget, scene, "restore")
    driver.widget._model.add_file(tiny_models["movie"])
    driver["folder"].setText(str(tmp_path / "results"))
    layer = add(scene, path)[0]
    driver["layer"].layer = layer
    layer.colormap = "magma"
    assert driver["scenes"].text() == "All 3 scenes of the file"
    driver["scenes"].click()
    driver.click("run")
    qtbot.waitUntil(lambda: driver.status == "restored 3 of 3 inputs", timeout=TIMEOUT)
    results = list(scene.layers)[6:]
    assert [each.name for each in results] == [f"cells.czi [scene {n}] · ChA-T1 [movie]" for n in range(3)]
    assert [tuple(each.translate) for each in results] == [(0, 0, 0, 20 * n) for n in range(3)]
    assert {each.colormap.name for each in results} == {"magma"}
    export = Driver(qtbot, driver.widget, "export")
    export["folder"].setText(str(tmp_path))
    export["format"].setCurrentText("OME-TIFF")
    assert export["file"].text() == "cells-movie"
    export.run()
    assert scenes(tmp_path / "cells-movie.ome.tif") == ["scene 0", "scene 1", "scene 2"]
    with open_movie(tmp_path / "cells-movie.ome.tif", scene=2) as stored:
        assert stored.channel_names == ("ChA-T1",)
        np.testing.assert_array_equal(np.asarray(stored)[:, 0], np.asarray(results[2].data))


def test_cancel_drops_the_scenes_that_follow(qtbot, scene, tmp_path, rng, tiny_models):
    driver = shown(qtbot, RestoreWidget, scene, "restore")
    driver.widget._model.add_file(tiny_models["movie"])
    driver["folder"].setText(str(tmp_path / "results"))
    add(scene, write_scenes(tmp_path / "cells.czi", rng, n_scenes=3))
    driver["scenes"].click()
    driver.click("run")
    driver.click("cancel")
    driver.wait_for_end()
    qtbot.wait(300)
    assert driver.status.startswith("cancelled")
    assert len(scene.layers) <= 7


@pytest.mark.parametrize("size", SIZES)
def test_scenes_are_reachable_by_clicks(viewer, qtbot, tmp_path, rng, size):
    viewer.window.resize(*size)
    path = write_scenes(tmp_path / "cells.czi", rng, n_scenes=3)
    viewer.open(str(path), plugin="decrappify")
    _, widget = viewer.window.add_plugin_dock_widget("decrappify", "Scenes")
    page = Driver(qtbot, widget, "scenes")
    assert page["file"].text() == str(path)
    qtbot.waitUntil(lambda: page.status == "3 scenes", timeout=TIMEOUT)
    qtbot.wait(100)
    assert_reachable(page, "file", "browse", "run", "cancel", "list", "all", "none", "open")
