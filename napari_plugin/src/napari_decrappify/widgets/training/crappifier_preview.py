"""Live preview of a crappifier on the canvas, updated when its sliders or those of the viewer move."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QWidget

from decrappify.errors import DecrappifyError
from napari_decrappify.layers.canvas.preview import CrappifiedPreview
from napari_decrappify.layers.canvas.region import displayed_region
from napari_decrappify.layers.image import LayerImage
from napari_decrappify.widgets.choices.layer import LayerChoice, is_trainable
from napari_decrappify.widgets.choices.preferences import remember
from napari_decrappify.widgets.running.forms import named
from napari_decrappify.widgets.training.crappifier_controls import CrappifierControls
from napari_decrappify.workers.models.crappify import Crappified, CrappifyPreviewer, CrappifySettings
from napari_decrappify.workers.running.messages import one_line
from napari_decrappify.workers.running.outcome import Failed, Finished, Outcome
from napari_decrappify.workers.running.runner import Runner

_DELAY_MS = 120
_LARGEST = 512  # pixels along Y and X, so that the preview follows a slider without delay


class CrappifierPreview(QWidget):
    """Check box and layer choice of the preview.

    Parameters
    ----------
    viewer : napari.Viewer
        Viewer of the layer and of the preview.
    controls : CrappifierControls
        The crappifier.
    name : str
        Prefix of the objectNames.
    """

    failed = Signal(str)  # one-line error, empty after the next success

    def __init__(self, viewer: Any, controls: CrappifierControls, name: str) -> None:
        super().__init__()
        self._viewer, self._controls = viewer, controls
        self._runner = Runner(self)
        self._previewer = CrappifyPreviewer()
        self._shown = CrappifiedPreview(viewer)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_DELAY_MS)
        self._live = named(
            QCheckBox("Preview on layer"), f"{name}_live", "Degrade the right half of the displayed part of this layer"
        )
        self._layer = LayerChoice(
            viewer, f"{name}_preview_layer", "Layer on which the crappifier is previewed", accepts=is_trainable
        )
        self._is_chosen, self._has_failed = False, False
        self._moved = (viewer.dims.events.current_step, viewer.dims.events.ndisplay)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._live)
        layout.addWidget(self._layer, 1)
        remember(self._live, f"{name}/live")
        self._connect()
        self._schedule()

    def follow(self, layer: Any) -> None:
        """Preview a training layer, unless the user has chosen the layer of the preview."""
        if layer is not None and not self._is_chosen:
            self._layer.layer = layer

    def stop(self) -> None:
        """Stop a running preview, and disconnect from the viewer; for a widget that closes."""
        self._timer.stop()
        self._runner.stop()
        self._previewer.close()
        self._layer.disconnect_viewer()
        for event in self._moved:
            event.disconnect(self._schedule)

    def _on_chosen(self) -> None:
        self._is_chosen = True

    def _connect(self) -> None:
        self._controls.changed.connect(self._schedule)
        self._layer.layer_changed.connect(self._schedule)
        self._layer.activated.connect(lambda _: self._on_chosen())
        self._live.toggled.connect(self._on_toggled)
        self._timer.timeout.connect(self._start)
        self._runner.ended.connect(self._on_end)
        for event in self._moved:
            event.connect(self._schedule)

    def _on_toggled(self, is_on: bool) -> None:
        if is_on:
            self._schedule()
        else:
            self._shown.remove()

    def _schedule(self, _: Any = None) -> None:
        if self._live.isChecked():
            self._timer.start()

    def _start(self) -> None:
        layer = self._layer.layer
        if layer is None or not self._live.isChecked():
            return
        if self._viewer.dims.ndisplay != 2:
            self._fail("the preview requires the 2D view; switch the canvas to 2D")
            return
        if self._runner.is_running:
            self._timer.start()
            return
        try:
            image = LayerImage.of(layer)
            region = displayed_region(self._viewer, layer, image).right_half(_LARGEST)
            settings = CrappifySettings(image=image, crappifier=self._controls.crappifier, region=region)
        except DecrappifyError as error:
            self._fail(one_line(error))
            return
        self._runner.start(self._previewer.preview, settings)

    def _on_end(self, outcome: Outcome) -> None:
        if isinstance(outcome, Failed):
            self._fail(outcome.message)
        elif isinstance(outcome, Finished) and self._live.isChecked():
            crappified: Crappified = outcome.result
            settings = crappified.settings
            self._shown.show(settings.image, settings.region, crappified.pixels, settings.crappifier)
            if self._has_failed:
                self._has_failed = False
                self.failed.emit("")

    def _fail(self, message: str) -> None:
        self._has_failed = True
        self.failed.emit(message)
