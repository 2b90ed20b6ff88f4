"""Restore widget: preview and restoration, with the result as a live layer during the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QLabel, QTabWidget, QVBoxLayout, QWidget

from decrappify.errors import DecrappifyError
from napari_decrappify.layers.growing import GrowingStore, PlaneDone
from napari_decrappify.layers.image import LayerImage
from napari_decrappify.layers.live import LiveResult
from napari_decrappify.layers.model_fit import caution, obstacle, window_length
from napari_decrappify.layers.region import displayed_region
from napari_decrappify.layers.scene_listing import scenes_like
from napari_decrappify.widgets.choices.device import DeviceChoice
from napari_decrappify.widgets.choices.fidelity import FidelityChoice
from napari_decrappify.widgets.choices.input import InputChoice
from napari_decrappify.widgets.choices.model import ModelChoice
from napari_decrappify.widgets.choices.preferences import remember
from napari_decrappify.widgets.export import ExportPage
from napari_decrappify.widgets.running.forms import folder_box, form, named, scrolled
from napari_decrappify.widgets.running.preview_controls import PreviewControls
from napari_decrappify.widgets.running.run_panel import RunPanel
from napari_decrappify.widgets.running.run_widget import RunWidget, confirmed, create_folder
from napari_decrappify.widgets.scene_runs import SceneRuns
from napari_decrappify.workers.messages import one_line
from napari_decrappify.workers.outcome import Failed, Outcome
from napari_decrappify.workers.preview import Previewed, Previewer, PreviewSettings
from napari_decrappify.workers.progress import clock
from napari_decrappify.workers.restore import Restored, RestoreSettings, finished_output, restore_layer


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
        self._runs = SceneRuns()
        self._create_controls()
        self._lay_out()
        self._connect()
        remember(self._folder.line, "restore/folder")
        self._input.follow_layer()

    def _create_controls(self) -> None:
        self._input = InputChoice(self._viewer, "restore")
        self._model = ModelChoice(
            "restore_model",
            "restore/model",
            accepts=restores,
            default="fluorescence-movie",
            still_default="fluorescence-still",
        )
        self._caution = named(QLabel(), "restore_caution", "Images that the model is for")
        self._caution.setWordWrap(True)
        self._fidelity = FidelityChoice("restore_fidelity")
        self._device = DeviceChoice("restore_device", "restore/device")
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
        fields.addRow(self._caution)
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
        self._model.refused.connect(self._panel.show_error)
        self._preview.start.clicked.connect(lambda: self._start_preview())
        self._panel.run_clicked.connect(self._start)
        self._runner.progressed.connect(lambda _: self._refresh_live())
        self._connect_runner()
        self._on_model()

    def _on_model(self) -> None:
        self._fidelity.follow(self._model.header)
        text = caution(self._model.header)
        self._caution.setText(text)
        self._caution.setVisible(bool(text))
        self._panel.reset()
        self._update_buttons()

    def _on_input(self) -> None:
        self._panel.reset()
        image = self._image(self._input.layer, self._input.axes)
        self._input.follow_image(image)
        if image is not None:
            self._model.follow(is_still=window_length(image) == 1)
        self._update_buttons()

    def _obstacle(self) -> str:
        """Return why nothing can be restored, empty if it can."""
        layer = self._input.layer
        if layer is None:
            return "no image layer; open a movie or an image"
        if self._model.chosen is None:
            return "no model; choose a model file"
        try:
            image = LayerImage.of(layer, self._input.axes)
        except DecrappifyError as error:
            return one_line(error)
        return obstacle(self._model.header, image) or ""

    def _update_buttons(self) -> None:
        reason = self._obstacle()
        self._panel.allow(not reason, reason)
        layer = self._input.layer
        self._preview.keep_for(self._model.chosen, "" if layer is None else layer.name)
        self._preview.start.setEnabled(not reason and not self._runner.is_running)

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
        first, stop = self._input.frames
        settings = RestoreSettings(
            image=image,
            model=model,
            folder=self._folder.path,
            first=first,
            stop=stop,
            channel=self._input.channel,
            device=self._device.device,
            fidelity=self._fidelity.fidelity,
        )
        if not self._may_repeat(settings):
            return
        everything = self._input.all_frames
        runs = (settings.of(other, all_frames=everything) for other in scenes_like(image))
        self._runs.start(runs if self._input.all_scenes else iter([settings]), self._input.n_scenes)
        if not self._next_run():
            self._panel.show_error(self._runs.summary())

    def _may_repeat(self, settings: RestoreSettings) -> bool:
        """Return whether to run, after asking the user if there is a result of the same layer and model."""
        found = finished_output(settings)
        return found is None or confirmed(
            self,
            "Restore again?",
            f"{found.name} already exists in {found.parent}. Restore again, into a file with another number?",
        )

    def _next_run(self) -> bool:
        """Start the next run; return False if there is none, or its scene cannot be opened."""
        self._live = None
        try:
            self._settings = self._runs.next()
        except DecrappifyError as error:
            self._runs.fail(one_line(error))
            self._settings = None
        if self._settings is None:
            return False
        self._runner.start(restore_layer, self._settings)
        return True

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
            self._runs.layers += live.layers
            self._export.choose(self._runs.layers)
        self._live = None
        self._runs.finish()
        if not self._next_run():
            text = self._runs.summary() or f"restored in {clock(result.seconds)}: {result.store.output}"
            self._panel.show_status(text, is_error=self._runs.has_failed)

    def _on_end(self, outcome: Outcome) -> None:
        super()._on_end(outcome)
        if isinstance(outcome, Failed) and self._settings is not None and self._runs.is_several:
            self._runs.fail(f"{self._settings.image.name}: {outcome.message}")
            if not self._next_run():
                self._panel.show_error(self._runs.summary())
            self._update_buttons()

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

    @property
    def _is_busy(self) -> bool:
        return super()._is_busy or self._export.is_busy

    def showEvent(self, event: QShowEvent | None) -> None:
        """Add newly trained models to the list."""
        self._model.refresh()
        self._on_model()
        super().showEvent(event)

    def _release(self) -> None:
        self._export.stop()
        self._previewer.close()
        self._input.disconnect_viewer()
