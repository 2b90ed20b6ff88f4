"""Layout of two docked widgets in a real window, in the dark and the light theme."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
from qtpy.QtCore import QPoint
from qtpy.QtGui import QColor, QPalette
from qtpy.QtWidgets import QLabel, QPushButton, QScrollArea, QTabWidget
from tests.napari_plugin.clicking import KINDS, SIZES, Driver

from decrappify.batch import Row
from napari_decrappify.widgets.running.colors import LEAST_CONTRAST, contrast


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("pair", [("Restore", "Train"), ("Compare", "Colorize"), ("Adapt", "Batch")])
def test_every_control_is_reachable_with_two_docks(viewer, qtbot, size, pair):
    viewer.window.resize(*size)
    viewer.add_image(np.zeros((4, 64, 64), np.uint16), name="cells")
    widgets = [viewer.window.add_plugin_dock_widget("decrappify", name)[1] for name in pair]
    qtbot.wait(300)
    window = viewer.window._qt_window
    assert (window.width(), window.height()) == size
    for widget in widgets:
        tabs = widget.findChildren(QTabWidget)
        for page in range(tabs[0].count() if tabs else 1):
            if tabs:
                tabs[0].setCurrentIndex(page)
            with suppress(qtbot.TimeoutError):
                qtbot.waitUntil(lambda widget=widget: not unreachable(widget), timeout=8000)
            assert unreachable(widget) == []
    assert (window.width(), window.height()) == size


def unreachable(widget):
    """Return the names of visible controls that are cut off, even when their scroll area shows them."""
    found = []
    own = [c for kind in KINDS for c in widget.findChildren(kind) if c.objectName() and c.isVisible()]
    for control in own:
        if control.objectName().startswith("qt_"):
            continue
        area = control.parentWidget()
        while area is not None and not isinstance(area, QScrollArea):
            area = area.parentWidget()
        if area is not None:
            area.verticalScrollBar().setValue(control.mapTo(area.widget(), QPoint(0, 0)).y() - 4)
        shown = control.visibleRegion().boundingRect()
        if shown.width() < control.width() or shown.height() < min(control.height(), 60):
            found.append((control.objectName(), shown, control.rect()))
    return found


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_texts_have_contrast(theme, viewer, qtbot):
    viewer.theme = theme
    _, widget = viewer.window.add_plugin_dock_widget("decrappify", "Restore")
    qtbot.wait(200)
    driver = Driver(qtbot, widget, "restore")
    widget._panel.show_error("an error")
    background = widget.palette().color(QPalette.ColorRole.Window)
    assert (background.lightness() > 128) == (theme == "light")
    for label in [*widget.findChildren(QLabel), *widget.findChildren(QPushButton)]:
        if label.isEnabled():
            text = label.palette().color(label.foregroundRole())
            behind = label.palette().color(QPalette.ColorRole.Window)
            assert contrast(text, behind) >= LEAST_CONTRAST, label.objectName()
    viewer.theme = "light" if theme == "dark" else "dark"
    qtbot.wait(200)
    error = QColor(driver["status"].styleSheet().split()[1].rstrip(";"))
    assert contrast(error, widget.palette().color(QPalette.ColorRole.Window)) >= LEAST_CONTRAST


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_unticked_boxes_and_failed_rows_are_visible_in_both_themes(viewer, qtbot, theme):
    viewer.theme = theme
    viewer.add_image(np.zeros((3, 32, 40), np.uint16), name="cells")
    _, train = viewer.window.add_plugin_dock_widget("decrappify", "Train")
    _, batch = viewer.window.add_plugin_dock_widget("decrappify", "Batch")
    layers = Driver(qtbot, train, "train")["layers"]
    table = Driver(qtbot, batch, "batch")["table"]
    table.add(Row(input="torn.tif", output="", status="failed", error="torn.tif is damaged"))
    qtbot.wait(200)
    picture = layers.grab().toImage()
    background = picture.pixelColor(layers.width() // 2, layers.height() - 8)
    layers.tick(viewer.layers[0], False)
    qtbot.wait(50)
    box = [layers.grab().toImage().pixelColor(x, 8) for x in range(24)]
    assert max(contrast(color, background) for color in box) >= 3
    assert contrast(table.item(0, 1).foreground().color(), table.palette().color(QPalette.ColorRole.Base)) >= 4.5
