"""Colorize widget: colors gray or RGB images into a new RGB layer."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import QCheckBox, QFileDialog, QSpinBox, QVBoxLayout, QWidget

from decrappify.errors import DecrappifyError
from napari_decrappify.layers.image import METADATA, LayerImage, restored_attributes
from napari_decrappify.layers.visible import current_position
from napari_decrappify.widgets.choices import DeviceChoice, LayerChoice, ModelChoice
from napari_decrappify.widgets.forms import button, form, named, row
from napari_decrappify.widgets.run_panel import RunPanel
from napari_decrappify.widgets.settings import remember
from napari_decrappify.workers.colorize import Colorized, ColorizeRequest, import_weights, run_colorization
from napari_decrappify.workers.runner import Runner, warm_up

_HINT = "choose or import a colorization model; DeOldify's README says where its published weights are"
_AUTOMATIC = 1  # one below the lowest render factor


def colorizes(header: Any) -> bool:
    """Return whether a model's header is that of a colorization model."""
    return bool(header.get("card", {}).get("task") == "colorization")


class ColorizeWidget(QWidget):
    """Widget to color an image layer with a colorization model.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Passed by napari, by this name; source of the layers and target of the results.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self.setObjectName("colorize")
        self._viewer = napari_viewer
        self._runner = Runner(self)
        self._make_controls()
        self._lay_out()
        for control, key in (
            (self._render_factor, "render_factor"),
            (self._device, "device"),
            (self._all, "all_frames"),
            (self._watermark, "watermark"),
        ):
            remember(control, f"colorize/{key}")
        self._connect()
        self._update_buttons()
        warm_up()

    def _make_controls(self) -> None:
        self._layer = LayerChoice(self._viewer, "colorize_layer", "The grey or RGB layer to colour")
        self._model = ModelChoice("colorize_model", "colorize/model", accepts=colorizes)
        self._import = button(
            "colorize_import",
            "Import weights…",
            "Turn published weights, such as ColorizeArtistic_gen.pth, into a model file beside them",
        )
        self._render_factor = named(
            QSpinBox(),
            "colorize_render_factor",
            "The network sees a square of 16 times this many pixels: lower for more colour, higher for steadier colour",
        )
        self._render_factor.setRange(_AUTOMATIC, 200)
        self._render_factor.setSpecialValueText("automatic")
        self._device = DeviceChoice("colorize_device")
        self._all = named(
            QCheckBox("all frames and slices"), "colorize_all", "Colour the whole layer, not only what is shown now"
        )
        self._watermark = named(
            QCheckBox("write “AI-coloured” into the picture"), "colorize_watermark", "In the lower left corner"
        )
        self._panel = RunPanel(
            self._runner,
            "colorize",
            "Colorize",
            "Add a coloured copy as an RGB layer",
            cancel_tooltip="Stop after this picture; those that are finished are kept",
        )

    def _lay_out(self) -> None:
        fields = form()
        fields.addRow("layer", self._layer)
        choice = row(self._model, self._import)
        choice.setStretch(0, 1)
        fields.addRow("model", choice)
        fields.addRow("render factor", self._render_factor)
        fields.addRow("device", self._device)
        layout = QVBoxLayout(self)
        layout.addLayout(fields)
        layout.addWidget(self._all)
        layout.addWidget(self._watermark)
        layout.addWidget(self._panel)
        layout.addStretch(1)

    def _connect(self) -> None:
        self._layer.layer_changed.connect(self._update_buttons)
        self._model.model_changed.connect(self._update_buttons)
        self._import.clicked.connect(lambda: self._ask_for_weights())
        self._panel.run_clicked.connect(self._start)
        self._runner.started.connect(self._update_buttons)
        self._runner.reported.connect(self._panel.say)
        self._runner.succeeded.connect(self._on_success)
        self._runner.finished.connect(self._update_buttons)

    def _update_buttons(self) -> None:
        has_model = self._model.chosen is not None
        self._panel.allow(has_model and self._layer.layer is not None)
        self._import.setEnabled(not self._runner.is_running)
        if self._panel.text in ("", _HINT):
            self._panel.say("" if has_model else _HINT)

    def _ask_for_weights(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Import published weights", "", "Weights (*.pth)")
        if path:
            self._runner.start(partial(import_weights, path=Path(path)))

    def _start(self) -> None:
        layer, model = self._layer.layer, self._model.chosen
        if layer is None or model is None:
            return
        try:
            image = LayerImage.of(layer)
        except DecrappifyError as error:
            self._panel.say(str(error), is_error=True)
            return
        axes = image.axes.removesuffix("C") if image.is_rgb else image.axes
        here = current_position(self._viewer, layer, axes)
        one = ((here.get("T", 0), here.get("Z", 0)),)
        n_t, n_z = image.sizes.get("T", 1), image.sizes.get("Z", 1)
        request = ColorizeRequest(
            image=image,
            model=model,
            render_factor=self._render_factor.value() if self._render_factor.value() > _AUTOMATIC else "auto",
            device=self._device.device,
            watermark=self._watermark.isChecked(),
            planes=tuple((t, z) for t in range(n_t) for z in range(n_z)) if self._all.isChecked() else one,
            channel=here.get("C", 0),
        )
        self._runner.start(partial(run_colorization, request=request))

    def _on_success(self, result: Colorized | Path) -> None:
        if isinstance(result, Path):
            fits = self._model.add_file(result)
            self._panel.say(
                f"imported {result}" if fits else f"{result} is no colorization model; find it in Restore",
                is_error=not fits,
            )
            return
        self._add(result)

    def _add(self, result: Colorized) -> None:
        request, pictures = result.request, result.pictures
        image, (first_t, first_z) = request.image, request.planes[0]
        axes = image.axes.replace("C", "")
        part = "" if result.is_complete else f", partial: {len(pictures)} of {len(request.planes)} pictures"
        name = f"{image.name} [coloured{part}]"
        attributes = restored_attributes(image, axes=axes, start={"T": first_t, "Z": first_z})
        for key in ("colormap", "contrast_limits", "gamma"):  # those of a gray layer
            attributes.pop(key, None)
        self._viewer.add_image(
            _stacked(result, axes),
            name=name,
            rgb=True,
            metadata={
                METADATA: {
                    "coloured_from": image.name,
                    "model": str(request.model),
                    "render_factor": request.render_factor,
                    "statement": result.statement,
                }
            },
            **attributes,
        )
        self._panel.say(f"added {name}; {result.statement}")

    def closeEvent(self, event: QCloseEvent | None) -> None:
        """Cancel the run, and wait for its end."""
        self._runner.stop()
        self._layer.disconnect_viewer()
        super().closeEvent(event)


def _stacked(result: Colorized, axes: str) -> NDArray[np.uint8]:
    """Reshape images to the axes of their layer; only complete Z-stacks, since a layer has no gaps."""
    pictures = result.pictures
    n_slices = len({z for _, z in result.request.planes})
    if len(pictures) < n_slices:
        n_slices = len(pictures)
    n_frames = len(pictures) // n_slices
    lengths = {"T": n_frames, "Z": n_slices}
    shape = [lengths[axis] for axis in axes if axis in lengths]
    return pictures[: n_frames * n_slices].reshape(*shape, *pictures.shape[1:])
