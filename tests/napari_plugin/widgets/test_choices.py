from __future__ import annotations

import json

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QFileDialog, QLabel, QLineEdit, QSlider, QSpinBox

from napari_decrappify.widgets.choices import AxesChoice, DeviceChoice, LayerChoice, ModelChoice
from napari_decrappify.widgets.settings import add_recent_model, recall, recent_models, remember, settings


@pytest.fixture
def model():
    return ViewerModel()


@pytest.fixture
def layers(qtbot, model):
    box = LayerChoice(model, "layer", "a layer")
    qtbot.addWidget(box)
    yield box
    box.disconnect_viewer()


def items(box):
    return [box.itemText(i) for i in range(box.count())]


def test_layers_are_followed_and_the_choice_is_kept(model, layers, qtbot):
    changes = []
    layers.layer_changed.connect(lambda: changes.append(layers.layer and layers.layer.name))
    first = model.add_image(np.zeros((4, 4)), name="first")
    model.add_labels(np.zeros((4, 4), int), name="no image")
    second = model.add_image(np.zeros((4, 4)), name="second")
    assert (items(layers), layers.layer) == (["second", "first"], first)
    first.name = "renamed"
    assert (items(layers), layers.layer) == (["second", "renamed"], first)
    model.layers.remove(first)
    assert (items(layers), layers.layer) == (["second"], second)
    model.layers.clear()
    assert layers.layer is None
    assert changes == ["first", "second", None]


def test_an_empty_entry_can_be_offered(model, qtbot):
    box = LayerChoice(model, "reference", "a reference", empty="no reference")
    qtbot.addWidget(box)
    model.add_image(np.zeros((4, 4)), name="truth")
    assert (items(box), box.layer) == (["no reference", "truth"], None)
    box.disconnect_viewer()


def test_axes_are_those_of_the_labels_then_what_else_they_may_be(model, qtbot):
    box = AxesChoice("axes")
    qtbot.addWidget(box)
    box.follow(model.add_image(np.zeros((5, 4, 4)), axis_labels=("z", "y", "x")))
    assert items(box) == ["ZYX", "TYX", "CYX"]
    box.follow(model.add_image(np.zeros((5, 4, 4, 3), np.uint8), rgb=True))
    assert items(box)[0] == "TYX"
    box.follow(None)
    assert box.axes is None


def test_models_are_shipped_recent_and_files(qtbot, tiny_models):
    box = ModelChoice("model", "restore/model", default="fluorescence-still")
    qtbot.addWidget(box)
    shipped = items(box)
    assert box.chosen == "fluorescence-still"
    assert shipped[-1] == "File…"
    assert box.add_file(tiny_models["movie"])
    assert box.chosen == tiny_models["movie"]
    assert box.header["architecture"]["n_frames"] == 3
    again = ModelChoice("model", "restore/model", default="fluorescence-still")
    qtbot.addWidget(again)
    assert again.chosen == tiny_models["movie"]
    assert set(items(again)) == {*shipped, "movie"}


def test_a_file_is_asked_for_and_no_model_is_not_taken(qtbot, tiny_models, tmp_path, monkeypatch):
    box = ModelChoice("model", "restore/model", default="fluorescence-movie")
    qtbot.addWidget(box)
    wrong = tmp_path / "wrong.safetensors"
    wrong.write_bytes(b"nonsense")
    for answer, expected in (
        (str(wrong), "fluorescence-movie"),
        ("", "fluorescence-movie"),
        (str(tiny_models["still"]), tiny_models["still"]),
    ):
        monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_, answer=answer: (answer, ""))
        box.setCurrentIndex(box.count() - 1)
        assert box.chosen == expected


def test_models_of_another_kind_are_left_out(qtbot):
    box = ModelChoice("model", "colorize/model", accepts=lambda header: header["card"].get("task") == "colorization")
    qtbot.addWidget(box)
    assert (items(box), box.chosen, box.header) == (["File…"], None, {})


def test_recent_models_are_the_newest_that_are_still_there(tmp_path):
    paths = [tmp_path / f"{i}.safetensors" for i in range(9)]
    for path in paths:
        path.write_bytes(b"")
        add_recent_model(path)
    add_recent_model(paths[5])
    paths[8].unlink()
    assert [int(path.stem) for path in recent_models()] == [5, 7, 6, 4, 3]


def test_devices_are_those_of_the_library(qtbot):
    box = DeviceChoice("device")
    qtbot.addWidget(box)
    assert [box.itemData(i) for i in range(box.count())] == ["auto", "cpu", "cuda", "mps"]


def combo():
    box = QComboBox()
    box.addItems(["a", "b"])
    return box


CONTROLS = {
    QCheckBox: (QCheckBox, "isChecked", "setChecked", True),
    QComboBox: (combo, "currentText", "setCurrentText", "b"),
    QLineEdit: (QLineEdit, "text", "setText", "some/folder"),
    QSpinBox: (QSpinBox, "value", "setValue", 7),
    QDoubleSpinBox: (QDoubleSpinBox, "value", "setValue", 0.5),
    QSlider: (QSlider, "value", "setValue", 30),
}


@pytest.mark.parametrize("kind", CONTROLS, ids=lambda kind: kind.__name__)
def test_controls_are_remembered(qtbot, kind):
    make, get, put, value = CONTROLS[kind]
    for turn in range(2):
        control = make()
        qtbot.addWidget(control)
        remember(control, "test/key")
        if turn == 0:
            getattr(control, put)(value)
    assert getattr(control, get)() == value


def test_spoilt_settings_are_passed_over(qtbot):
    settings().setValue("test/key", json.dumps({"not": "a number"}))
    for make, get, *_ in (CONTROLS[QSpinBox], CONTROLS[QComboBox]):
        control = make()
        qtbot.addWidget(control)
        remember(control, "test/key")
        assert getattr(control, get)() in (0, "a")
    assert recall("nothing", "default") == "default"
    with pytest.raises(TypeError, match="QLabel has no value"):
        remember(QLabel(), "test/key")
