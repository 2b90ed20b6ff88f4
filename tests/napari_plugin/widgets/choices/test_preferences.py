from __future__ import annotations

import json

import pytest
from qtpy.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QLabel, QLineEdit, QSlider, QSpinBox

from napari_decrappify.widgets.choices.preferences import add_recent_model, recall, recent_models, remember, settings


def test_recent_models_returns_newest_existing_files(tmp_path):
    paths = [tmp_path / f"{i}.safetensors" for i in range(9)]
    for path in paths:
        path.write_bytes(b"")
        add_recent_model(path)
    add_recent_model(paths[5])
    paths[8].unlink()
    assert [int(path.stem) for path in recent_models()] == [5, 7, 6, 4, 3]


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
def test_remember_restores_values(qtbot, kind):
    make, get, put, value = CONTROLS[kind]
    for repetition in range(2):
        control = make()
        qtbot.addWidget(control)
        remember(control, "test/key")
        if repetition == 0:
            getattr(control, put)(value)
    assert getattr(control, get)() == value


def test_remember_ignores_invalid_values(qtbot):
    settings().setValue("test/key", json.dumps({"not": "a number"}))
    for make, get, *_ in (CONTROLS[QSpinBox], CONTROLS[QComboBox]):
        control = make()
        qtbot.addWidget(control)
        remember(control, "test/key")
        assert getattr(control, get)() in (0, "a")
    assert recall("nothing", "default") == "default"
    with pytest.raises(TypeError, match="QLabel has no value"):
        remember(QLabel(), "test/key")
