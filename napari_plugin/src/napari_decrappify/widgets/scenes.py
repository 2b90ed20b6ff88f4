"""Scenes widget: a list of the scenes of a file, which opens the ticked ones as layers."""

from __future__ import annotations

from functools import partial
from typing import Any

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QIcon, QImage, QPixmap
from qtpy.QtWidgets import QComboBox, QFileDialog, QLineEdit, QListWidgetItem, QVBoxLayout, QWidget

from decrappify.errors import DecrappifyError, InputError
from decrappify.io import readable_suffixes
from napari_decrappify.commands.other import info_command
from napari_decrappify.layers.files.listing import SceneListing
from napari_decrappify.layers.image import METADATA
from napari_decrappify.waiting import computed
from napari_decrappify.widgets.running.forms import button, entered_path, form, named, row, scrolled
from napari_decrappify.widgets.running.run_panel import RunPanel
from napari_decrappify.widgets.running.run_widget import RunWidget
from napari_decrappify.widgets.running.tick_list import TickList
from napari_decrappify.workers.movies.scenes import THUMBNAIL, ScenePreview, list_scenes
from napari_decrappify.workers.running.messages import one_line
from napari_decrappify.workers.running.words import control_names

_CHECKED, _UNCHECKED = Qt.CheckState.Checked, Qt.CheckState.Unchecked


class ScenesWidget(RunWidget):
    """Widget that lists the scenes of a file and opens them.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Viewer of the layers; napari passes it by this parameter name.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer, "scenes")
        self._listing: SceneListing | None = None
        self._further: dict[str, QComboBox] = {}
        self._create_controls()
        self._lay_out()
        self._connect()
        self._update_buttons()
        path = self._path_of_layer()
        if path:
            self._file.setText(path)
            self._start()

    def _create_controls(self) -> None:
        self._file = named(QLineEdit(), "scenes_file", "File or folder with several scenes")
        self._browse = button("scenes_browse", "…", "Choose a file")
        self._browse.setMaximumWidth(36)
        self._list = named(TickList(), "scenes_list", "Scenes of the file; tick those to open")
        self._list.setIconSize(QSize(THUMBNAIL, THUMBNAIL))
        self._list.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self._all = button("scenes_all", "Tick all", "Tick all scenes")
        self._none = button("scenes_none", "Tick none", "Untick all scenes")
        self._open = button("scenes_open", "Open ticked scenes", "Add the ticked scenes as layers, at their positions")
        self._panel = RunPanel(
            self._runner,
            "scenes",
            "List scenes",
            "List the scenes of the file, with thumbnails",
            cancel_tooltip="Stop reading thumbnails",
            after_cancel="the scenes can be opened without thumbnails",
        )

    def _lay_out(self) -> None:
        self._fields = form()
        self._fields.addRow("File", row(self._file, self._browse))
        page = QWidget()
        inner = QVBoxLayout(page)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.addLayout(self._fields)
        inner.addWidget(self._list, 1)
        inner.addLayout(row(self._all, self._none))
        inner.addWidget(self._open)
        layout = QVBoxLayout(self)
        layout.addWidget(scrolled(page), 1)
        layout.addWidget(self._panel)

    def _connect(self) -> None:
        self._browse.clicked.connect(lambda: self._choose())
        self._file.textChanged.connect(lambda _: self._update_buttons())
        self._all.clicked.connect(lambda: self._tick(_CHECKED))
        self._none.clicked.connect(lambda: self._tick(_UNCHECKED))
        self._list.itemChanged.connect(lambda _: self._update_buttons())
        self._open.clicked.connect(lambda: self._open_ticked())
        self._panel.run_clicked.connect(self._start)
        self._connect_runner()

    def _path_of_layer(self) -> str:
        layer = self._viewer.layers.selection.active
        recorded = {} if layer is None else layer.metadata.get(METADATA, {})
        return str(recorded.get("source", recorded).get("path") or "")

    def _choose(self) -> None:
        patterns = " ".join(f"*{suffix}" for suffix in readable_suffixes())
        kinds = f"Images ({patterns});;All files (*)"
        path, _ = QFileDialog.getOpenFileName(self, "Choose a file", self._file.text(), kinds)
        if path:
            self._file.setText(path)
            self._start()

    def _start(self) -> None:
        if self._runner.is_running:
            return
        self._listing = None
        self._list.clear()
        self._runner.start(list_scenes, entered_path(self._file.text()))

    def _command(self) -> str:
        path = self._file.text().strip()
        if not path:
            raise InputError("no file; choose a file with several scenes")
        return info_command(entered_path(path))

    def _on_report(self, item: Any) -> None:
        if isinstance(item, SceneListing):
            self._show_listing(item)
        elif isinstance(item, ScenePreview):
            self._show_preview(item)

    def _show_listing(self, listing: SceneListing) -> None:
        self._listing = listing
        for box in self._further.values():
            self._fields.removeRow(box)
        self._further = {}
        for letter, numbers in listing.further.items():
            kind = listing.kinds[letter].capitalize()
            box = named(QComboBox(), f"scenes_{letter}", f"{kind}: the one to open, or the sum of all")
            box.addItems([*map(str, numbers), "sum"] if letter == "H" else [*map(str, numbers)])
            self._fields.addRow(f"{kind} ({letter})", box)
            self._further[letter] = box
        opened = self._opened()
        for number, name in enumerate(listing.names):
            item = QListWidgetItem(name)
            item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(_UNCHECKED if number in opened else _CHECKED)
            self._list.addItem(item)
        self._update_buttons()

    def _show_preview(self, preview: ScenePreview) -> None:
        item = self._list.item(preview.number)
        if item is None or self._listing is None:
            return
        position = self._listing.positions_um[preview.number]
        place = "" if position is None else f", at x {position[1]:.0f}, y {position[0]:.0f} µm"
        item.setText(f"{self._listing.names[preview.number]}\n{preview.text}")
        item.setToolTip(f"{item.text()}{place}")
        if preview.thumbnail is not None:
            item.setIcon(_icon(preview.thumbnail))

    def _show_result(self, result: SceneListing) -> None:
        count = len(result.names)
        self._panel.show_status(f"{count} scenes" if count > 1 else "one scene")

    def _opened(self) -> set[int]:
        """Return the numbers of the scenes that are layers already."""
        listing = self._listing
        if listing is None:
            return set()
        recorded = [layer.metadata.get(METADATA, {}) for layer in self._viewer.layers]
        mine = [entry for entry in recorded if entry.get("path") == str(listing.path)]
        labels = {entry.get("scene_name", "") for entry in mine}
        return {number for number in range(len(listing.names)) if mine and listing.label(number) in labels}

    def _tick(self, state: Qt.CheckState) -> None:
        for number in range(self._list.count()):
            item = self._list.item(number)
            if item is not None:
                item.setCheckState(state)

    def _ticked(self) -> list[int]:
        items = ((number, self._list.item(number)) for number in range(self._list.count()))
        return [number for number, item in items if item is not None and item.checkState() == _CHECKED]

    def _open_ticked(self) -> None:
        listing, ticked = self._listing, self._ticked()
        if listing is None:
            return
        picks = {letter: box.currentText() for letter, box in self._further.items()}
        self._open.setEnabled(False)
        try:
            with control_names():
                for number in ticked:
                    for data, attributes, _ in computed(partial(listing.read, number, picks)):
                        self._viewer.add_image(data, **attributes)
        except DecrappifyError as error:
            self._panel.show_error(one_line(error))
            self._update_buttons()
            return
        self._tick(_UNCHECKED)
        self._panel.show_status(f"opened {len(ticked)} scenes" if len(ticked) != 1 else "opened one scene")

    def _update_buttons(self) -> None:
        self._panel.allow(bool(self._file.text().strip()))
        has_list = self._listing is not None
        for control in (self._all, self._none):
            control.setEnabled(has_list)
        self._open.setEnabled(has_list and bool(self._ticked()))


def _icon(pixels: Any) -> QIcon:
    height, width = pixels.shape
    image = QImage(pixels.data, width, height, width, QImage.Format.Format_Grayscale8).copy()
    return QIcon(QPixmap.fromImage(image))
