"""Choice of a noise model of the camera; without one, the noise is measured in the movie itself."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QFileDialog, QLineEdit, QWidget

from napari_decrappify.widgets.choices.preferences import keep, recall
from napari_decrappify.widgets.running.forms import button, entered_path, named, row

_KEY = "camera/noise"  # one camera for all widgets


class NoiseChoice(QWidget):
    """Line edit for a noise file, empty for the noise of the movie, with a button that opens a dialog.

    Parameters
    ----------
    name : str
        Prefix of the objectNames.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self._line = named(
            QLineEdit(recall(_KEY)),
            f"{name}_noise",
            "Noise of the camera: a file that decrappify calibrate wrote for a bright raw movie at the same settings; "
            "better than the noise of the movie itself if that is dim or short",
        )
        self._line.setPlaceholderText("measured in the movie")
        self._line.setClearButtonEnabled(True)
        browse = button(f"{name}_browse_noise", "…", "Choose a file of decrappify calibrate")
        browse.setMaximumWidth(36)
        browse.clicked.connect(lambda: self._choose())
        self._line.textChanged.connect(lambda text: keep(_KEY, text))
        self.setLayout(row(self._line, browse))

    @property
    def path(self) -> Path | None:
        """The file; None for the noise of the movie."""
        text = self._line.text().strip()
        return entered_path(text) if text else None

    def showEvent(self, event: QShowEvent | None) -> None:
        """Show the file that was chosen in another widget."""
        super().showEvent(event)
        if self._line.text() != recall(_KEY):
            self._line.setText(recall(_KEY))

    def _choose(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Open a noise model", self._line.text(), "Noise models (*.toml)")
        if path:
            self._line.setText(path)
