"""Restore widget: preview and restoration, with the result as a live layer during the run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QLabel, QTabWidget, QVBoxLayout, QWidget

from decrappify.errors import DecrappifyError, InputError
from napari_decrappify.commands.restore import restore_command
from napari_decrappify.layers.canvas.region import displayed_region, show_channel, show_frames
from napari_decrappify.layers.files.channels import channel_name, channel_names
from napari_decrappify.layers.image import LayerImage
from napari_decrappify.layers.model_fit import caution, obstacle, window_length
from napari_decrappify.widgets.about.page import ModelPage
from napari_decrappify.widgets.choices.device import DeviceChoice
from napari_decrappify.widgets.choices.fidelity import FidelityChoice
from napari_decrappify.widgets.choices.input import InputChoice
from napari_decrappify.widgets.choices.layer import is_restorable
from napari_decrappify.widgets.choices.model import ModelChoice, restores
from napari_decrappify.widgets.choices.preferences import remember
from napari_decrappify.widgets.export import ExportPage
from napari_decrappify.widgets.restoring.channel_models import ChannelModels
from napari_decrappify.widgets.restoring.queue import Entry, State
from napari_decrappify.widgets.restoring.queue_page import QueuePage
from napari_decrappify.widgets.restoring.runs import RestoreRuns
from napari_decrappify.widgets.running.forms import folder_box, form, named, scrolled
from napari_decrappify.widgets.running.preview_controls import PreviewControls
from napari_decrappify.widgets.running.run_panel import RunPanel
from napari_decrappify.widgets.running.run_widget import RunWidget, confirmed
from napari_decrappify.widgets.trust.option import TrustOption
from napari_decrappify.workers.movies.preview import Previewed, Previewer, PreviewSettings
from napari_decrappify.workers.movies.restore import Restored, RestoreSettings, finished_output, opening, restore_layer
from napari_decrappify.workers.names import create_folder
from napari_decrappify.workers.running.devices import device_words
from napari_decrappify.workers.running.messages import one_line
from napari_decrappify.workers.running.outcome import Failed, Outcome, Stopped
from napari_decrappify.workers.running.progress import Step, clock


class RestoreWidget(RunWidget):
    """Widget to restore an image layer with a model.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Viewer of the layers and results; napari passes it by this parameter name.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer, "restore")
        self._previewer = Previewer()
        self._runs = RestoreRuns(
            napari_viewer, self._runner, lambda: self._queue.refresh(), lambda: self._trust.job(restore_layer)
        )
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
        self._channel_models = ChannelModels(self._model, "restore_model")
        self._fidelity = FidelityChoice("restore_fidelity")
        self._device = DeviceChoice("restore_device", "restore/device")
        self._folder = folder_box(
            "restore_folder",
            "restore_browse",
            str(Path.home() / "decrappify-results"),
            "Folder for results, each a new OME-Zarr store; existing stores are not overwritten",
            "Choose the output folder",
        )
        self._queue = QueuePage(self._runs.queue, "restore_queue")
        self._export = ExportPage(self._viewer, "export")
        self._export.follow(self)
        self._trust = TrustOption(self._viewer, "restore_trust")
        self._about = ModelPage(self, "restore_about", lambda: self._model, self._choices)
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
        self._channel_models.add_to(fields)
        fields.addRow(self._caution)
        self._fidelity.add_to(fields)
        fields.addRow("Device", self._device)
        fields.addRow("Output folder", self._folder)
        fields.addRow(self._trust)
        choices = QWidget()
        inner = QVBoxLayout(choices)
        inner.addLayout(fields)
        inner.addWidget(self._preview)
        inner.addStretch(1)
        page = QWidget()
        outer = QVBoxLayout(page)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scrolled(choices), 1)
        outer.addWidget(self._panel)
        self._tabs = named(QTabWidget(), "restore_tabs", "Restoration, its queue, and export of its results")
        self._tabs.addTab(page, "Restore")
        self._tabs.addTab(self._queue, "Queue")
        self._tabs.addTab(self._export, "Export")
        self._tabs.addTab(scrolled(self._about), "Model")
        layout = QVBoxLayout(self)
        layout.addWidget(self._tabs)

    def _connect(self) -> None:
        self._input.chosen.connect(self._on_input)
        self._input.channel_chosen.connect(self._show_channel_models)
        self._model.model_changed.connect(self._on_model)
        self._channel_models.changed.connect(self._update_buttons)
        self._model.refused.connect(self._panel.show_error)
        self._preview.start.clicked.connect(lambda: self._start_preview())
        self._panel.run_clicked.connect(self._start)
        self._queue.add_clicked.connect(lambda: self._add_to_queue([self._input.layer]))
        self._queue.add_selected_clicked.connect(lambda: self._add_to_queue(self._selected_layers()))
        self._queue.start_clicked.connect(lambda: self._start_queue())
        self._queue.cancel_clicked.connect(lambda: self._panel.cancel.click())
        self._queue.changed.connect(self._show_count)
        self._runner.progressed.connect(self._on_progress)
        self._connect_runner()
        self._on_model()

    def _on_model(self) -> None:
        self._channel_models.refresh()
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
        self._show_channel_models()
        self._update_buttons()

    def _show_channel_models(self) -> None:
        try:
            self._channel_models.show_channels(self._input.channel_names())
        except DecrappifyError:  # the axes do not fit, as the status line states
            self._channel_models.show_channels(())

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
        self._preview.keep_for(self._previewed_choices())
        self._preview.start.setEnabled(not reason and not self._runner.is_running)
        self._queue.update_buttons(may_add=not reason, is_running=self._runner.is_running)
        self._show_count()

    # Restoration

    def _choices(self) -> RestoreSettings | None:
        """Return the settings of a run with the present choices; None without a layer or a model."""
        layer = self._input.layer
        return None if layer is None or self._model.chosen is None else self._settings_of(layer)

    def _start(self) -> None:
        try:
            entries, settings = self._entries(self._input.layer), self._settings_of(self._input.layer)
            create_folder(self._folder.path)
        except DecrappifyError as error:
            self._panel.show_error(one_line(error))
            return
        if not self._may_repeat(settings):
            return
        layer = self._input.layer
        show_frames(self._viewer, layer, LayerImage.of(layer, self._input.axes), settings.first, settings.stop)
        self._runs.queue.clear_ended()
        self._runs.queue.add(entries, is_first=True)
        self._start_queue()

    def _start_queue(self) -> None:
        self._previewer.close()  # releases the memory of its network for the run
        if not self._runs.start():
            self._panel.show_error(self._failure())
        self._update_buttons()

    def _add_to_queue(self, layers: list[Any]) -> None:
        """Add restorations of layers; layers that are channels of the same scene are added once."""
        entries: list[Entry] = []
        known: list[Any] = []
        try:
            for layer in layers:
                if layer not in known:
                    known += [layer, *self._input.channels_like(layer)]
                    entries += self._entries(layer)
        except DecrappifyError as error:
            self._panel.show_error(one_line(error))
            return
        self._runs.queue.add(entries)
        self._queue.refresh()
        self._update_buttons()

    def _selected_layers(self) -> list[Any]:
        return [each for each in self._viewer.layers if each in self._viewer.layers.selection and is_restorable(each)]

    def _settings_of(self, layer: Any) -> RestoreSettings:
        """Return the settings of the controls for a layer; those of frames and axes are of the chosen layer only."""
        is_chosen = layer == self._input.layer
        image = LayerImage.of(layer, self._input.axes if is_chosen else None)
        model = self._model.chosen
        if model is None:
            raise InputError("no model; choose a model file")
        channels = tuple(LayerImage.of(each) for each in self._input.channels_like(layer))
        reason = obstacle(self._model.header, image)
        if reason is not None:
            raise InputError(f"{image.name}: {reason}")
        first, stop = self._input.frames if is_chosen else (0, image.sizes.get("T", 1))
        return RestoreSettings(
            image=channels[0] if channels else image,
            channels=channels,
            model=model,
            models=self._channel_models.models if self._has_channel_models(channels or (image,)) else {},
            folder=self._folder.path,
            first=first,
            stop=stop,
            channel=self._input.channel if is_chosen else None,
            device=self._device.device,
            fidelity=self._fidelity.fidelity,
        )

    def _has_channel_models(self, images: Sequence[LayerImage]) -> bool:
        """Return whether layers contain the channels whose models are chosen."""
        return bool(self._channel_models.names) and channel_names(images) == self._channel_models.names

    def _entries(self, layer: Any) -> list[Entry]:
        """Return the restorations of a layer, with its channels and scenes as chosen."""
        settings, everything = self._settings_of(layer), self._input.all_frames
        if not self._input.all_scenes or settings.image.recorded.get("n_scenes", 1) < 2:
            return [Entry(settings.name, settings.model_name, lambda _: settings)]
        path = Path(settings.image.recorded["path"])
        channel = "" if settings.channels else f" · {channel_name(settings.image)}"
        return [
            Entry(f"{path.name} [{name}]{channel}", settings.model_name, opening(settings, name, all_frames=everything))
            for name in settings.image.recorded["scenes"]
        ]

    def _may_repeat(self, settings: RestoreSettings) -> bool:
        """Return whether to run, after asking the user if there is a result of the same layer and model."""
        found = finished_output(settings)
        return found is None or confirmed(
            self,
            "Restore again?",
            f"{found.name} already exists in {found.parent}. Restore again, into a file with another number?",
        )

    def _command(self) -> str:
        layer = self._input.layer
        if layer is None:
            raise InputError("no image layer; open a movie or an image")
        header = self._model.header
        create_folder(self._folder.path)  # of the command line, too
        return restore_command(
            self._settings_of(layer),
            all_frames=self._input.all_frames,
            all_scenes=self._input.all_scenes,
            n_frames=int(header.get("architecture", {}).get("n_frames", 1)),
            trust=self._trust.is_on,
            noise=self._trust.noise,
        )

    def _on_report(self, item: Any) -> None:
        self._runs.show(item)

    def _on_progress(self, step: Step) -> None:
        self._runs.refresh()
        self._queue.show_progress(f"{100 * step.done // max(1, step.total)} %")

    def _show_result(self, result: Restored | Previewed) -> None:
        if isinstance(result, Previewed):
            self._show_preview(result)
            return
        note = self._trust.show_result(self._runs.finish(result), result)
        self._export.choose(self._runs.layers)
        if not self._runs.next():
            where = device_words(result.provenance.get("restoration", {}))
            text = f"restored in {clock(result.seconds)}{where and f' {where}'}: {result.store.output}"
            text += "".join(f". Warning: {warning}" for warning in result.warnings)
            self._panel.show_status((self._runs.queue.summary() or text) + note, is_error=self._runs.queue.has_failed)

    def _on_end(self, outcome: Outcome) -> None:
        if self._runs.is_active and isinstance(outcome, Stopped):
            self._runs.end(State.CANCELLED)
        elif self._runs.is_active and isinstance(outcome, Failed):
            self._runs.end(State.FAILED, outcome.message)
            if not self._runs.next():
                self._panel.show_error(self._failure())
        super()._on_end(outcome)

    def _failure(self) -> str:
        """Return the result of the runs if the last one failed."""
        queue = self._runs.queue
        failed = [entry.detail for entry in queue.entries if entry.state is State.FAILED]
        return queue.summary() or (failed[-1] if failed else "")

    def _show_count(self) -> None:
        count = self._runs.queue.n_waiting
        self._tabs.setTabText(1, f"Queue ({count})" if count else "Queue")

    # Preview

    def _previewed_choices(self) -> tuple[Any, ...]:
        layer = self._input.layer
        return self._model.chosen, self._channel_models.models, "" if layer is None else layer.name

    def _start_preview(self) -> None:
        layer, model = self._input.layer, self._model.chosen
        image = self._image(layer, self._input.axes)
        if image is None or model is None:
            return
        if self._viewer.dims.ndisplay != 2:
            self._panel.show_error("the preview requires the 2D view; switch the canvas to 2D")
            return
        if self._input.channel is not None:
            show_channel(self._viewer, layer, image, self._input.channel)
        region = displayed_region(self._viewer, layer, image, self._input.channel)
        places = [number for number, each in enumerate(self._input.channels) if each == layer]
        model = self._channel_models.model(places[0] if places else region.c) or model
        settings = PreviewSettings(
            image=image, model=model, device=self._device.device, region=region, fidelity=self._fidelity.fidelity
        )
        self._preview.begin(self._previewed_choices())
        self._runner.start(self._previewer.preview, settings)

    def _show_preview(self, previewed: Previewed) -> None:
        if not self._preview.show_preview(previewed):
            self._panel.show_status("another frame is displayed by now; click Preview again")
            return
        region = previewed.settings.region
        height, width = region.shape
        self._panel.show_status(
            f"preview of {height} x {width} pixels of frame {region.t} in {previewed.seconds:.1f} s"
        )

    # Opening and closing

    @property
    def _is_busy(self) -> bool:
        return super()._is_busy or self._export.is_busy or self._about.is_busy

    def showEvent(self, event: QShowEvent | None) -> None:
        """Add newly trained models to the list."""
        self._model.refresh()
        self._on_model()
        super().showEvent(event)

    def _release(self) -> None:
        self._export.stop()
        self._about.stop()
        self._previewer.close()
        self._preview.disconnect_viewer()
        self._input.disconnect_viewer()
