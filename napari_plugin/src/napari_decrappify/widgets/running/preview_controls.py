"""Controls of a model preview: buttons, split and side-by-side view."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QGroupBox, QLabel, QSlider, QVBoxLayout

from napari_decrappify.layers.canvas.preview import RestoredPreview
from napari_decrappify.widgets.choices.preferences import remember
from napari_decrappify.widgets.running.forms import button, named, row
from napari_decrappify.workers.movies.preview import Previewed


class PreviewControls(QGroupBox):
    """Group of the preview, with the layer that shows it.

    Parameters
    ----------
    viewer : napari.Viewer
        Viewer of the preview.
    name : str
        Prefix of the objectNames.
    """

    def __init__(self, viewer: Any, name: str) -> None:
        super().__init__("Preview of the displayed frame")
        self._viewer = viewer
        self._layer = RestoredPreview(viewer)
        self._started_for: Any = None
        self._shown_for: Any = None
        self.start = button(f"{name}_preview", "Preview", "Restore the displayed part of the frame")
        clear = button(f"{name}_clear", "Clear", "Remove the preview layer")
        split = named(
            QSlider(Qt.Orientation.Horizontal),
            f"{name}_split",
            "Comparison: input on the left of the split, preview on the right",
        )
        split.setRange(0, 100)
        grid = named(QCheckBox("Side by side"), f"{name}_grid", "Show all layers in a grid, with one camera")
        inner = QVBoxLayout(self)
        inner.addLayout(row(self.start, clear))
        inner.addLayout(row(QLabel("Split"), split))
        inner.addWidget(grid)
        clear.clicked.connect(lambda: self._layer.remove())
        split.valueChanged.connect(lambda percent: self._layer.move_split(percent / 100))
        grid.toggled.connect(self._show_grid)
        remember(split, f"{name}/split")
        viewer.dims.events.current_step.connect(self._remove_outdated)

    def disconnect_viewer(self) -> None:
        """Disconnect from the viewer; for a widget that closes."""
        self._viewer.dims.events.current_step.disconnect(self._remove_outdated)

    def begin(self, choices: Any) -> None:
        """Record the choices of layer and models of a preview that starts."""
        self._started_for = choices

    def keep_for(self, choices: Any) -> None:
        """Remove the preview if it is that of another choice of layer and models."""
        if self._layer.is_shown and self._shown_for != choices:
            self._layer.remove()

    def show_preview(self, previewed: Previewed) -> bool:
        """Show a preview on the canvas; return False if another frame is displayed by now."""
        settings = previewed.settings
        if not self._layer.is_displayed(settings.image, settings.region):
            return False
        self._shown_for = self._started_for
        name = Path(settings.model).name.removesuffix(".safetensors")
        self._layer.show(settings.image, settings.region, previewed.pixels, scale=previewed.scale, model_name=name)
        return True

    def _remove_outdated(self, _: Any = None) -> None:
        """Remove the preview of another frame or slice than the displayed one."""
        if self._layer.is_shown and not self._layer.is_current:
            self._layer.remove()

    def _show_grid(self, is_on: bool) -> None:
        grid = self._viewer.canvas.grid
        grid.stride, grid.enabled = 1, is_on
