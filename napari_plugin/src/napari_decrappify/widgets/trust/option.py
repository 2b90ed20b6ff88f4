"""Option of the Restore widget: compute the trust map of each result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QCheckBox, QLabel, QVBoxLayout, QWidget

from napari_decrappify.widgets.choices.noise import NoiseChoice
from napari_decrappify.widgets.choices.preferences import remember
from napari_decrappify.widgets.running.forms import named, row
from napari_decrappify.widgets.trust.legend import TrustLegend
from napari_decrappify.widgets.trust.shown import show_trust
from napari_decrappify.workers.movies.restore import Restored
from napari_decrappify.workers.movies.trust import TrustedRestored, with_trust


class TrustOption(QWidget):
    """Check box, and the legend of the latest map.

    Parameters
    ----------
    viewer : napari.Viewer
        Viewer of the results.
    name : str
        Prefix of the objectNames.
    """

    def __init__(self, viewer: Any, name: str) -> None:
        super().__init__()
        self._viewer = viewer
        self._box = named(
            QCheckBox("Trust map"),
            name,
            "Compare the result with the raw data, and show which structures they confirm, contradict or cannot test; "
            "adds a third to the time",
        )
        self._noise = NoiseChoice(name)
        self._legend = TrustLegend(name)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._box)
        self._noise_row = QWidget()
        self._noise_row.setLayout(row(QLabel("Noise"), self._noise))
        layout.addWidget(self._noise_row)
        layout.addWidget(self._legend)
        self._box.toggled.connect(self._noise_row.setVisible)
        self._noise_row.hide()
        remember(self._box, name.replace("_", "/", 1))

    @property
    def is_on(self) -> bool:
        """Whether a map is computed after the restoration."""
        return self._box.isChecked()

    @property
    def noise(self) -> Path | None:
        """Noise model of the camera; None for the noise of the movie."""
        return self._noise.path

    def job(self, restore: Callable[..., Restored]) -> Callable[..., Restored]:
        """Return the job of a run: the restoration, with the map if the box is ticked."""
        self._legend.show_record(None)
        return with_trust(restore, self.noise) if self.is_on else restore

    def show_result(self, layers: Sequence[Any], result: Restored) -> str:
        """Show the map of a result, and return what to add to the status line."""
        if not isinstance(result, TrustedRestored):
            return ""
        if result.trust is not None and layers:
            show_trust(self._viewer, layers, result.trust)
        self._legend.show_record(result.trust)
        return f"; {result.note}" if result.note else ""
