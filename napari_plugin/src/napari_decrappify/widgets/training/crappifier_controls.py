"""Controls of a crappifier: preset, additional part of a plugin file, scale, and a slider for each parameter."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QComboBox, QFileDialog, QLabel, QVBoxLayout, QWidget
from superqt import QRangeSlider

from decrappify import load_plugin
from decrappify.crappify import Crappifier, crappifier_preset, preset_description
from decrappify.errors import DecrappifyError
from decrappify.noise import load_crappifier
from napari_decrappify.widgets.choices.preferences import keep, recall
from napari_decrappify.widgets.running.forms import button, form, named, row, shrinkable
from napari_decrappify.widgets.training.degradations import (
    POSITIONS,
    Ends,
    Parameter,
    added_parts,
    changed,
    parameters,
    presets,
    with_part,
    with_scale,
)
from napari_decrappify.workers.running.messages import log_error

SCALES = (1, 2, 3, 4)
NO_PART = "None"


class ParameterSlider(QWidget):
    """Range slider of one parameter of a crappifier, from whose range a value is drawn for each image."""

    moved = Signal()

    def __init__(self, name: str, parameter: Parameter, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.parameter, self.ends = parameter, parameter.ends
        tooltip = f"{parameter.part}: {parameter.label}; a random value between the two ends is used for each image"
        self._slider: Any = named(QRangeSlider(Qt.Orientation.Horizontal), name, tooltip)  # type: ignore[no-untyped-call]
        self._slider.setRange(0, POSITIONS)
        self._value = QLabel()
        self._value.setMinimumWidth(78)
        layout = row(self._slider, self._value)
        layout.setStretch(0, 1)
        self.setLayout(layout)
        self._positions = tuple(parameter.position(end) for end in self.ends)
        self._slider.setValue(self._positions)
        self._slider.valueChanged.connect(self._on_move)
        self._show_value()

    def set_ends(self, ends: Ends) -> None:
        """Set the slider without emitting a signal."""
        with QSignalBlocker(self._slider):
            self._positions = tuple(self.parameter.position(end) for end in ends)
            self._slider.setValue(self._positions)
        self.ends = ends
        self._show_value()

    def _on_move(self, positions: tuple[int, ...]) -> None:
        # An end that was not moved keeps its exact value, which may be between two positions.
        low, high = (
            end if new == old else self.parameter.value(new)
            for end, old, new in zip(self.ends, self._positions, positions, strict=True)
        )
        self._positions, self.ends = tuple(positions), (min(low, high), max(low, high))
        self._show_value()
        self.moved.emit()

    def _show_value(self) -> None:
        low, high = self.ends
        self._value.setText(f"{low:.3g}" if low == high else f"{low:.3g} – {high:.3g}")


class CrappifierControls(QWidget):
    """Form of a crappifier; the preset and its changed values are persistent.

    Parameters
    ----------
    name : str
        Prefix of the objectNames and of the settings keys.
    """

    changed = Signal()
    failed = Signal(str)  # one-line error of a plugin file that cannot be loaded

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._name = name
        self._sliders: list[ParameterSlider] = []
        self._own: dict[str, Crappifier] = {}  # of files and calibrations, by name
        self.preset = named(QComboBox(), f"{name}_preset", "Microscope and degradation to simulate")
        shrinkable(self.preset, 14)
        self.part = named(QComboBox(), f"{name}_part", "Part from a loaded Python file, added to the preset")
        self._load = button(
            f"{name}_load",
            "Load…",
            "Open a crappifier or a noise model (.toml, .json), or run a Python file that registers parts or presets",
        )
        self._list_choices()
        self.scale = named(QComboBox(), f"{name}_scale", "Upsampling factor of the model; 1 only removes noise")
        self.scale.addItems([str(scale) for scale in SCALES])
        self._reset = button(f"{name}_reset", "Reset", "Restore the values of the preset")
        self._description = QLabel()
        self._description.setWordWrap(True)
        self._form = form()
        self._lay_out()
        kept = recall(f"{name}/preset", "confocal")
        self.preset.setCurrentText(kept if self.preset.findText(kept) >= 0 else "confocal")
        self._show_preset()
        self.preset.currentTextChanged.connect(self._on_preset)
        self.scale.currentTextChanged.connect(lambda _: self._on_change())
        self._reset.clicked.connect(lambda: self._on_reset())
        self.part.currentTextChanged.connect(lambda _: self._on_part())
        self._load.clicked.connect(lambda: self._choose_file())

    @property
    def crappifier(self) -> Crappifier:
        """Crappifier with the current values."""
        ends = {
            (slider.parameter.step, slider.parameter.key): slider.ends
            for slider in self._sliders
            if slider.ends != slider.parameter.ends
        }
        return with_scale(changed(self._unchanged(), ends), int(self.scale.currentText()))

    def load_plugin(self, path: str) -> None:
        """Run a Python file, and list the parts and presets that it registers."""
        try:
            load_plugin(path)
            self._list_choices()
        except DecrappifyError as error:
            self.failed.emit(log_error(error))

    def load_file(self, path: str) -> None:
        """Add the crappifier of a file, or of a noise model that `decrappify calibrate` wrote, and choose it."""
        try:
            crappifier = load_crappifier(path)
        except DecrappifyError as error:
            self.failed.emit(log_error(error))
            return
        self.choose(Crappifier(crappifier.steps, Path(path).stem))

    def choose(self, crappifier: Crappifier) -> None:
        """Add a crappifier to the list, and choose it."""
        if crappifier.color:
            self.failed.emit(f"{crappifier.name} is a crappifier for color images; choose one for gray images")
            return
        name = crappifier.name or "own crappifier"
        self._own[name] = crappifier
        self._list_choices()
        if self.preset.currentText() == name:
            self._on_preset(name)
        self.preset.setCurrentText(name)

    def _choose_file(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self, "Open a crappifier, or run a Python file with parts", "", "Crappifiers (*.toml *.json *.py)"
        )
        if path:
            (self.load_plugin if path.endswith(".py") else self.load_file)(path)

    def _list_choices(self) -> None:
        """Update the lists of presets and parts without changing the choices."""
        for box, names in ((self.preset, [*presets(), *self._own]), (self.part, [NO_PART, *added_parts()])):
            with QSignalBlocker(box):
                chosen = box.currentText()
                box.clear()
                box.addItems(names)
                box.setCurrentIndex(max(0, box.findText(chosen)))
        for number, preset in enumerate(presets()):
            self.preset.setItemData(number, preset_description(preset), Qt.ItemDataRole.ToolTipRole)

    def _unchanged(self) -> Crappifier:
        """Return the preset with the additional part, with unchanged values."""
        name = self.preset.currentText()
        preset = self._own.get(name) or crappifier_preset(name)
        return preset if self.part.currentText() == NO_PART else with_part(preset, self.part.currentText())

    def _lay_out(self) -> None:
        head = form()
        head.addRow("Crappifier", row(self.preset, self._reset))
        head.addRow("Additional part", row(self.part, self._load))
        head.addRow("Scale", self.scale)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(head)
        layout.addWidget(self._description)
        layout.addLayout(self._form)

    def _show_preset(self) -> None:
        preset = self._unchanged()
        name = self.preset.currentText()
        steps = ", ".join(type(step).name.replace("_", " ") for step in preset.steps)
        self._description.setText(f"own crappifier: {steps}" if name in self._own else preset_description(name))
        while self._form.rowCount():
            self._form.removeRow(0)
        self._sliders = []
        for parameter in parameters(preset):
            slider = ParameterSlider(f"{self._name}_{parameter.step}_{parameter.key}", parameter)
            slider.moved.connect(self._on_change)
            self._form.addRow(parameter.label.capitalize(), slider)
            self._sliders.append(slider)
        with QSignalBlocker(self.scale):
            self.scale.setCurrentText(str(preset.scale))
        self._recall()

    def _on_preset(self, preset: str) -> None:
        keep(f"{self._name}/preset", preset)
        self._show_preset()
        self.changed.emit()

    def _on_part(self) -> None:
        self._show_preset()
        self.changed.emit()

    def _on_change(self) -> None:
        values = {f"{s.parameter.step} {s.parameter.key}": s.ends for s in self._sliders}
        keep(self._key(), json.dumps({"scale": self.scale.currentText(), "ends": values}))
        self.changed.emit()

    def _on_reset(self) -> None:
        keep(self._key(), "")
        self._show_preset()
        self.changed.emit()

    def _recall(self) -> None:
        with suppress(ValueError, TypeError, KeyError, AttributeError):  # nothing saved, or settings edited
            kept = json.loads(recall(self._key()))
            for slider in self._sliders:
                parameter = slider.parameter
                low, high = (float(end) for end in kept["ends"][f"{parameter.step} {parameter.key}"])
                if parameter.lowest <= low <= high <= parameter.highest:
                    slider.set_ends((low, high))
            with QSignalBlocker(self.scale):
                self.scale.setCurrentText(str(kept["scale"]))

    def _key(self) -> str:
        part = "" if self.part.currentText() == NO_PART else f"+{self.part.currentText()}"
        return f"{self._name}/{self.preset.currentText()}{part}"
