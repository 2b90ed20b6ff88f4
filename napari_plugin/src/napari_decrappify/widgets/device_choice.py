"""Combo box of the devices."""

from __future__ import annotations

from qtpy.QtWidgets import QComboBox, QWidget

DEVICES = {"Automatic": "auto", "CPU": "cpu", "GPU (CUDA)": "cuda", "Apple GPU (MPS)": "mps"}


class DeviceChoice(QComboBox):
    """Combo box of the devices."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.setToolTip("Device of the network; automatic uses a GPU if available")
        for label, device in DEVICES.items():
            self.addItem(label, device)

    @property
    def device(self) -> str:
        """Device for `decrappify`."""
        return str(self.currentData())
