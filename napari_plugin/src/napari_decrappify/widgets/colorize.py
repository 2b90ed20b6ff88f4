"""Colorize widget: colorizes gray or RGB images into a new RGB layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtWidgets import QCheckBox, QFileDialog, QSpinBox, QVBoxLayout, QWidget

from decrappify.errors import InputError
from napari_decrappify.commands.other import colorize_command
from napari_decrappify.layers.attributes import displayed_alone, restored_attributes
from napari_decrappify.layers.canvas.region import current_position
from napari_decrappify.layers.image import METADATA
from napari_decrappify.widgets.choices.device import DeviceChoice
from napari_decrappify.widgets.choices.fidelity import FidelityChoice
from napari_decrappify.widgets.choices.layer import LayerChoice
from napari_decrappify.widgets.choices.model import ModelChoice
from napari_decrappify.widgets.choices.preferences import remember
from napari_decrappify.widgets.running.forms import button, form, named, row, scrolled
from napari_decrappify.widgets.running.run_panel import RunPanel
from napari_decrappify.widgets.running.run_widget import RunWidget
from napari_decrappify.workers.movies.colorize import Colorized, ColorizeSettings, colorize_layer, import_weights
from napari_decrappify.workers.running.warm_up import warm_up

_HINT = "choose or import a colorization model; the README of DeOldify links to published weights"
_AUTOMATIC = 1  # below the lowest render factor


def colorizes(header: Any) -> bool:
    """Return whether a model's header is that of a colorization model."""
    return bool(header.get("card", {}).get("task") == "colorization")


class ColorizeWidget(RunWidget):
    """Widget to colorize an image layer with a colorization model.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Viewer of the layers and results; napari passes it by this parameter name.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer, "colorize")
        self._create_controls()
        self._lay_out()
        remember(self._render_factor, "colorize/render_factor")
        remember(self._all, "colorize/all_frames")
        remember(self._watermark, "colorize/watermark")
        self._connect()
        self._update_buttons()
        warm_up()

    def _create_controls(self) -> None:
        self._layer = LayerChoice(self._viewer, "colorize_layer", "Gray or RGB layer to colorize")
        self._model = ModelChoice("colorize_model", "colorize/model", accepts=colorizes)
        self._import = button(
            "colorize_import",
            "Import weights…",
            "Convert published weights, such as ColorizeArtistic_gen.pth, to a model file in the same folder",
        )
        self._fidelity = FidelityChoice("colorize_fidelity")
        self._render_factor = named(
            QSpinBox(),
            "colorize_render_factor",
            "Side of the square that the network processes, in units of 16 pixels: lower values result in more color, "
            "higher values in more stable color",
        )
        self._render_factor.setRange(_AUTOMATIC, 200)
        self._render_factor.setSpecialValueText("Automatic")
        self._device = DeviceChoice("colorize_device", "colorize/device")
        self._all = named(
            QCheckBox("All frames and slices"), "colorize_all", "Colorize the whole layer, not only the displayed plane"
        )
        self._watermark = named(
            QCheckBox('Write "AI-colorized" into the image'), "colorize_watermark", "In the lower left corner"
        )
        self._panel = RunPanel(
            self._runner,
            "colorize",
            "Colorize",
            "Add a colorized copy of the layer as an RGB layer",
            cancel_tooltip="Stop after the current image; finished images are added",
            after_cancel="no layer was added",
        )

    def _lay_out(self) -> None:
        fields = form()
        fields.addRow("Layer", self._layer)
        choice = row(self._model, self._import)
        choice.setStretch(0, 1)
        fields.addRow("Model", choice)
        self._fidelity.add_to(fields)
        fields.addRow("Render factor", self._render_factor)
        fields.addRow("Device", self._device)
        page = QWidget()
        inner = QVBoxLayout(page)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.addLayout(fields)
        inner.addWidget(self._all)
        inner.addWidget(self._watermark)
        inner.addStretch(1)
        layout = QVBoxLayout(self)
        layout.addWidget(scrolled(page), 1)
        layout.addWidget(self._panel)

    def _connect(self) -> None:
        self._layer.layer_changed.connect(self._update_buttons)
        self._model.model_changed.connect(self._update_buttons)
        self._import.clicked.connect(lambda: self._import_weights())
        self._panel.run_clicked.connect(self._start)
        self._connect_runner()

    def _update_buttons(self) -> None:
        self._fidelity.follow(self._model.header)
        has_model = self._model.chosen is not None
        self._panel.allow(has_model and self._layer.layer is not None)
        self._import.setEnabled(not self._runner.is_running)
        if self._panel.text in ("", _HINT):
            self._panel.show_status("" if has_model else _HINT)

    def _import_weights(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Import published weights", "", "Weights (*.pth)")
        if path:
            self._runner.start(import_weights, Path(path))

    def _start(self) -> None:
        settings = self._settings()
        if settings is not None:
            self._runner.start(colorize_layer, settings)

    def _command(self) -> str:
        settings = self._settings()
        if settings is None:
            raise InputError(self._panel.text if self._panel.is_error else "no layer or no model; choose both")
        return colorize_command(settings)

    def _settings(self) -> ColorizeSettings | None:
        """Return the values of the controls; None without layer or model, or after an error, which is shown."""
        layer, model = self._layer.layer, self._model.chosen
        image = self._image(layer)
        if image is None or model is None:
            return None
        axes = image.layer_axes
        position = current_position(self._viewer, layer, axes)
        displayed = ((position.get("T", 0), position.get("Z", 0)),)
        n_t, n_z = image.sizes.get("T", 1), image.sizes.get("Z", 1)
        factor = self._render_factor.value()
        return ColorizeSettings(
            image=image,
            model=model,
            render_factor=factor if factor > _AUTOMATIC else "auto",
            device=self._device.device,
            watermark=self._watermark.isChecked(),
            fidelity=self._fidelity.fidelity,
            planes=tuple(np.ndindex(n_t, n_z)) if self._all.isChecked() else displayed,
            channel=position.get("C", 0),
        )

    def _show_result(self, result: Colorized | Path) -> None:
        if isinstance(result, Colorized):
            self._add(result)
        elif self._model.add_file(result):
            self._panel.show_status(f"imported {result}")
        else:
            self._panel.show_error(f"{result} is not a colorization model; open it in the Restore widget")

    def _add(self, result: Colorized) -> None:
        settings, n_images = result.settings, len(result.images)
        image, (first_t, first_z) = settings.image, settings.planes[0]
        axes = image.layer_axes  # an axis C has length 1, at the place of the channel
        part = "" if result.is_complete else f", partial: {n_images} of {len(settings.planes)} images"
        name = f"{image.name} [colorized{part}]"
        start = {"T": first_t, "C": settings.channel, "Z": first_z}
        attributes = displayed_alone(restored_attributes(image, axes=axes, start=start))
        for key in ("colormap", "contrast_limits", "gamma"):  # of the gray layer
            attributes.pop(key, None)
        recorded = {
            "colorized_from": image.name,
            "model": str(settings.model),
            "render_factor": settings.render_factor,
            **({} if settings.fidelity is None else {"fidelity": settings.fidelity}),
            "statement": result.statement,
        }
        self._viewer.add_image(_stacked(result, axes), name=name, rgb=True, metadata={METADATA: recorded}, **attributes)
        self._panel.show_status(f"added the layer {name}; {result.statement}")

    def _release(self) -> None:
        self._layer.disconnect_viewer()


def _stacked(result: Colorized, axes: str) -> NDArray[np.uint8]:
    """Reshape images to the axes of their layer; incomplete Z-stacks are omitted, since a layer has no gaps."""
    images = result.images
    n_slices = min(len(images), len({z for _, z in result.settings.planes}))
    n_frames = len(images) // n_slices
    planes = images[: n_frames * n_slices].reshape(n_frames, 1, n_slices, *images.shape[1:])
    places = ["TCZYX".index(axis) for axis in axes]
    absent = tuple(place for place in range(3) if place not in places)  # of length 1
    return planes.transpose(*absent, *places, 5).reshape(*(planes.shape[place] for place in places), 3)
