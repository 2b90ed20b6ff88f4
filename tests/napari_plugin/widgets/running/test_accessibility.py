"""Mouse wheel, names and labels of the controls of all widgets."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QColor, QWheelEvent
from qtpy.QtWidgets import (
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QCheckBox,
    QComboBox,
    QGroupBox,
    QLabel,
    QPushButton,
    QScrollBar,
)
from tests.napari_plugin.clicking import KINDS, shown

from napari_decrappify.widgets.adapt import AdaptWidget
from napari_decrappify.widgets.batch import BatchWidget
from napari_decrappify.widgets.choices.layer import LayerChoice
from napari_decrappify.widgets.colorize import ColorizeWidget
from napari_decrappify.widgets.compare import CompareWidget
from napari_decrappify.widgets.restore import RestoreWidget
from napari_decrappify.widgets.running.colors import LEAST_CONTRAST, contrast, readable
from napari_decrappify.widgets.scenes import ScenesWidget
from napari_decrappify.widgets.train import TrainWidget
from napari_decrappify.widgets.trust.widget import TrustWidget

WIDGETS = {
    "scenes": ScenesWidget,
    "restore": RestoreWidget,
    "train": TrainWidget,
    "compare": CompareWidget,
    "colorize": ColorizeWidget,
    "adapt": AdaptWidget,
    "batch": BatchWidget,
    "trust": TrustWidget,
}
LONG = "20260513_HeLa_a-very-long-name-of-an-experiment_position-07 · GFP"


@pytest.fixture(params=WIDGETS)
def driver(request, qtbot, scene):
    scene.add_image(np.zeros((4, 32, 32), np.uint16), name="first")
    scene.add_image(np.zeros((4, 32, 32), np.uint16), name="second")
    return shown(qtbot, WIDGETS[request.param], scene, request.param)


def children(widget, *kinds):
    found = [child for kind in kinds for child in widget.findChildren(kind)]
    return [child for child in found if not isinstance(child, QScrollBar) and not _is_inner(child)]


def _is_inner(child):
    return isinstance(child.parent(), KINDS) or child.objectName().startswith("qt_")


def value_of(control):
    return control.currentIndex() if isinstance(control, QComboBox) else control.value()


def test_wheel_over_a_control_changes_nothing(driver):
    controls = children(driver.widget, QComboBox, QAbstractSpinBox, QAbstractSlider)
    before = [value_of(control) for control in controls]
    for control in controls:
        control.setFocus()
        for direction in (-120, 120):
            event = QWheelEvent(
                QPointF(5, 5),
                QPointF(control.mapToGlobal(QPoint(5, 5))),
                QPoint(),
                QPoint(0, direction),
                Qt.MouseButton.NoButton,
                Qt.KeyboardModifier.NoModifier,
                Qt.ScrollPhase.NoScrollPhase,
                False,
            )
            QApplication.sendEvent(control, event)
    assert [value_of(control) for control in controls] == before
    assert controls or driver.widget.objectName() == "scenes"


def test_controls_have_accessible_names(driver):
    for control in children(driver.widget, *KINDS):
        assert control.accessibleName() or getattr(control, "text", str)(), control.objectName()


def test_labels_are_in_sentence_case(driver):
    labels = children(driver.widget, QPushButton, QCheckBox)
    texts = [control.text() for control in labels]
    texts += [group.title() for group in driver.widget.findChildren(QGroupBox)]
    for label in driver.widget.findChildren(QLabel):  # of rows of forms, not descriptions and values
        if label.buddy() is not None:
            texts.append(label.text())
    texts += [
        box.itemText(0) for box in children(driver.widget, QComboBox) if box.itemText(0).startswith(("no ", "all"))
    ]
    for text in filter(None, texts):
        assert text[0].isupper() or not text[0].isalpha(), text
        assert [word for word in text.split()[1:] if word.istitle() and len(word) > 1] == [], text


def test_long_layer_names_are_shortened_in_the_middle(qtbot, scene):
    scene.add_image(np.zeros((8, 8)), name=LONG)
    box = LayerChoice(scene, "layer", "Layer to restore")
    qtbot.addWidget(box)
    box.resize(220, 28)
    start, end = box.shown_text.split("…")
    assert LONG.startswith(start)
    assert LONG.endswith(end)
    assert "GFP" in end
    assert box.toolTip() == f"Layer to restore\n{LONG}"
    scene.layers[0].name = "short"
    assert (box.shown_text, box.toolTip()) == ("short", "Layer to restore\nshort")


@pytest.mark.parametrize("background", ["#262930", "#ebe7e6", "#808080"])
@pytest.mark.parametrize("color", ["#ff6b6b", "#4fc3f7", "#9e9e9e", "#81c784", "#ffb74d"])
def test_readable_colors_have_contrast(color, background):
    assert contrast(readable(color, QColor(background)), QColor(background)) >= LEAST_CONTRAST
