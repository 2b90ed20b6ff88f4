"""Compare widget: a scorecard that can be copied, and a difference layer."""

from __future__ import annotations

from typing import Any

from napari.utils.colormaps import Colormap
from qtpy.QtWidgets import QVBoxLayout, QWidget

from decrappify.errors import InputError
from napari_decrappify.commands.other import compare_command
from napari_decrappify.layers.attributes import displayed_alone, restored_attributes
from napari_decrappify.layers.canvas.region import current_position
from napari_decrappify.layers.files.scenes import origin_of
from napari_decrappify.layers.image import METADATA
from napari_decrappify.layers.lazy import MovieArray, as_dask
from napari_decrappify.widgets.choices.layer import LayerChoice, is_gray
from napari_decrappify.widgets.metric_table import MetricTable
from napari_decrappify.widgets.running.forms import button, form, row, scrolled
from napari_decrappify.widgets.running.run_panel import RunPanel
from napari_decrappify.widgets.running.run_widget import RunWidget
from napari_decrappify.workers.movies.compare import (
    Compared,
    CompareSettings,
    Difference,
    compute_difference,
    compute_scorecard,
)
from napari_decrappify.workers.running.task import Job

_HINT = "choose a reference or an input to compare with"
# Blue: too dark; black: equal; orange: too bright.
_DIFFERENCE = Colormap([[0.3, 0.65, 1.0], [0.0, 0.0, 0.0], [1.0, 0.6, 0.2]], name="decrappify difference")


class CompareWidget(RunWidget):
    """Widget to score a restored layer against a reference, its input, or both.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Viewer of the layers; napari passes it by this parameter name.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(napari_viewer, "compare")
        self._create_controls()
        self._lay_out()
        self._connect()
        self._on_restored()

    def _create_controls(self) -> None:
        self._restored = LayerChoice(self._viewer, "compare_restored", "Restored layer to compare", accepts=is_gray)
        self._reference = LayerChoice(
            self._viewer,
            "compare_reference",
            "Reference: the same scene without noise, in the same gray levels",
            accepts=is_gray,
            empty="No reference",
        )
        self._source = LayerChoice(
            self._viewer,
            "compare_input",
            "Degraded layer that was restored; adds noise and flicker metrics, and does not require a reference",
            accepts=is_gray,
            empty="No input",
        )
        self._panel = RunPanel(
            self._runner,
            "compare",
            "Compare",
            "Compute the metrics",
            cancel_tooltip="Stop; the table is not changed",
            after_cancel="the table and the layers are unchanged",
        )
        self._table = MetricTable("compare_table", "Metrics; select rows to copy them")
        self._copy = button("compare_copy", "Copy table", "Copy the table to the clipboard, for a spreadsheet")
        self._difference = button(
            "compare_difference",
            "Difference layer",
            "Add the layer restored minus reference (or minus input): orange is too bright, blue too dark",
        )

    def _lay_out(self) -> None:
        fields = form()
        fields.addRow("Restored", self._restored)
        fields.addRow("Reference", self._reference)
        fields.addRow("Input", self._source)
        page = QWidget()
        inner = QVBoxLayout(page)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.addLayout(fields)
        inner.addWidget(self._table, 1)
        inner.addLayout(row(self._copy, self._difference))
        layout = QVBoxLayout(self)
        layout.addWidget(scrolled(page), 1)
        layout.addWidget(self._panel)

    def _connect(self) -> None:
        self._restored.layer_changed.connect(self._on_restored)
        for choice in (self._reference, self._source):
            choice.layer_changed.connect(self._update_buttons)
        self._panel.run_clicked.connect(lambda: self._start(compute_scorecard))
        self._difference.clicked.connect(lambda: self._start(compute_difference))
        self._copy.clicked.connect(lambda: self._copy_table())
        self._connect_runner()

    def _on_restored(self) -> None:
        """Select the layer from which the restored layer was computed as input."""
        layer = self._restored.layer
        name = None if layer is None else layer.metadata.get(METADATA, {}).get("restored_from")
        for other in self._viewer.layers:
            if other.name == name and is_gray(other):
                self._source.layer = other
        self._update_buttons()

    def _update_buttons(self) -> None:
        chosen = (self._reference.layer, self._source.layer)
        is_ready = self._restored.layer is not None and any(layer is not None for layer in chosen)
        self._panel.allow(is_ready)
        self._difference.setEnabled(is_ready and not self._runner.is_running)
        self._copy.setEnabled(self._table.rowCount() > 0)
        if self._panel.text in ("", _HINT):
            self._panel.show_status("" if is_ready else _HINT)

    def _start(self, job: Job) -> None:
        settings = self._settings()
        if settings is not None:
            self._runner.start(job, settings)

    def _settings(self) -> CompareSettings | None:
        """Return the chosen layers; None after an error, which is shown in the status line."""
        layers = [choice.layer for choice in (self._restored, self._reference, self._source)]
        pairs = [(layer, self._image(layer)) for layer in layers]
        restored, reference, source = (image for _, image in pairs)
        if restored is None or any(layer is not None and image is None for layer, image in pairs):
            return None
        position = current_position(self._viewer, layers[0], restored.layer_axes)
        if restored.sizes.get("C", 1) == 1:
            position["C"] = origin_of(restored).get("channel", 0)  # of the other layers, if they have several
        return CompareSettings(restored=restored, reference=reference, source=source, position=position)

    def _command(self) -> str:
        settings = self._settings()
        if settings is None:
            raise InputError(self._panel.text if self._panel.is_error else _HINT)
        return compare_command(settings)

    def _show_result(self, result: Compared | Difference) -> None:
        if isinstance(result, Difference):
            self._add_difference(result)
        else:
            self._show_table(result)

    def _show_table(self, compared: Compared) -> None:
        self._table.show_rows(compared.rows)
        settings = compared.settings
        against = [image.name for image in (settings.reference, settings.source) if image is not None]
        self._panel.show_status(
            f"{settings.restored.name} against {' and '.join(against)}: {compared.n_frames} frames, "
            f"data range {compared.data_range:.4g}"
        )

    def _copy_table(self) -> None:
        self._table.copy()
        self._panel.show_status(f"copied {self._table.rowCount()} metrics")

    def _add_difference(self, difference: Difference) -> None:
        settings = difference.settings
        other = settings.reference or settings.source
        names = [settings.restored.name, "" if other is None else other.name]
        axes = settings.restored.layer_axes
        has_channels = settings.restored.sizes.get("C", 1) > 1
        start = {"C": settings.position.get("C", 0)} if has_channels else {}
        attributes = displayed_alone(restored_attributes(settings.restored, axes=axes, start=start))
        attributes |= {"colormap": _DIFFERENCE, "contrast_limits": (-difference.limit, difference.limit)}
        self._viewer.add_image(
            as_dask(MovieArray(difference.movie, axes)),
            name=" − ".join(names),
            multiscale=False,
            metadata={METADATA: {"difference_of": names}},
            **attributes,
        )
        self._panel.show_status(f"added the layer {' − '.join(names)}")

    def _release(self) -> None:
        for choice in (self._restored, self._reference, self._source):
            choice.disconnect_viewer()
