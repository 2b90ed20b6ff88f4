"""Restore widget: preview and restoration, with the result as a live layer during the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QTabWidget, QVBoxLayout, QWidget

from decrappify.errors import DecrappifyError
from napari_decrappify.layers.growing import GrowingStore, PlaneDone
from napari_decrappify.layers.live import LiveResult
from napari_decrappify.layers.region import displayed_region
from napari_decrappify.widgets.device_choice import DeviceChoice
from napari_decrappify.widgets.export import ExportPage
from napari_decrappify.widgets.fidelity_choice import FidelityChoice
from napari_decrappify.widgets.forms import folder_box, form, named, scrolled
from napari_decrappify.widgets.input_choice import InputChoice
from napari_decrappify.widgets.model_choice import ModelChoice
from napari_decrappify.widgets.preferences import remember
from napari_decrappify.widgets.preview_controls import PreviewControls
from napari_decrappify.widgets.run_panel import RunPanel
from napari_decrappify.widgets.run_widget import RunWidget, create_folder
from napari_decrappify.workers.preview import Previewed, Previewer, PreviewSettings
from napari_decrappify.workers.progress import clock
from napari_decrappify.workers.restore import Restored, RestoreSettings, restore_layer
from napari_decrappify.workers.runner import warm_up


def restores(header: Any) -> bool:
    """Return whether a model's header is that of a restoration model."""
    return bool(header.get("card", {}).get("task", "restoration") != "colorization")


class RestoreWidget(RunWidget):
    """Widget to restore an image layer with a model.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Viewer of the layers and results; napari passes it by this parameter name.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer, "restore")
        self._live: LiveResult | None = None
        self._settings: RestoreSettings | None = None
        self._previewer = Previewer()
        self._create_controls()
        self._lay_out()
        self._connect()
        remember(self._device, "restore/device")
        remember(self._folder.line, "restore/folder")
        self._input.follow_layer()
        warm_up()

    def _create_controls(self) -> None:
        self._input = InputChoice(self._viewer, "restore")
        self._model = ModelChoice("restore_model", "restore/model", accepts=restores, default="fluorescence-movie")
        self._fidelity = FidelityChoice("restore_fidelity")
        self._device = DeviceChoice("restore_device")
        self._folder = folder_box(
            "restore_folder",
            "restore_browse",
            str(Path.home() / "decrappify-results"),
            "Folder for results, each a new OME-Zarr store; existing stores are not overwritten",
            "Choose the output folder",
        )
        self._export = ExportPage(self._viewer, "export")
        self._export.follow(self)
        self._preview = PreviewControls(self._viewer, "restore")
        self._panel = RunPanel(
            self._runner,
            "restore",
            "Restore",
            "Restore the selected frames into a new layer that is filled during the run",
            cancel_tooltip="Stop after the current tile; finished frames are kept, and Restore resumes the run",
            after_cancel="finished planes are kept; Restore with the same settings resumes the run",
        )

    def _lay_out(self) -> None:
        fields = form()
        self._input.add_to(fields)
        fields.addRow("Model", self._model)
        self._fidelity.add_to(fields)
        fields.addRow("Device", self._device)
        fields.addRow("Output folder", self._folder)
        page = QWidget()
        inner = QVBoxLayout(page)
        inner.addLayout(fields)
        inner.addWidget(self._preview)
        inner.addWidget(self._panel)
        inner.addStretch(1)
        tabs = named(QTabWidget(), "restore_tabs", "Restoration, and export of its results")
        tabs.addTab(scrolled(page), "Restore")
        tabs.addTab(scrolled(self._export), "Export")
        layout = QVBoxLayout(self)
        layout.addWidget(tabs)

    def _connect(self) -> None:
        self._input.chosen.connect(self._on_input)
        self._model.model_changed.connect(self._on_model)
        self._preview.start.clicked.connect(lambda: self._start_preview())
        self._panel.run_clicked.connect(self._start)
        self._runner.progressed.connect(lambda _: self._refresh_live())
        self._connect_runner()
        self._on_model()

    def _on_model(self) -> None:
        self._fidelity.follow(self._model.header)
        self._update_buttons()

    def _on_input(self) -> None:
        self._input.follow_image(self._image(self._input.layer, self._input.axes))
        self._update_buttons()

    def _update_buttons(self) -> None:
        is_ready = self._input.layer is not None and self._model.chosen is not None
        self._panel.allow(is_ready)
        self._preview.start.setEnabled(is_ready and not self._runner.is_running)

    # Restoration

    def _start(self) -> None:
        image, model = self._image(self._input.layer, self._input.axes), self._model.chosen
        if image is None or model is None:
            return
        try:
            create_folder(self._folder.path)
        except DecrappifyError as error:
            self._panel.show_error(str(error))
            return
        self._previewer.close()  # releases the memory of its network for the run
        self._live = None
        first, stop = self._input.frames
        self._settings = RestoreSettings(
            image=image,
            model=model,
            folder=self._folder.path,
            first=first,
            stop=stop,
            channel=self._input.channel,
            device=self._device.device,
            fidelity=self._fidelity.fidelity,
        )
        self._runner.start(restore_layer, self._settings)

    def _on_report(self, item: Any) -> None:
        if isinstance(item, GrowingStore):
            self._live = self._live_result(item)
        elif isinstance(item, PlaneDone) and self._live is not None:
            self._live.add(item)

    def _live_result(self, store: GrowingStore) -> LiveResult | None:
        run = self._settings
        if run is None:
            return None
        return LiveResult(self._viewer, run.image, store, first=run.first, recorded=run.recorded)

    def _refresh_live(self) -> None:
        if self._live is not None:
            self._live.refresh()

    def _show_result(self, result: Restored | Previewed) -> None:
        if isinstance(result, Previewed):
            self._show_preview(result)
            return
        live = self._live or self._live_result(result.store)  # a resumed run may only have had to rename its store
        if live is not None:
            live.finish(result.store.output, result.provenance)
            self._export.choose(live.layers)
        self._live = None
        self._panel.show_status(f"restored in {clock(result.seconds)}: {result.store.output}")

    def _on_unfinished(self) -> None:
        if self._live is not None:
            self._live.stop()
        self._live = None

    # Preview

    def _start_preview(self) -> None:
        layer, model = self._input.layer, self._model.chosen
        image = self._image(layer, self._input.axes)
        if image is None or model is None:
            return
        if self._viewer.dims.ndisplay != 2:
            self._panel.show_error("the preview requires the 2D view; switch the canvas to 2D")
            return
        region = displayed_region(self._viewer, layer, image, self._input.channel)
        settings = PreviewSettings(
            image=image, model=model, device=self._device.device, region=region, fidelity=self._fidelity.fidelity
        )
        self._runner.start(self._previewer.preview, settings)

    def _show_preview(self, previewed: Previewed) -> None:
        self._preview.show_preview(previewed)
        region = previewed.settings.region
        height, width = region.shape
        self._panel.show_status(
            f"preview of {height} x {width} pixels of frame {region.t} in {previewed.seconds:.1f} s"
        )

    # Opening and closing

    def showEvent(self, event: QShowEvent | None) -> None:
        """Add newly trained models to the list."""
        self._model.refresh()
        self._on_model()
        super().showEvent(event)

    def _release(self) -> None:
        self._export.stop()
        self._previewer.close()
        self._input.disconnect_viewer()
