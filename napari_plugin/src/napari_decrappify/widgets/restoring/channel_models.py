"""Models of the channels that are restored together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qtpy.QtCore import QObject, QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QFormLayout, QLabel

from napari_decrappify.widgets.choices.model import ModelChoice
from napari_decrappify.widgets.running.elided import ElidedBox
from napari_decrappify.widgets.running.forms import named, shrinkable

SAME = "As above"


class ChannelModels(QObject):
    """Combo boxes for the model of each channel: rows of a form below that of the model.

    Parameters
    ----------
    models : ModelChoice
        Choice of the model of the other channels, whose entries are offered.
    name : str
        Prefix of the objectNames; channels are numbered from 0.
    """

    changed = Signal()

    def __init__(self, models: ModelChoice, name: str) -> None:
        super().__init__(models)
        self._models, self._name = models, name
        self._boxes: dict[str, ElidedBox] = {}
        self._form: QFormLayout | None = None

    def add_to(self, fields: QFormLayout) -> None:
        """Set the form that contains the choice of the model."""
        self._form = fields

    def show_channels(self, names: Sequence[str]) -> None:
        """List the channels, if they are others than before; none if one channel is restored."""
        if list(self._boxes) == list(names) or self._form is None:
            return
        for box in self._boxes.values():
            self._form.removeRow(box)
        self._boxes = {}
        place = self._form.indexOf(self._models)
        first = int(self._form.getItemPosition(place)[0]) + 1
        for number, channel in enumerate(names):
            box = ElidedBox()
            named(box, f"{self._name}_{number}", f"Model of channel {channel}; by default the model above")
            shrinkable(box, 12)
            box.currentIndexChanged.connect(lambda _: self.changed.emit())
            self._boxes[channel] = box
            label = QLabel(channel)
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setBuddy(box)
            self._form.insertRow(first + number, label, box)
        self.refresh()

    def refresh(self) -> None:
        """Update the models on offer."""
        for box in self._boxes.values():
            chosen = box.currentText()
            with QSignalBlocker(box):
                box.clear()
                box.addItem(SAME, None)
                for text, kept in self._models.entries():
                    box.addItem(text, kept)
                box.setCurrentIndex(max(0, box.findText(chosen)))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the listed channels."""
        return tuple(self._boxes)

    def model(self, number: int) -> str | Path | None:
        """Return the model of a channel; None for that of the others."""
        return self.models.get(self.names[number]) if number < len(self._boxes) else None

    @property
    def models(self) -> dict[str, str | Path]:
        """Models by channel, for the channels with another model than the others."""
        chosen = {channel: box.currentData() for channel, box in self._boxes.items()}
        return {
            channel: Path(kept[1]) if kept[0] == "file" else str(kept[1])
            for channel, kept in chosen.items()
            if kept is not None
        }
