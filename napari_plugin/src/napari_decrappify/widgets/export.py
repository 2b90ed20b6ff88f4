"""Export of layers: format, file name, progress and cancel."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QComboBox, QLineEdit, QVBoxLayout, QWidget

from decrappify.errors import DecrappifyError, InputError
from napari_decrappify.commands.other import export_command
from napari_decrappify.layers.canvas.region import current_position
from napari_decrappify.layers.files.scenes import scenes_of
from napari_decrappify.layers.image import METADATA, LayerImage
from napari_decrappify.widgets.choices.layer import is_exportable
from napari_decrappify.widgets.choices.layer_ticks import LayerTicks
from napari_decrappify.widgets.choices.preferences import remember
from napari_decrappify.widgets.running.forms import FolderBox, folder_box, form, named, scrolled, shrinkable
from napari_decrappify.widgets.running.run_panel import RunPanel
from napari_decrappify.widgets.running.run_widget import RunWidget, confirmed
from napari_decrappify.workers.movies.export import Exported, ExportSettings, export_layers
from napari_decrappify.workers.names import create_folder, safe_name
from napari_decrappify.workers.running.messages import one_line
from napari_decrappify.workers.running.progress import clock

FORMATS = {"OME-Zarr": ".ome.zarr", "OME-TIFF": ".ome.tif", "Film for viewing (MP4)": ".mp4"}
_LONGEST = 200  # bytes of a file name


class ExportPage(RunWidget):
    """Page of the Restore widget that writes layers, as the channels and scenes of one file.

    Parameters
    ----------
    viewer : napari.Viewer
        Viewer of the layers.
    name : str
        Prefix of the objectNames.
    """

    def __init__(self, viewer: Any, name: str) -> None:
        super().__init__(viewer, name)
        self._name_follows = True
        self._create_controls(name)
        self._lay_out()
        self._connect()
        remember(self._format, f"{name}/format")
        remember(self._folder.line, f"{name}/folder")
        self._on_ticks()

    def choose(self, layers: list[Any]) -> None:
        """Tick these layers only, such as those of a new result, unless an export is running."""
        if not self._runner.is_running:
            self._layers.choose(layers)

    def follow(self, widget: QWidget) -> None:
        """Cancel a running export when napari closes the dock of the widget that contains this page."""
        widget.installEventFilter(self._runner)

    @property
    def is_busy(self) -> bool:
        """Whether an export is running."""
        return self._runner.is_running

    def stop(self) -> None:
        """Cancel a running export and disconnect from the viewer; for a widget that closes."""
        self._runner.stop()
        self._release()

    def _create_controls(self, name: str) -> None:
        self._layers = LayerTicks(
            self._viewer,
            f"{name}_layers",
            "Layers to write into one file: those of one scene become its channels, others further scenes",
            accepts=is_exportable,
        )
        self._format = named(
            QComboBox(), f"{name}_format", "Format of the file; a film has 8 bits and is for viewing only"
        )
        for label, suffix in FORMATS.items():
            self._format.addItem(label, suffix)
        shrinkable(self._format, 12)
        self._file = named(QLineEdit(), f"{name}_file", "Name of the file, without the ending of its format")
        self._folder: FolderBox = folder_box(
            f"{name}_folder",
            f"{name}_browse",
            str(Path.home() / "decrappify-results"),
            "Folder of the exported file",
            "Choose the folder of the exported file",
        )
        self._panel = RunPanel(
            self._runner,
            name,
            "Export",
            "Write the ticked layers into one file, with pixel size, frame interval, channel names and colors",
            cancel_tooltip="Stop the export; no file remains",
            after_cancel="no file was written",
        )

    def _lay_out(self) -> None:
        fields = form()
        fields.addRow("Layers", self._layers)
        fields.addRow("Format", self._format)
        fields.addRow("File name", self._file)
        fields.addRow("Folder", self._folder)
        page = QWidget()
        inner = QVBoxLayout(page)
        inner.addLayout(fields)
        inner.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scrolled(page), 1)
        layout.addWidget(self._panel)

    def _connect(self) -> None:
        self._layers.ticks_changed.connect(self._on_ticks)
        self._file.textEdited.connect(lambda text: self._on_name(text))
        self._panel.run_clicked.connect(self._start)
        self._connect_runner()

    def _on_name(self, text: str) -> None:
        self._name_follows = not text.strip()
        self._update_buttons()

    def _on_ticks(self) -> None:
        if self._name_follows:
            self._file.setText(_file_name(self._ticked()))
        self._update_buttons()

    def _update_buttons(self) -> None:
        reason = "" if self._ticked() else "no layer is ticked; tick the layers to export"
        reason = reason or ("" if self._file.text().strip() else "no file name; enter one")
        self._panel.allow(not reason, reason)

    def _ticked(self) -> list[Any]:
        """Return the ticked layers in the order of the viewer, the lowest first."""
        return list(reversed(self._layers.layers))

    @property
    def path(self) -> Path:
        """Path of the file, with the suffix of the format."""
        suffix = str(self._format.currentData())
        name = self._file.text().strip()
        for other in (*FORMATS.values(), ".zarr", ".tif", ".tiff"):
            name = name.removesuffix(other)
        return self._folder.path / f"{name}{suffix}"

    def _start(self) -> None:
        layers, path = self._ticked(), self.path
        try:
            images = tuple(LayerImage.of(layer) for layer in layers)
            self._check_name(path)
            create_folder(self._folder.path)
            create_folder(path.parent)
        except DecrappifyError as error:
            self._panel.show_error(one_line(error))
            return
        if len(scenes_of(images)) > 1 and path.suffix == FORMATS["Film for viewing (MP4)"]:
            self._panel.show_error("a film has one scene, and layers of several are ticked; tick those of one scene")
            return
        if os.path.lexists(path) and not self._may_replace(path):
            return
        self._runner.start(
            export_layers, ExportSettings(images=images, path=path, overwrite=path.exists(), z=self._slice(layers[0]))
        )

    def _command(self) -> str:
        images = [LayerImage.of(layer) for layer in self._ticked()]
        if not images:
            raise InputError("no layer is ticked; tick the layers to export")
        self._check_name(self.path)
        create_folder(self._folder.path)
        create_folder(self.path.parent)
        return export_command(images, self.path)

    def _check_name(self, path: Path) -> None:
        """Raise InputError for a name that, with the endings of unfinished files, is too long for a file system."""
        length = len(os.fsencode(path.name))
        if length > _LONGEST:
            raise InputError(f"the file name has {length} characters, at most {_LONGEST} are possible; shorten it")

    def _may_replace(self, path: Path) -> bool:
        """Return whether an existing file may be replaced, after asking the user."""
        shown = [layer.name for layer in self._viewer.layers if _path_of(layer) == path.resolve()]
        if shown:
            self._panel.show_error(f"{path.name} is the file of the layer {shown[0]!r}; choose another name")
            return False
        question = f"{path.name} already exists in {path.parent}. Replace it?"
        is_confirmed = confirmed(self, "Replace the file?", question)
        if not is_confirmed:
            self._panel.show_status(f"{path.name} was not replaced; choose another name")
        return is_confirmed

    def _slice(self, layer: Any) -> int:
        image = LayerImage.of(layer)
        axes = image.layer_axes
        return current_position(self._viewer, layer, axes).get("Z", 0)

    def _show_result(self, result: Exported) -> None:
        names = result.channel_names
        parts = [f"{result.n_scenes} scenes"] if result.n_scenes > 1 else []
        parts += [f"channels {', '.join(names)}"] if len(names) > 1 else []
        parts += [] if result.z is None else [f"slice {result.z}"]
        what = f" ({'; '.join(parts)})" if parts else ""
        self._panel.show_status(f"exported{what} in {clock(result.seconds)}: {result.path}")

    def _release(self) -> None:
        self._layers.disconnect_viewer()


def _path_of(layer: Any) -> Path | None:
    found = layer.metadata.get(METADATA, {}).get("path")
    return Path(found).resolve() if found else None


def _file_name(layers: list[Any]) -> str:
    """Return the name of the only layer, or that of the file from which several were read or restored."""
    if not layers:
        return ""
    recorded = [layer.metadata.get(METADATA, {}) for layer in layers]
    paths = {entry.get("source", entry).get("path") for entry in recorded}
    if len(layers) == 1 or len(paths) > 1 or None in paths:
        return safe_name(layers[0].name)
    models = {entry.get("model") for entry in recorded}
    model = next(iter(models)) if len(models) == 1 else "restored"
    return safe_name(Path(paths.pop()).name) + (f"-{model}" if model else "")
