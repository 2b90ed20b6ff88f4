"""Combo box of the devices."""

from __future__ import annotations

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QComboBox, QWidget

from napari_decrappify.widgets.choices.preferences import keep, recall
from napari_decrappify.widgets.running.forms import named
from napari_decrappify.workers.running.devices import gpus
from napari_decrappify.workers.running.warm_up import warm_up

_ALWAYS = {"Automatic": "auto", "CPU": "cpu"}
_GPUS = {"cuda": "GPU (CUDA)", "mps": "Apple GPU (MPS)"}
_POLL_MS = 300


class DeviceChoice(QComboBox):
    """Combo box of the devices of this computer, with a persistent choice; GPUs are added when torch has found them.

    Parameters
    ----------
    name : str
        objectName of the box.
    key : str
        Settings key of the choice, such as ``"restore/device"``.
    """

    def __init__(self, name: str, key: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        named(self, name, "Device of the network; automatic uses a GPU if available")
        for label, device in _ALWAYS.items():
            self.addItem(label, device)
        self._kept = recall(key, "Automatic")
        self.setCurrentText(self._kept)
        self.currentTextChanged.connect(lambda text: keep(key, text))
        self._timer = QTimer(self)
        self._timer.setInterval(_POLL_MS)
        self._timer.timeout.connect(self._add_gpus)
        self._add_gpus()
        if gpus() is None:
            warm_up()
            self._timer.start()

    @property
    def device(self) -> str:
        """Device for `decrappify`."""
        return str(self.currentData())

    def _add_gpus(self) -> None:
        found = gpus()
        if found is None:
            return
        self._timer.stop()
        for device in found:
            self.addItem(_GPUS[device], device)
        if self.currentIndex() == 0 and self.findText(self._kept) >= 0:  # unless the user has chosen another one
            self.setCurrentText(self._kept)
