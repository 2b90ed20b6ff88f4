"""Batch widget, driven by clicks, on folders of small files."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from qtpy.QtCore import QRect, Qt
from qtpy.QtWidgets import QApplication, QFileDialog
from tests.napari_plugin.clicking import TIMEOUT, Driver, shown

from decrappify import open_movie, save_movie
from decrappify.movie import Movie
from napari_decrappify.widgets.batch import BatchWidget


@pytest.fixture
def raw(tmp_path, rng):
    """Folder with a movie, a still image and a damaged file."""
    folder = tmp_path / "raw"
    folder.mkdir()
    for name, shape in (("movie", (4, 40, 48)), ("still", (1, 40, 48))):
        save_movie(Movie.from_array(rng.integers(90, 4000, shape, dtype=np.uint16)), folder / f"{name}.ome.tif")
    (folder / "torn.tif").write_bytes(b"II*\0damaged")
    return folder


@pytest.fixture
def batch(scene, qtbot, tiny_models, tmp_path, raw, monkeypatch):
    driver = shown(qtbot, BatchWidget, scene, "batch")
    driver["movie_model"].add_file(tiny_models["movie"])
    driver["still_model"].add_file(tiny_models["still"])
    driver["folder"].setText(str(tmp_path / "out"))
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(raw))
    return driver


def texts(batch, column):
    """Return the texts of a column; a note is the only text of the line below its output."""
    table = batch["table"]
    lines = [[item.text() for item in row if item is not None] for row in rows_of(table)]
    if column < 4:
        return [line[column] for line in lines if len(line) == 4]
    notes = [following for line, following in zip(lines, [*lines[1:], []], strict=True) if len(line) == 4]
    return [note[0] if len(note) == 1 else "" for note in notes]


def rows_of(table):
    return [[table.item(row, column) for column in range(table.columnCount())] for row in range(table.rowCount())]


def test_folder_is_estimated_restored_and_summarized(batch, tmp_path):
    assert batch.status == "no inputs; add a folder or files"
    batch.click("add_folder")
    batch.click("estimate")
    batch._qtbot.waitUntil(batch["run"].isEnabled, timeout=TIMEOUT)
    assert batch.status.startswith("3 outputs: 2 planned, 1 failed; about "), batch.status
    assert batch.status.endswith("GB are free")
    assert not (tmp_path / "out").exists()
    batch.run()
    assert texts(batch, 0) == ["movie.ome.tif", "still.ome.tif", "torn.tif"]
    assert texts(batch, 1) == ["restored", "restored", "failed"]
    assert texts(batch, 2) == ["4 × 40 × 48", "40 × 48", ""]
    assert texts(batch, 4)[2].startswith("torn.tif ")
    assert batch.is_error
    assert batch.status == f"3 outputs: 2 restored, 1 failed; summary: {tmp_path / 'out' / 'decrappify-summary.csv'}"
    with open_movie(tmp_path / "out" / "movie.ome.zarr") as movie:
        assert movie.shape == (4, 1, 1, 40, 48)
    with (tmp_path / "out" / "decrappify-summary.csv").open() as file:
        assert [row["status"] for row in csv.DictReader(file)] == ["restored", "restored", "failed"]
    batch.click("copy")
    assert QApplication.clipboard().text().splitlines()[1].startswith("movie.ome.tif\trestored\t4 × 40 × 48")
    batch.run()
    assert texts(batch, 1) == ["finished earlier", "finished earlier", "failed"]
    assert batch.unnamed() == []


def test_note_of_a_failed_file_can_be_read_completely(viewer, qtbot, raw, tmp_path, tiny_models):
    viewer.window.resize(1280, 800)
    _, widget = viewer.window.add_plugin_dock_widget("decrappify", "Batch")
    batch = Driver(qtbot, widget, "batch")
    batch["still_model"].add_file(tiny_models["still"])
    batch["folder"].setText(str(tmp_path / "out"))
    widget._inputs.add([str(raw / "torn.tif")])
    batch.run()
    table = batch["table"]
    note = table.item(1, 0)
    assert note.text() == texts(batch, 4)[0]
    assert len(note.text()) > 60
    rect = table.visualItemRect(note)
    assert rect.width() <= table.viewport().width()
    assert rect.width() > 0.9 * table.viewport().width()
    wrapped = Qt.TextFlag.TextWordWrap.value
    needed = table.fontMetrics().boundingRect(QRect(0, 0, rect.width() - 12, 0), wrapped, note.text())
    assert needed.height() <= rect.height()
    assert not table.horizontalScrollBar().isVisible()


def test_batch_without_an_output_folder_is_refused(batch):
    batch.click("add_folder")
    batch["folder"].setText("")
    batch.click("run")
    assert (batch.status, batch.is_error) == ("no output folder; choose one", True)
    assert batch["run"].isEnabled()


def test_single_files_are_added_once_and_cleared(batch, raw, monkeypatch):
    files = [str(raw / "movie.ome.tif"), str(raw / "still.ome.tif")]
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: (files, ""))
    batch.click("add_files")
    batch.click("add_files")
    assert batch["inputs"].count() == 2
    assert batch["run"].isEnabled()
    batch.click("clear")
    assert not batch["run"].isEnabled()


def test_cancelled_batch_keeps_finished_frames_and_resumes(batch, raw, tmp_path, rng):
    save_movie(Movie.from_array(rng.integers(90, 4000, (60, 160, 160), dtype=np.uint16)), raw / "a-long.ome.tif")
    batch.click("add_folder")
    batch.click("run")
    batch._qtbot.waitUntil(lambda: batch["progress"].value() > 2, timeout=TIMEOUT)
    batch.click("cancel")
    batch.wait_for_end()
    assert batch.status.endswith("; finished outputs and frames are kept; Restore all restores the rest")
    batch.run()
    assert texts(batch, 1) == ["resumed", "restored", "restored", "failed"]
