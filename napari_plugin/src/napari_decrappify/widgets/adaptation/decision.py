"""Decision after an adaptation: keep the adapted model, or reject it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_decrappify.widgets.running.forms import button, row


class Decision(QWidget):
    """Buttons that are enabled while an adapted model waits for a decision.

    Parameters
    ----------
    name : str
        Prefix of the objectNames.
    """

    kept = Signal(object)  # Path
    rejected = Signal(object)  # Path

    def __init__(self, name: str) -> None:
        super().__init__()
        self._path: Path | None = None
        self._keep = button(f"{name}_keep", "Keep", "Add the adapted model to the list of the Restore widget")
        self._reject = button(f"{name}_reject", "Reject", "Delete the adapted model and the folder of its run")
        self.setLayout(row(self._keep, self._reject))
        self._keep.clicked.connect(lambda: self._decide(self.kept))
        self._reject.clicked.connect(lambda: self._decide(self.rejected))
        self.ask(None)

    @property
    def path(self) -> Path | None:
        """The model file that waits for a decision; None if there is none."""
        return self._path

    def ask(self, path: Path | None) -> None:
        """Wait for a decision on a model file; None for none."""
        self._path = path
        for each in (self._keep, self._reject):
            each.setEnabled(path is not None)

    def _decide(self, signal: Any) -> None:
        path = self._path
        self.ask(None)
        if path is not None:
            signal.emit(path)
