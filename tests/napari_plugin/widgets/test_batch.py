"""Batch widget, driven by clicks, on folders of small files."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication, QFileDialog
from tests.napari_plugin.clicking import TIMEOUT, shown

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
    return [batch["table"].item(row, column).text() for row in range(batch["table"].rowCount())]


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
