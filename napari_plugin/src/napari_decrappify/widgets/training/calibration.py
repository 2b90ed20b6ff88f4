"""Page of the Train widget that measures a crappifier in a low-dose layer."""

from __future__ import annotations

import re
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from decrappify import Crappifier
from decrappify.errors import DecrappifyError, InputError
from napari_decrappify.commands.train import calibrate_command
from napari_decrappify.layers.canvas.region import current_position
from napari_decrappify.layers.image import LayerImage
from napari_decrappify.widgets.choices.layer import LayerChoice, is_gray, is_source
from napari_decrappify.widgets.running.forms import form, named, scrolled
from napari_decrappify.widgets.running.run_panel import RunPanel
from napari_decrappify.widgets.running.run_widget import RunWidget
from napari_decrappify.widgets.training.images import TrainingImages
from napari_decrappify.widgets.training.patch_strip import PatchStrip
from napari_decrappify.widgets.training.plots import Curve, CurvePlot
from napari_decrappify.workers.models.calibrate import Calibrated, CalibrationSettings, Side, calibrate_layer
from napari_decrappify.workers.running.messages import one_line

_RECORDED, _SIMULATED = "#4fc3f7", "#ffb74d"


class CalibrationPage(RunWidget):
    """Page that measures the noise of a layer, and compares it with a degraded training image.

    Parameters
    ----------
    viewer : napari.Viewer
        Viewer of the layers.
    images : TrainingImages
        Choice of the training images.
    name : str
        Prefix of the objectNames.
    """

    calibrated = Signal(object)  # Crappifier

    def __init__(self, viewer: Any, images: TrainingImages, name: str) -> None:
        super().__init__(viewer, name)
        self._images = images
        self._layer = LayerChoice(
            viewer,
            f"{name}_layer",
            "Raw low-dose layer of your microscope, from which noise and blur are measured; of several channels, the "
            "displayed one",
            accepts=lambda layer: is_gray(layer) and is_source(layer),
            follows=True,
        )
        self._panel = RunPanel(
            self._runner,
            name,
            "Calibrate",
            "Measure noise and blur, and choose them as the crappifier of the page Setup",
            cancel_tooltip="Stop the measurement",
            after_cancel="the crappifier is unchanged",
        )
        self.strip = named(
            PatchStrip("recorded and simulated images after the calibration"),
            f"{name}_images",
            "Part of the layer, and of a training image that was degraded with the measured crappifier",
        )
        histogram = CurvePlot("Histogram (% of the pixels by relative gray level)", has_values=False)
        self.histogram = named(histogram, f"{name}_histogram", "Histograms of both images")
        profile = CurvePlot("Profile (relative gray level by column)", has_values=False)
        self.profile = named(profile, f"{name}_profile", "Middle rows of both images")
        self._table = named(QLabel(), f"{name}_table", "Measured quantities with their standard errors")
        self._table.setWordWrap(True)
        self._lay_out()
        self._layer.layer_changed.connect(self._update_buttons)
        self._panel.run_clicked.connect(self._start)
        self._connect_runner()
        self._update_buttons()

    def follow(self, widget: QWidget) -> None:
        """Cancel a running measurement when napari closes the dock of the widget that contains this page."""
        widget.installEventFilter(self._runner)

    @property
    def is_busy(self) -> bool:
        """Whether a measurement is running."""
        return self._runner.is_running

    def stop(self) -> None:
        """Cancel a running measurement and disconnect from the viewer; for a widget that closes."""
        self._runner.stop()
        self._layer.disconnect_viewer()

    def _lay_out(self) -> None:
        fields = form()
        fields.addRow("Low-dose layer", self._layer)
        page = QWidget()
        inner = QVBoxLayout(page)
        inner.addLayout(fields)
        inner.addWidget(self.strip, 1)
        inner.addWidget(self.histogram, 1)
        inner.addWidget(self.profile, 1)
        inner.addWidget(self._table)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scrolled(page), 1)
        layout.addWidget(self._panel)

    def _update_buttons(self) -> None:
        reason = "no image layer; open a raw movie of your microscope" if self._layer.layer is None else ""
        self._panel.allow(not reason, reason)

    def _settings(self) -> CalibrationSettings:
        layer = self._layer.layer
        if layer is None:
            raise InputError("no image layer; open a raw movie of your microscope")
        low = LayerImage.of(layer)
        high = tuple(image for image in self._images.images() if image.name != low.name)
        channel = current_position(self._viewer, layer, low.layer_axes).get("C", 0)
        return CalibrationSettings(low=low, high=high, channel=channel)

    def _start(self) -> None:
        try:
            settings = self._settings()
        except DecrappifyError as error:
            self._panel.show_error(one_line(error))
            return
        self._runner.start(calibrate_layer, settings)

    def _command(self) -> str:
        return calibrate_command(self._settings())

    def _show_result(self, result: Calibrated) -> None:
        sides: list[tuple[str, str, Side]] = [("recorded", _RECORDED, result.recorded)]
        if result.simulated is not None:
            sides.append(("simulated", _SIMULATED, result.simulated))
        self.strip.show_images([(name, side.image) for name, _, side in sides])
        self.histogram.show_curves([Curve(name, side.histogram, color) for name, color, side in sides])
        self.profile.show_curves([Curve(name, side.profile, color) for name, color, side in sides])
        self._table.setText("\n".join(map(_sentence, result.table.splitlines())))
        crappifier: Crappifier = result.crappifier
        self.calibrated.emit(crappifier)
        hint = "" if result.simulated is not None else "; tick other training images on the page Setup to compare"
        self._panel.show_status(f"{crappifier.name} is the crappifier of the page Setup{hint}")


def _sentence(line: str) -> str:
    """Return a row of a table without its columns.

    >>> _sentence("gain         2.31 ± 0.05 gray levels   with dark frames")
    'Gain: 2.31 ± 0.05 gray levels (with dark frames)'
    """
    name, *parts = re.split(r"\s{2,}", line.strip())
    value, note = [*parts, "", ""][:2]
    return f"{name[:1].upper()}{name[1:]}: {value}{f' ({note})' if note else ''}"
