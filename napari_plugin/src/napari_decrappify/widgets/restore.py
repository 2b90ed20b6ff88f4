"""Restore widget: preview and restoration, with the result as a live layer during the run."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QCloseEvent, QShowEvent
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QGroupBox,
    QLabel,
    QLineEdit,
    QSlider,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from decrappify.errors import DecrappifyError
from napari_decrappify.layers.image import LayerImage
from napari_decrappify.layers.live import LiveResult
from napari_decrappify.layers.preview import PreviewLayer
from napari_decrappify.layers.visible import current_position, visible_region
from napari_decrappify.widgets.choices import AxesChoice, DeviceChoice, LayerChoice, ModelChoice
from napari_decrappify.widgets.forms import button, form, named, row
from napari_decrappify.widgets.run_panel import RunPanel
from napari_decrappify.widgets.settings import remember
from napari_decrappify.workers.progress import clock
from napari_decrappify.workers.restore import (
    Opened,
    PlaneDone,
    Previewed,
    Previewer,
    PreviewRequest,
    Restored,
    RestoreRequest,
    run_restoration,
)
from napari_decrappify.workers.runner import Runner, warm_up
from napari_decrappify.workers.task import Task

_ALL_CHANNELS = "all"


def restores(header: Any) -> bool:
    """Return whether a model's header is that of a restoration model."""
    return bool(header.get("card", {}).get("task", "restoration") != "colorization")


class RestoreWidget(QWidget):
    """Widget to restore an image layer with a model.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Passed by napari, by this name; source of the layers and target of the results.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self.setObjectName("restore")
        self._viewer = napari_viewer
        self._runner = Runner(self)
        self._live: LiveResult | None = None
        self._request: RestoreRequest | None = None
        self._preview_layer = PreviewLayer(napari_viewer)
        self._previewer = Previewer()
        self._make_controls()
        self._lay_out()
        self._connect()
        for control, key in (
            (self._device, "restore/device"),
            (self._folder, "restore/folder"),
            (self._split, "restore/split"),
        ):
            remember(control, key)
        self._on_layer()
        warm_up()

    # Controls

    def _make_controls(self) -> None:
        self._layer = LayerChoice(self._viewer, "restore_layer", "The image layer to restore")
        self._axes = AxesChoice("restore_axes")
        self._channel = named(QComboBox(), "restore_channel", "The channel to restore, of a layer that has several")
        self._first = _frame_box("restore_first", "The first frame to restore")
        self._last = _frame_box("restore_last", "The last frame to restore")
        self._model = ModelChoice("restore_model", "restore/model", accepts=restores, default="fluorescence-movie")
        self._device = DeviceChoice("restore_device")
        self._folder = named(
            QLineEdit(str(Path.home() / "decrappify-results")),
            "restore_folder",
            "The folder for results; each is an OME-Zarr store of its own, nothing is overwritten",
        )
        self._browse = button("restore_browse", "…", "Choose the folder for results")
        self._browse.setMaximumWidth(36)
        self._preview = button("restore_preview", "Preview", "Restore what the canvas shows of this frame")
        self._clear = button("restore_clear", "Clear", "Take the preview away")
        self._split = named(
            QSlider(Qt.Orientation.Horizontal), "restore_split", "Compare: input left of the split, preview right of it"
        )
        self._split.setRange(0, 100)
        self._grid = named(
            QCheckBox("side by side"), "restore_grid", "Show all layers beside each other, moving together"
        )
        self._panel = RunPanel(
            self._runner,
            "restore",
            "Restore",
            "Restore the chosen frames; the result is a layer that fills in while the run goes on",
            cancel_tooltip="Stop within one tile; finished frames are kept, and Restore goes on from there",
        )

    def _lay_out(self) -> None:
        fields = form()
        fields.addRow("layer", self._layer)
        fields.addRow("axes", self._axes)
        fields.addRow("channel", self._channel)
        fields.addRow("frames", row(self._first, QLabel("to"), self._last))
        fields.addRow("model", self._model)
        fields.addRow("device", self._device)
        fields.addRow("results in", row(self._folder, self._browse))
        compare = QGroupBox("preview of this frame")
        inner = QVBoxLayout(compare)
        inner.addLayout(row(self._preview, self._clear))
        inner.addLayout(row(QLabel("split"), self._split))
        inner.addWidget(self._grid)
        layout = QVBoxLayout(self)
        layout.addLayout(fields)
        layout.addWidget(compare)
        layout.addWidget(self._panel)
        layout.addStretch(1)

    def _connect(self) -> None:
        self._layer.layer_changed.connect(self._on_layer)
        self._axes.currentTextChanged.connect(lambda _: self._on_axes())
        self._first.valueChanged.connect(self._last.setMinimum)
        self._model.model_changed.connect(self._update_buttons)
        self._browse.clicked.connect(lambda: self._choose_folder())
        self._preview.clicked.connect(lambda: self._start_preview())
        self._clear.clicked.connect(lambda: self._preview_layer.remove())
        self._split.valueChanged.connect(lambda percent: self._preview_layer.move_split(percent / 100))
        self._grid.toggled.connect(self._show_grid)
        self._panel.run_clicked.connect(self._start)
        self._runner.reported.connect(self._on_report)
        self._runner.progressed.connect(lambda _: self._refresh_live())
        self._runner.succeeded.connect(self._on_success)
        self._runner.cancelled.connect(self._on_cancelled)
        self._runner.failed.connect(lambda _: self._keep_part())
        self._runner.started.connect(self._update_buttons)
        self._runner.finished.connect(self._update_buttons)

    # Updates after a choice

    def _on_layer(self) -> None:
        self._axes.follow(self._layer.layer)
        self._on_axes()

    def _on_axes(self) -> None:
        image = self._image()
        sizes = image.sizes if image is not None else {}
        n_frames, n_channels = sizes.get("T", 1), sizes.get("C", 1)
        self._first.setRange(0, n_frames - 1)
        self._last.setRange(0, n_frames - 1)
        self._first.setValue(0)
        self._last.setValue(n_frames - 1)
        self._channel.clear()
        several = n_channels > 1 and image is not None and not image.is_rgb
        self._channel.addItems([_ALL_CHANNELS, *map(str, range(n_channels))] if several else [_ALL_CHANNELS])
        self._channel.setEnabled(several)
        for box in (self._first, self._last):
            box.setEnabled(n_frames > 1)
        self._update_buttons()

    def _update_buttons(self) -> None:
        is_ready = self._layer.layer is not None and self._model.chosen is not None
        self._panel.allow(is_ready)
        self._preview.setEnabled(is_ready and not self._runner.is_running)

    def _image(self) -> LayerImage | None:
        """Return a snapshot of the chosen layer; errors are shown in the status line."""
        if self._layer.layer is None:
            return None
        try:
            return LayerImage.of(self._layer.layer, self._axes.axes)
        except DecrappifyError as error:
            self._panel.say(str(error), is_error=True)
            return None

    def _channel_number(self) -> int | None:
        text = self._channel.currentText()
        return int(text) if text.isdecimal() else None

    def _choose_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder for results", self._folder.text())
        if folder:
            self._folder.setText(folder)

    def _show_grid(self, is_on: bool) -> None:
        grid = self._viewer.canvas.grid
        grid.stride, grid.enabled = 1, is_on

    # Restore

    def _start(self) -> None:
        image, model = self._image(), self._model.chosen
        if image is None or model is None:
            return
        folder = Path(self._folder.text()).expanduser()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self._panel.say(f"{folder} cannot hold the results: {error.strerror}; choose another folder", is_error=True)
            return
        self._previewer.close()  # its network may use memory that the run needs
        self._live = None
        self._request = RestoreRequest(
            image=image,
            model=model,
            folder=folder,
            first=self._first.value(),
            stop=self._last.value() + 1,
            channel=self._channel_number(),
            device=self._device.device,
        )
        self._runner.start(partial(run_restoration, request=self._request))

    def _on_report(self, item: Any) -> None:
        if isinstance(item, Opened) and self._request is not None:
            self._live = LiveResult(self._viewer, self._request, item)
        elif isinstance(item, PlaneDone) and self._live is not None:
            self._live.add(item)
        elif isinstance(item, str):
            self._panel.say(item)

    def _refresh_live(self) -> None:
        if self._live is not None:
            self._live.refresh()

    def _on_success(self, result: Restored | Previewed) -> None:
        if isinstance(result, Previewed):
            self._show_preview(result)
            return
        if self._live is None and self._request is not None:  # an earlier run had only the last rename left
            self._live = LiveResult(self._viewer, self._request, result.opened)
        if self._live is not None:
            self._live.finish(result)
        self._live = None
        self._panel.say(f"restored in {clock(result.seconds)}: {result.output}")

    def _on_cancelled(self, line: str) -> None:
        self._keep_part()
        self._panel.say(line.replace("the same call finishes the rest", "Restore goes on from there"))

    def _keep_part(self) -> None:
        if self._live is not None:
            self._live.stop()
        self._live = None

    # Preview

    def _start_preview(self) -> None:
        layer, image, model = self._layer.layer, self._image(), self._model.chosen
        if layer is None or image is None or model is None:
            return
        if self._viewer.dims.ndisplay != 2:
            self._panel.say("the preview needs the two-dimensional view; switch the canvas to 2D", is_error=True)
            return
        axes = image.axes.removesuffix("C") if image.is_rgb else image.axes
        position = current_position(self._viewer, layer, axes)
        rows, columns = visible_region(layer, image)
        chosen = self._channel_number()
        request = PreviewRequest(
            image=image,
            model=model,
            device=self._device.device,
            t=position.get("T", 0),
            c=position.get("C", 0) if chosen is None else chosen,
            z=position.get("Z", 0),
            rows=rows,
            columns=columns,
        )
        self._runner.start(partial(_run_preview, previewer=self._previewer, request=request))

    def _show_preview(self, previewed: Previewed) -> None:
        request = previewed.request
        self._preview_layer.show(previewed, Path(request.model).name.removesuffix(".safetensors"))
        height, width = request.rows.stop - request.rows.start, request.columns.stop - request.columns.start
        self._panel.say(f"preview of {height} x {width} pixels of frame {request.t} in {previewed.seconds:.1f} s")

    # Closing

    def showEvent(self, event: QShowEvent | None) -> None:
        """Update the list with newly trained models."""
        self._model.refresh()
        super().showEvent(event)

    def closeEvent(self, event: QCloseEvent | None) -> None:
        """Cancel the run, and wait for its end."""
        self._runner.stop()
        self._previewer.close()
        self._layer.disconnect_viewer()
        super().closeEvent(event)


def _run_preview(task: Task, previewer: Previewer, request: PreviewRequest) -> Previewed:
    return previewer.run(task, request)


def _frame_box(name: str, tooltip: str) -> QSpinBox:
    return named(QSpinBox(), name, f"{tooltip}, counted from 0")
