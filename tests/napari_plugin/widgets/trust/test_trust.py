"""Trust maps in the viewer: option of the Restore widget, Trust widget, and stores that are opened."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image, Labels
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QLabel
from tests.napari_plugin.clicking import Driver, shown

from decrappify import calibrate, open_movie
from decrappify.trust import Label
from decrappify.trust.palette import label_rgb
from napari_decrappify.readers import get_reader
from napari_decrappify.widgets.restore import RestoreWidget
from napari_decrappify.widgets.trust.widget import TrustWidget


@pytest.fixture
def raw():
    """Photon noise of gain 2 on moving stripes, so that it can be calibrated."""
    expected = np.stack([np.roll(np.tile(np.linspace(20, 400, 96), (96, 1)), t, axis=1) for t in range(6)])
    return (100 + 2 * np.random.default_rng(0).poisson(expected)).astype(np.uint16)


@pytest.fixture
def restore(scene, qtbot, tiny_models, tmp_path):
    driver = shown(qtbot, RestoreWidget, scene, "restore")
    driver.widget._model.add_file(tiny_models["movie"])
    driver["folder"].setText(str(tmp_path / "results"))
    return driver


def tick_trust(restore, qtbot):
    box = restore.widget.findChild(QCheckBox, "restore_trust")
    qtbot.mouseClick(box, Qt.MouseButton.LeftButton, pos=box.rect().center().__class__(10, box.height() // 2))
    assert box.isChecked()


def test_restoration_with_trust_shows_labels_legend_and_verdict(scene, restore, qtbot, raw, tmp_path):
    scene.add_image(raw, name="cells", scale=(2, 0.1, 0.1), translate=(0, 5, 6), units=("s", "um", "um"))
    tick_trust(restore, qtbot)
    restore.run()
    assert restore.status.startswith("restored in"), restore.status
    assert "on the CPU" in restore.status
    names = ["cells", "cells [movie]", "detection limit (photons) · cells [movie]", "trust · cells [movie]"]
    assert [layer.name for layer in scene.layers] == names
    labels, limit = scene.layers[names[3]], scene.layers[names[2]]
    assert isinstance(labels, Labels)
    assert isinstance(limit, Image)
    assert (labels.visible, limit.visible, labels.editable) == (True, False, False)
    for label in Label:
        np.testing.assert_allclose(255 * labels.colormap.color_dict[label][:3], label_rgb(label))  # as in reports
    np.testing.assert_allclose(labels.scale, scene.layers[1].scale)
    np.testing.assert_allclose(labels.translate, scene.layers[1].translate)
    with open_movie(tmp_path / "results" / "cells-movie_trust.ome.zarr") as stored:
        np.testing.assert_array_equal(np.asarray(labels.data), np.asarray(stored)[:, 0, 0])
        summary = stored.provenance["trust"]["summary"]
    assert restore.widget.findChild(QLabel, "restore_trust_verdict").text() == summary
    legend = restore.widget.findChild(QLabel, "restore_trust_contradicted")
    assert legend.isVisible()
    assert legend.text().startswith("<b>contradicted ")
    assert "trust: " in labels.get_status((0, 6, 7), world=True)["coordinates"]


def test_layers_of_a_map_are_not_offered_for_restoration(scene, restore, qtbot, raw):
    scene.add_image(raw, name="cells")
    tick_trust(restore, qtbot)
    restore.run()
    box = restore["layer"]
    assert [box.itemText(i) for i in range(box.count())] == ["cells [movie]", "cells"]


def test_movie_without_measurable_noise_is_refused_before_the_restoration(scene, restore, qtbot, rng, tmp_path):
    scene.add_image(rng.normal(1000, 5, (4, 48, 48)).astype(np.float32), name="denoised")
    tick_trust(restore, qtbot)
    restore.run()
    assert restore.is_error
    assert restore.status.startswith("no trust map: ")
    assert restore.status.endswith("; untick Trust map to restore without it")
    assert not list((tmp_path / "results").glob("*"))


def test_trust_widget_computes_and_reopens_the_map_of_an_opened_result(scene, restore, qtbot, raw, tmp_path):
    source = scene.add_image(raw, name="cells")
    restore.run()
    trust = shown(qtbot, TrustWidget, scene, "trust")
    assert trust["restored"].layer == scene.layers["cells [movie]"]
    assert trust["measured"].layer == source
    trust.run()
    assert trust.status.startswith("trust map in"), trust.status
    assert scene.layers[-1].name == "trust · cells [movie]"
    verdict = trust["verdict"].text()
    assert "confirmed" in verdict
    trust["progress"].setValue(0)
    trust.run()  # opens the finished map, without steps
    assert trust["progress"].value() == trust["progress"].maximum()
    assert len(scene.layers) == 4
    assert trust["verdict"].text() == verdict
    assert trust.unnamed() == []


def test_opened_result_and_opened_map_show_labels(scene, restore, qtbot, raw, tmp_path):
    scene.add_image(raw, name="cells")
    tick_trust(restore, qtbot)
    restore.run()
    result, trust = (tmp_path / "results" / f"cells-movie{end}.ome.zarr" for end in ("", "_trust"))
    kinds = [(attributes["name"], kind) for _, attributes, kind in get_reader(str(result))(str(result))]
    assert kinds == [
        ("cells-movie.ome.zarr", "image"),
        ("detection limit (photons) · cells-movie.ome.zarr", "image"),
        ("trust · cells-movie.ome.zarr", "labels"),
    ]
    kinds = [(attributes["name"], kind) for _, attributes, kind in get_reader(str(trust))(str(trust))]
    assert kinds == [
        ("trust score · cells-movie_trust.ome.zarr", "image"),
        ("detection limit (photons) · cells-movie_trust.ome.zarr", "image"),
        ("trust · cells-movie_trust.ome.zarr", "labels"),
    ]


def test_noise_file_is_used_by_every_widget_and_a_missing_one_is_reported(scene, restore, qtbot, raw, tmp_path):
    scene.add_image(raw, name="cells")
    restore.run()
    trust = shown(qtbot, TrustWidget, scene, "trust")
    trust["noise"].setText(str(tmp_path / "camera.toml"))
    trust.run()
    assert trust.is_error
    assert "camera.toml" in trust.status
    calibrate(raw).save(tmp_path / "camera.toml")
    trust.run()
    assert not trust.is_error, trust.status
    tick_trust(restore, qtbot)
    assert restore["trust_noise"].isVisible()
    assert restore["trust_noise"].text() == str(tmp_path / "camera.toml")


def test_trust_widget_states_what_is_missing(scene, qtbot, raw):
    trust = Driver(qtbot, shown(qtbot, TrustWidget, scene, "trust").widget, "trust")
    assert trust.status == "no restored layer; restore one, or open a result"
    scene.add_image(raw, name="cells")
    assert not trust["run"].isEnabled()
