"""Options of the trained model: window, network, training time, device, name and folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QGroupBox, QLabel, QLineEdit, QVBoxLayout, QWidget

from napari_decrappify.widgets.choices.device import DeviceChoice
from napari_decrappify.widgets.choices.model import offered_models, restores
from napari_decrappify.widgets.choices.preferences import remember
from napari_decrappify.widgets.running.elided import ElidedBox
from napari_decrappify.widgets.running.forms import folder_box, form, named, row, shrinkable
from napari_decrappify.workers.models.train import N_FRAMES, NETWORKS
from napari_decrappify.workers.names import safe_name

_NEW = "New weights"


class TrainingOptions(QGroupBox):
    """Group of the options.

    Parameters
    ----------
    name : str
        Prefix of the objectNames.
    """

    changed = Signal()

    def __init__(self, name: str) -> None:
        super().__init__("Model")
        self._n_frames = named(
            QComboBox(), f"{name}_n_frames", "Frames from which the middle one is predicted; 1 for still images"
        )
        self._n_frames.addItems([str(count) for count in N_FRAMES])
        self._n_frames.setCurrentText("3")
        self._network = named(
            QComboBox(), f"{name}_network", "Size of the network; larger ones are more accurate and slower"
        )
        self._network.addItems(NETWORKS)
        self._minutes = named(
            QDoubleSpinBox(), f"{name}_minutes", "Training time; the speed is measured first, Stop ends the run earlier"
        )
        self._minutes.setRange(0.05, 10_000)
        self._minutes.setDecimals(2)
        self._minutes.setValue(10)
        self._device = DeviceChoice(f"{name}_device", f"{name}/device")
        self._name = named(QLineEdit("my-model"), f"{name}_name", "Name of the model; numbered if the name exists")
        self._folder = folder_box(
            f"{name}_models",
            f"{name}_browse_models",
            str(Path.home() / "decrappify-models"),
            "Folder for models",
            "Choose the output folder",
        )
        self._start_from = named(
            ElidedBox(), f"{name}_start_from", "Initial weights; those of a model fine-tune it for your images"
        )
        shrinkable(self._start_from, 12)
        self._resume = named(
            QCheckBox("Continue the stopped run of this name"),
            f"{name}_resume",
            "Resume training from the last checkpoint; images, crappifier and options must be those of its start",
        )
        self._lay_out()
        self._remember(name)
        self._name.textChanged.connect(lambda _: self._on_name())
        self._folder.line.textChanged.connect(lambda _: self.refresh())
        self.refresh()

    @property
    def is_complete(self) -> bool:
        """Return whether the model has a name."""
        return bool(self._name.text().strip())

    @property
    def folder(self) -> Path:
        """Output folder."""
        return self._folder.path

    @property
    def run_folder(self) -> Path:
        """Folder of the run with the entered name."""
        return self.folder / safe_name(self._name.text())

    def refresh(self) -> None:
        """Update the list of models, and whether there is a run to continue."""
        chosen = self._start_from.currentText()
        self._start_from.clear()
        self._start_from.addItem(_NEW, None)
        for text, kept, _ in offered_models(restores):
            self._start_from.addItem(text, kept[1])
        self._start_from.setCurrentIndex(max(0, self._start_from.findText(chosen)))
        can_resume = os.path.isfile(self.run_folder / "checkpoint.pt")  # noqa: PTH113 - False for a name too long
        self._resume.setEnabled(can_resume)
        if not can_resume:
            self._resume.setChecked(False)

    def values(self) -> dict[str, Any]:
        """Return the options as keyword arguments of `TrainSettings`."""
        return {
            "n_frames": int(self._n_frames.currentText()),
            "minutes": self._minutes.value(),
            "network": self._network.currentText(),
            "device": self._device.device,
            "name": safe_name(self._name.text()),
            "folder": self.folder,
            "start_from": self._start_from.currentData(),
            "resume": self.run_folder if self._resume.isChecked() else None,
        }

    def _on_name(self) -> None:
        self.refresh()
        self.changed.emit()

    def _lay_out(self) -> None:
        fields = form()
        fields.addRow("Frames per window", row(self._n_frames, QLabel("Network"), self._network))
        fields.addRow("Start from", self._start_from)
        fields.addRow("Training time", row(self._minutes, QLabel("minutes")))
        fields.addRow("Device", self._device)
        fields.addRow("Name", self._name)
        fields.addRow("Output folder", self._folder)
        fields.addRow("", self._resume)
        QVBoxLayout(self).addLayout(fields)

    def _remember(self, name: str) -> None:
        controls: dict[str, QWidget] = {
            "n_frames": self._n_frames,
            "minutes": self._minutes,
            "network": self._network,
            "name": self._name,
            "models": self._folder.line,
        }
        for key, control in controls.items():
            remember(control, f"{name}/{key}")
