"""Adapt widget: adapt a model to a raw layer for some minutes, and keep or reject the result."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QLabel, QLineEdit, QVBoxLayout, QWidget

from decrappify.errors import DecrappifyError, InputError
from napari_decrappify.commands.movies import adapt_command
from napari_decrappify.widgets.adaptation.decision import Decision
from napari_decrappify.widgets.adaptation.score import AdaptationScore
from napari_decrappify.widgets.choices.device import DeviceChoice
from napari_decrappify.widgets.choices.layer import LayerChoice, is_gray, is_source
from napari_decrappify.widgets.choices.model import ModelChoice
from napari_decrappify.widgets.choices.noise import NoiseChoice
from napari_decrappify.widgets.choices.preferences import add_recent_model, remember
from napari_decrappify.widgets.running.forms import folder_box, form, named, row, scrolled
from napari_decrappify.widgets.running.run_panel import RunPanel
from napari_decrappify.widgets.running.run_widget import RunWidget
from napari_decrappify.workers.models.adapt import Adapted, AdaptSettings, Compared, adapt_model, reject_model
from napari_decrappify.workers.names import create_folder, safe_name
from napari_decrappify.workers.running.messages import one_line
from napari_decrappify.workers.running.progress import clock
from napari_decrappify.workers.running.warm_up import warm_up

_FEWEST = 20  # frames with which an adaptation is useful
_ALL = "All"


def is_adaptable(header: Mapping[str, Any]) -> bool:
    """Return whether a model can be adapted: a restoration model of scale 1 for single channels."""
    network = header.get("architecture", {})
    is_restoration = header.get("card", {}).get("task", "restoration") != "colorization"
    return bool(is_restoration and network.get("scale", 1) == 1 and network.get("in_channels", 1) == 1)


class AdaptWidget(RunWidget):
    """Widget to adapt a model to a raw, noisy movie without clean images.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Viewer of the layers; napari passes it by this parameter name.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer, "adapt")
        self._create_controls()
        self._lay_out()
        self._connect()
        self._on_layer()
        warm_up(training=True)

    def _create_controls(self) -> None:
        self._layer = LayerChoice(
            self._viewer,
            "adapt_layer",
            f"Raw movie of the specimen, at least {_FEWEST} frames",
            accepts=lambda layer: is_gray(layer) and is_source(layer),
            follows=True,
        )
        self._channel = named(QComboBox(), "adapt_channel", "Channel to adapt to, if the layer has several")
        self._model = ModelChoice("adapt_model", "adapt/model", accepts=is_adaptable, default="fluorescence-movie")
        self._minutes = named(
            QDoubleSpinBox(), "adapt_minutes", "Time of the adaptation; five minutes of a processor core are useful"
        )
        self._minutes.setRange(0.1, 1000)
        self._minutes.setDecimals(1)
        self._minutes.setValue(5)
        self._noise = NoiseChoice("adapt")
        self._device = DeviceChoice("adapt_device", "adapt/device")
        self._name = named(QLineEdit("adapted"), "adapt_name", "Name of the new model; numbered if the name exists")
        self._folder = folder_box(
            "adapt_folder",
            "adapt_browse",
            str(Path.home() / "decrappify-models"),
            "Folder for models",
            "Choose the folder for models",
        )
        self._score = AdaptationScore("adapt")
        self._decision = Decision("adapt")
        self._panel = RunPanel(
            self._runner,
            "adapt",
            "Adapt",
            "Continue the training of the model on this movie, and compare it on held-out frames",
            cancel_text="Stop",
            cancel_tooltip="Stop now, and take the best model so far",
            after_cancel="the run was stopped before its first step, and no model was saved",
        )
        for control, key in ((self._minutes, "minutes"), (self._name, "name"), (self._folder.line, "folder")):
            remember(control, f"adapt/{key}")

    def _lay_out(self) -> None:
        fields = form()
        fields.addRow("Layer", self._layer)
        fields.addRow("Channel", self._channel)
        fields.addRow("Model", self._model)
        fields.addRow("Noise", self._noise)
        fields.addRow("Time", row(self._minutes, QLabel("minutes")))
        fields.addRow("Device", self._device)
        fields.addRow("Name", self._name)
        fields.addRow("Folder", self._folder)
        page = QWidget()
        inner = QVBoxLayout(page)
        inner.addLayout(fields)
        inner.addWidget(self._panel)
        inner.addWidget(self._score, 1)
        inner.addWidget(self._decision)
        QVBoxLayout(self).addWidget(scrolled(page))

    def _connect(self) -> None:
        self._layer.layer_changed.connect(self._on_layer)
        self._model.model_changed.connect(self._update_buttons)
        self._model.refused.connect(self._panel.show_error)
        self._name.textChanged.connect(lambda _: self._update_buttons())
        self._panel.run_clicked.connect(self._start)
        self._decision.kept.connect(self._keep)
        self._decision.rejected.connect(self._reject)
        self._connect_runner()

    def _on_layer(self) -> None:
        self._panel.reset()
        image = self._image(self._layer.layer)
        count = 1 if image is None else image.sizes.get("C", 1)
        self._channel.clear()
        self._channel.addItems([_ALL, *map(str, range(count))] if count > 1 else [_ALL])
        self._channel.setEnabled(count > 1)
        if image is not None and not self._runner.is_running:
            self._name.setText(f"{safe_name(image.name)}-adapted")
        self._update_buttons()

    def _obstacle(self) -> str:
        if self._layer.layer is None:
            return "no raw movie; open one"
        if self._model.chosen is None:
            return "no model; choose a model file"
        return "" if self._name.text().strip() else "no name; enter one for the new model"

    def _update_buttons(self) -> None:
        reason = self._obstacle()
        self._panel.allow(not reason, reason)

    def _settings(self) -> AdaptSettings | None:
        """Return the values of the controls; None without layer or model, or after an error, which is shown."""
        image, model = self._image(self._layer.layer), self._model.chosen
        if image is None or model is None:
            return None
        text = self._channel.currentText()
        return AdaptSettings(
            image=image,
            model=model,
            channel=int(text) if text.isdecimal() else None,
            minutes=self._minutes.value(),
            noise=self._noise.path,
            device=self._device.device,
            name=safe_name(self._name.text()),
            folder=self._folder.path,
        )

    def _command(self) -> str:
        settings = self._settings()
        if settings is None:
            raise InputError(self._obstacle() or self._panel.text)
        create_folder(settings.folder)
        return adapt_command(settings)

    def _start(self) -> None:
        settings = self._settings()
        if settings is None:
            return
        try:
            create_folder(settings.folder)
        except DecrappifyError as error:
            self._panel.show_error(one_line(error))
            return
        waiting = self._decision.path
        if waiting is not None:
            self._keep(waiting)  # a model is deleted only by the button
            self._decision.ask(None)
        self._score.clear()
        self._runner.start(adapt_model, settings)

    def _on_report(self, item: Any) -> None:
        if isinstance(item, Compared):
            self._score.add(item)

    def _show_result(self, adapted: Adapted) -> None:
        self._decision.ask(adapted.path)
        end = "Keep or reject it" if adapted.path is not None else "The given model is kept, and no file was written"
        self._panel.show_status(f"{adapted.steps} steps in {clock(adapted.seconds)}: {adapted.verdict}. {end}.")

    def _keep(self, path: Path) -> None:
        add_recent_model(path)
        self._panel.show_status(f"{path} is in the list of the Restore widget")

    def _reject(self, path: Path) -> None:
        try:
            reject_model(path)
        except DecrappifyError as error:
            self._panel.show_error(one_line(error))
            return
        self._panel.show_status(f"the adapted model was deleted; {path.parent} no longer exists")

    def _release(self) -> None:
        self._layer.disconnect_viewer()
