"""Actions in the Restore widget that must not fail silently, lose work or block the window."""

from __future__ import annotations

import shutil
import time
from collections import Counter

import numpy as np
import pytest
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QComboBox, QDockWidget, QFileDialog, QMessageBox, QProgressBar, QPushButton
from tests.napari_plugin.clicking import TIMEOUT, answer
from tests.napari_plugin.restoring import click, noisy, status, wait_for_end

from decrappify.errors import FormatError, MissingFileError
from napari_decrappify import samples
from napari_decrappify.layers.lazy import MovieArray


def test_wrong_model_file_is_refused_visibly(qtbot, widget, tmp_path, monkeypatch):
    wrong = tmp_path / "wrong.safetensors"
    wrong.write_bytes(b"nonsense")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(wrong), ""))
    box = widget.findChild(QComboBox, "restore_model")
    box.setCurrentIndex(box.count() - 1)
    assert "wrong.safetensors" in status(widget)
    assert widget._panel.is_error
    assert box.currentText() == "movie"


def test_status_and_bar_are_reset_by_other_choices(scene, widget, qtbot, rng, results):
    first = scene.add_image(noisy(rng, (3, 32, 40)), name="first")
    scene.add_image(noisy(rng, (3, 32, 40)), name="second")
    bar = widget.findChild(QProgressBar, "restore_progress")
    click(qtbot, widget, "run")
    wait_for_end(qtbot, widget)
    assert bar.value() == 3
    assert status(widget).startswith("restored in")
    scene.layers.selection.active = first
    assert (bar.value(), status(widget)) == (0, "")


def test_preview_of_another_model_or_layer_is_removed(viewer, widget, qtbot, rng):
    first = viewer.add_image(noisy(rng, (3, 64, 64)), name="first")
    second = viewer.add_image(noisy(rng, (3, 64, 64)), name="second")
    changes = [
        lambda: setattr(viewer.layers.selection, "active", first),
        lambda: widget.findChild(QComboBox, "restore_model").setCurrentText("fluorescence-still"),
    ]
    for change in changes:
        click(qtbot, widget, "preview")
        qtbot.waitUntil(lambda: len(viewer.layers) == 4, timeout=TIMEOUT)
        assert viewer.layers[-2].name.startswith((f"{first.name} [preview", f"{second.name} [preview"))
        wait_for_end(qtbot, widget)
        assert [layer.name for layer in viewer.layers][3:] == ["split view"]
        change()
        assert [layer.name for layer in viewer.layers] == ["first", "second"]


def test_closing_the_dock_during_a_run_asks(viewer, widget, qtbot, rng, results):
    viewer.add_image(noisy(rng, (60, 200, 200)), name="cells")
    dock = widget.parentWidget()
    while not isinstance(dock, QDockWidget):
        dock = dock.parentWidget()
    cross = dock.titleBarWidget().findChild(QPushButton, "QTitleBarCloseButton")
    click(qtbot, widget, "run")
    running = widget._runner._running
    texts = answer(QMessageBox.StandardButton.No)
    qtbot.mouseClick(cross, Qt.MouseButton.LeftButton)
    assert texts == ["A run is in progress, and closing the panel stops it. Close the panel?"]
    assert widget._runner.is_running
    assert widget.isVisible()
    answer(QMessageBox.StandardButton.Yes)
    qtbot.mouseClick(cross, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: running._thread is None, timeout=TIMEOUT)


def test_deleted_result_is_an_error_and_not_zeros(scene, widget, qtbot, rng, results):
    scene.add_image(noisy(rng, (40, 200, 200)), name="cells")
    click(qtbot, widget, "run")
    qtbot.waitUntil(lambda: len(scene.layers) == 2, timeout=TIMEOUT)
    click(qtbot, widget, "cancel")
    wait_for_end(qtbot, widget)
    shutil.rmtree(results)
    with pytest.raises(MissingFileError, match=r"cells-movie.ome.zarr was deleted, .* restore again"):
        np.asarray(scene.layers[1].data[0])
    click(qtbot, widget, "run")
    wait_for_end(qtbot, widget)
    shutil.rmtree(results)
    with pytest.raises((MissingFileError, FormatError), match=r"cells-movie.ome.zarr"):
        np.asarray(scene.layers[-1].data[0])


def test_volume_is_read_once_in_the_3d_view(scene, widget, qtbot, rng, results, monkeypatch):
    scene.add_image(noisy(rng, (2, 12, 64, 64)), name="stack", axis_labels=("t", "z", "y", "x"))
    scene.dims.ndisplay = 3
    scene.dims.set_current_step(0, 0)
    counts = Counter()
    read = MovieArray.__getitem__

    def counting(self, key):
        counts["reads"] += 1
        return read(self, key)

    monkeypatch.setattr(MovieArray, "__getitem__", counting)
    click(qtbot, widget, "run")
    qtbot.waitUntil(lambda: len(scene.layers) == 2, timeout=TIMEOUT)
    at_start = counts["reads"]
    wait_for_end(qtbot, widget)
    assert counts["reads"] - at_start <= 2  # when the displayed volume is finished, and at the end


def test_sample_opens_without_blocking_the_window(viewer, qtbot):
    gaps, last = [], [time.perf_counter()]

    def tick():
        gaps.append(time.perf_counter() - last[0])
        last[0] = time.perf_counter()

    timer = QTimer()
    timer.timeout.connect(tick)
    timer.start(10)
    qtbot.wait(200)
    started = time.perf_counter()
    samples.simulated_movie()
    timer.stop()
    assert len(gaps) > 30
    assert max(gaps) < max(0.3, (time.perf_counter() - started) / 3)
