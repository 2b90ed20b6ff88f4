"""Driver of a widget, which finds controls by name, clicks them and waits for the end of a run."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QCheckBox,
    QComboBox,
    QLineEdit,
    QListWidget,
    QMessageBox,
    QProgressBar,
    QPushButton,
    QTableWidget,
    QWidget,
)

TIMEOUT = 60_000  # ms
SIZES = [(1280, 800), pytest.param((1920, 1080), marks=pytest.mark.slow)]  # of windows
KINDS = (
    QAbstractSlider,
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QLineEdit,
    QListWidget,
    QProgressBar,
    QPushButton,
    QTableWidget,
)


class Driver:
    """Access to the controls of one widget, whose objectNames begin with `name`."""

    def __init__(self, qtbot, widget, name):
        self._qtbot, self.widget, self._name = qtbot, widget, name

    def __getitem__(self, control):
        found = self.widget.findChild(QWidget, f"{self._name}_{control}")
        assert found is not None, control
        return found

    def click(self, control):
        assert self[control].isEnabled(), f"{control} is disabled; {self.status}"
        self._qtbot.mouseClick(self[control], Qt.MouseButton.LeftButton)

    def run(self):
        self.click("run")
        assert not self["run"].isEnabled()
        assert self["cancel"].isEnabled()
        self.wait_for_end()

    def wait_for_end(self):
        self._qtbot.waitUntil(self["run"].isEnabled, timeout=TIMEOUT)

    @property
    def status(self):
        return self["status"].text()

    @property
    def is_error(self):
        return bool(self["status"].property("is_error"))

    def unnamed(self):
        """Return controls without tooltip or name of this widget, except for the inner parts of Qt's controls."""
        controls = {control for kind in KINDS for control in self.widget.findChildren(kind)}
        own = [c for c in controls if not c.objectName().startswith("qt_") and not _is_inner(c)]
        return [c for c in own if not c.toolTip() or not c.objectName().startswith(f"{self._name}_")]


def _is_inner(control):
    return isinstance(control.parent(), KINDS) or type(control).__name__ == "QScrollBar"


def shown(qtbot, kind, scene, name):
    """Show a widget with a viewer model without a window; the layers are real, but not drawn."""
    widget = kind(scene)
    qtbot.addWidget(widget)
    widget.show()
    return Driver(qtbot, widget, name)


def longest_block(qtbot, run):
    """Return the longest time between two ticks of a timer during `run()`, and without it, in seconds."""
    gaps, last = [], [time.perf_counter()]

    def tick():
        now = time.perf_counter()
        gaps.append(now - last[0])
        last[0] = now

    timer = QTimer()
    timer.timeout.connect(tick)
    timer.start(5)
    qtbot.wait(500)
    idle = max(gaps)
    gaps.clear()
    run()
    timer.stop()
    return max(gaps), idle


def assert_reachable(driver, *names):
    """Check that controls become completely visible, without scrolling, when the window is laid out."""

    def hidden():
        return [n for n in names if driver[n].visibleRegion().boundingRect() != driver[n].rect()]

    with suppress(driver._qtbot.TimeoutError):
        driver._qtbot.waitUntil(lambda: not hidden(), timeout=3000)
    assert not hidden(), hidden()


def answer(button):
    """Click a button of the next message box, and return its texts."""
    texts = []

    def click():
        box = QApplication.activeModalWidget()
        if not isinstance(box, QMessageBox):
            QTimer.singleShot(20, click)
            return
        texts.append(box.text())
        box.button(button).click()

    QTimer.singleShot(20, click)
    return texts
