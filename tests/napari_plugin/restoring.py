"""Access to the controls of the Restore widget, and noisy images."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QPushButton
from tests.napari_plugin.clicking import TIMEOUT


def button(widget, name):
    return widget.findChild(QPushButton, f"restore_{name}")


def click(qtbot, widget, name):
    assert button(widget, name).isEnabled()
    qtbot.mouseClick(button(widget, name), Qt.MouseButton.LeftButton)


def wait_for_end(qtbot, widget):
    qtbot.waitUntil(lambda: button(widget, "run").isEnabled(), timeout=TIMEOUT)


def status(widget):
    return widget._panel.text


def noisy(rng, shape=(12, 48, 64)):
    return rng.integers(90, 4000, shape, dtype=np.uint16)
