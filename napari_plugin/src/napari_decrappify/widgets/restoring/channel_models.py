"""Models of the channels of a scene that are restored together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFormLayout, QLabel, QWidget

from napari_decrappify.widgets.choices.model import ModelChoice
from napari_decrappify.widgets.running.elided import ElidedBox
from napari_decrappify.widgets.running.forms import form, named, shrinkable

SAME = "As above"


class ChannelModels(QWidget):
    """A combo box for the model of each channel, hidden unless several channels are restored.

    Parameters
    ----------
    models : ModelChoice
        Choice of the model of the other channels, whose entries are offered.
    name : str
        Prefix of the objectNames; channels are numbered from 0.
    """

    def __init__(self, models: ModelChoice, name: str) -> None:
        super().__init__()
        self._models, self._name = models, name
        self._boxes: dict[str, ElidedBox] = {}
        self._form: QFormLayout = form()
        self.setLayout(self._form)
        self.hide()

    def show_channels(self, names: Sequence[str]) -> None:
        """List the channels, if they are others than before."""
        self.setVisible(bool(names))
        if list(self._boxes) == list(names):
            return
        while self._form.rowCount():
            self._form.removeRow(0)
        self._boxes = {}
        for number, channel in enumerate(names):
            box = ElidedBox()
            named(box, f"{self._name}_{number}", f"Model of channel {channel}; by default the model above")
            shrinkable(box, 12)
            self._boxes[channel] = box
            label = QLabel(channel)
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setBuddy(box)
            self._form.addRow(label, box)
        self.refresh()

    def refresh(self) -> None:
        """Update the models on offer."""
        for box in self._boxes.values():
            chosen = box.currentText()
            box.clear()
            box.addItem(SAME, None)
            for text, kept in self._models.entries():
                box.addItem(text, kept)
            box.setCurrentIndex(max(0, box.findText(chosen)))

    @property
    def models(self) -> dict[str, str | Path]:
        """Models by channel, for the channels with another model than the others."""
        if self.isHidden():
            return {}
        chosen = {channel: box.currentData() for channel, box in self._boxes.items()}
        return {
            channel: Path(kept[1]) if kept[0] == "file" else str(kept[1])
            for channel, kept in chosen.items()
            if kept is not None
        }
