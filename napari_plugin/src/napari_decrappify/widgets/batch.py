"""Batch widget: restore a folder or many files, with an estimate before and a table at the end."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QComboBox, QVBoxLayout, QWidget

from decrappify.batch import Row
from decrappify.errors import DecrappifyError
from napari_decrappify.commands.movies import batch_command
from napari_decrappify.widgets.choices.device import DeviceChoice
from napari_decrappify.widgets.choices.model import ModelChoice, restores
from napari_decrappify.widgets.choices.preferences import remember
from napari_decrappify.widgets.files.inputs import FileInputs
from napari_decrappify.widgets.files.table import BatchTable
from napari_decrappify.widgets.running.forms import button, folder_box, form, named, row, scrolled
from napari_decrappify.widgets.running.run_panel import RunPanel
from napari_decrappify.widgets.running.run_widget import RunWidget
from napari_decrappify.workers.movies.batch import SUFFIXES, BatchDone, BatchSettings, restore_files, words_of
from napari_decrappify.workers.names import create_folder
from napari_decrappify.workers.running.messages import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping


def restores_stills(header: Mapping[str, Any]) -> bool:
    """Return whether a model restores single images."""
    return restores(header) and int(header.get("architecture", {}).get("n_frames", 1)) == 1


class BatchWidget(RunWidget):
    """Widget to restore files and folders into one folder.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Viewer of the widget; napari passes it by this parameter name.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer, "batch")
        self._create_controls()
        self._lay_out()
        self._inputs.changed.connect(self._update_buttons)
        for model in (self._movie_model, self._still_model):
            model.refused.connect(self._panel.show_error)
        self._estimate.clicked.connect(lambda: self._start(is_estimate=True))
        self._copy.clicked.connect(lambda: self._table.copy())
        self._panel.run_clicked.connect(lambda: self._start(is_estimate=False))
        self._connect_runner()
        self._update_buttons()

    def _create_controls(self) -> None:
        self._inputs = FileInputs("batch")
        self._movie_model = ModelChoice(
            "batch_movie_model", "batch/movie_model", accepts=restores, default="fluorescence-movie"
        )
        self._still_model = ModelChoice(
            "batch_still_model", "batch/still_model", accepts=restores_stills, default="fluorescence-still"
        )
        self._folder = folder_box(
            "batch_folder",
            "batch_browse",
            str(Path.home() / "decrappify-results"),
            "Folder of the outputs; finished ones are skipped, and none is replaced",
            "Choose the output folder",
        )
        self._format = named(QComboBox(), "batch_format", "Format of the outputs")
        for label, suffix in SUFFIXES.items():
            self._format.addItem(label, suffix)
        self._device = DeviceChoice("batch_device", "batch/device")
        self._estimate = button(
            "batch_estimate", "Estimate", "List the outputs with their times and sizes; nothing is written"
        )
        self._copy = button("batch_copy", "Copy table", "Copy the table to the clipboard, for a spreadsheet")
        self._table = BatchTable("batch_table")
        self._panel = RunPanel(
            self._runner,
            "batch",
            "Restore all",
            "Restore each file into the output folder; a file that fails does not stop the others",
            cancel_tooltip="Stop; finished outputs and frames are kept",
            after_cancel="finished outputs and frames are kept; Restore all restores the rest",
        )
        for control, key in ((self._folder.line, "folder"), (self._format, "format")):
            remember(control, f"batch/{key}")

    def _lay_out(self) -> None:
        fields = form()
        fields.addRow("Inputs", self._inputs)
        fields.addRow("Model for movies", self._movie_model)
        fields.addRow("Model for images", self._still_model)
        fields.addRow("Output folder", self._folder)
        fields.addRow("Format", self._format)
        fields.addRow("Device", self._device)
        page = QWidget()
        inner = QVBoxLayout(page)
        inner.addLayout(fields)
        inner.addLayout(row(self._estimate, self._copy))
        inner.addWidget(self._panel)
        inner.addWidget(self._table, 1)
        QVBoxLayout(self).addWidget(scrolled(page))

    def _update_buttons(self) -> None:
        reason = "" if self._inputs.paths else "no inputs; add a folder or files"
        self._panel.allow(not reason, reason)
        self._estimate.setEnabled(not reason and not self._runner.is_running)

    def _settings(self) -> BatchSettings:
        return BatchSettings(
            paths=self._inputs.paths,
            recursive=self._inputs.recursive,
            all_scenes=self._inputs.all_scenes,
            movie_model=self._movie_model.chosen,
            still_model=self._still_model.chosen,
            folder=self._folder.path,
            suffix=str(self._format.currentData()),
            device=self._device.device,
        )

    def _command(self) -> str:
        return batch_command(self._settings())

    def _start(self, *, is_estimate: bool) -> None:
        settings = self._settings()
        try:
            if not is_estimate:
                create_folder(settings.folder)
        except DecrappifyError as error:
            self._panel.show_error(one_line(error))
            return
        self._table.clear_rows()
        self._runner.start(restore_files, settings.estimate() if is_estimate else settings)

    def _on_report(self, item: Any) -> None:
        if isinstance(item, Row):
            self._table.add(item)

    def _show_result(self, done: BatchDone) -> None:
        self._table.show_rows(done.summary)
        is_error = not done.is_estimate and bool(done.summary.failed)
        self._panel.show_status(words_of(done, _free_bytes(self._folder.path)), is_error=is_error)

    def _release(self) -> None:
        """Do nothing: the widget has no connections to the viewer."""


def _free_bytes(folder: Path) -> int:
    path = folder.absolute()
    existing = next(each for each in (path, *path.parents) if os.path.exists(each))  # noqa: PTH110 - False if too long
    return shutil.disk_usage(existing).free
