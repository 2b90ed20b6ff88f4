"""Compare widget: a scorecard that can be copied, and the difference as a layer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from napari.utils.colormaps import Colormap
from qtpy.QtCore import Qt
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from decrappify.errors import DecrappifyError
from napari_decrappify.layers.image import METADATA, LayerImage, restored_attributes
from napari_decrappify.layers.lazy import MovieArray, as_dask
from napari_decrappify.layers.visible import current_position
from napari_decrappify.widgets.choices import LayerChoice
from napari_decrappify.widgets.forms import button, form, named, row
from napari_decrappify.widgets.layer_ticks import is_gray
from napari_decrappify.widgets.run_panel import RunPanel
from napari_decrappify.workers.compare import Compared, CompareRequest, Difference, run_difference, run_scorecard
from napari_decrappify.workers.runner import Runner

_HINT = "choose a reference or an input to compare with"
_HEADINGS = ("Metric", "Value", "Interpretation")
_TABLE_WIDTH = 430  # wraps the longest texts once
# Blue for too dark, black for equal, orange for too bright.
_DIFFERENCE = Colormap([[0.3, 0.65, 1.0], [0.0, 0.0, 0.0], [1.0, 0.6, 0.2]], name="decrappify difference")


class CompareWidget(QWidget):
    """Widget to score a restored layer against a reference, its input, or both.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Passed by napari, by this name; source of the layers.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self.setObjectName("compare")
        self._viewer = napari_viewer
        self._runner = Runner(self)
        self._make_controls()
        self._lay_out()
        self._connect()
        self._on_restored()

    def _make_controls(self) -> None:
        self._restored = LayerChoice(self._viewer, "compare_restored", "The restored layer to compare", accepts=is_gray)
        self._reference = LayerChoice(
            self._viewer,
            "compare_reference",
            "The reference: the same scene without noise, in the same gray levels",
            accepts=is_gray,
            empty="no reference",
        )
        self._source = LayerChoice(
            self._viewer,
            "compare_input",
            "The degraded layer that was restored; adds noise and flicker metrics, also without a reference",
            accepts=is_gray,
            empty="no input",
        )
        self._panel = RunPanel(
            self._runner, "compare", "Compare", "Compute the metrics", cancel_tooltip="Stop; the table stays as it is"
        )
        self._table = named(QTableWidget(0, len(_HEADINGS)), "compare_table", "The metrics; select rows to copy them")
        self._copy = button("compare_copy", "Copy table", "Copy the table, ready for a spreadsheet")
        self._difference = button(
            "compare_difference",
            "Difference layer",
            "Add restored minus reference (or minus input) as a layer: orange is too bright, blue too dark",
        )

    def _lay_out(self) -> None:
        fields = form()
        fields.addRow("restored", self._restored)
        fields.addRow("reference", self._reference)
        fields.addRow("input", self._source)
        self._table.setHorizontalHeaderLabels(_HEADINGS)
        self._table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self._table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self._table.setWordWrap(True)
        self._table.setShowGrid(False)
        self._table.setAlternatingRowColors(True)
        self._table.setStyleSheet("QTableWidget { alternate-background-color: rgba(128, 128, 128, 40); }")
        _present(self._table.verticalHeader()).hide()
        header = _present(self._table.horizontalHeader())
        for column in (0, 1):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(2, QHeaderView.ResizeMode.Stretch)
        header.sectionResized.connect(lambda *_: self._table.resizeRowsToContents())
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self._table.setMinimumWidth(_TABLE_WIDTH)
        layout = QVBoxLayout(self)
        layout.addLayout(fields)
        layout.addWidget(self._panel)
        layout.addWidget(self._table, 1)
        layout.addLayout(row(self._copy, self._difference))

    def _connect(self) -> None:
        self._restored.layer_changed.connect(self._on_restored)
        for choice in (self._reference, self._source):
            choice.layer_changed.connect(self._update_buttons)
        self._panel.run_clicked.connect(lambda: self._start(run_scorecard))
        self._difference.clicked.connect(lambda: self._start(run_difference))
        self._copy.clicked.connect(lambda: self._copy_table())
        self._runner.started.connect(self._update_buttons)
        self._runner.succeeded.connect(self._on_success)
        self._runner.finished.connect(self._update_buttons)

    # Updates after a choice

    def _on_restored(self) -> None:
        """Choose the recorded input of the restored layer as input."""
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
            self._panel.say("" if is_ready else _HINT)

    # Compare

    def _start(self, job: Callable[..., Any]) -> None:
        restored, reference, source = (choice.layer for choice in (self._restored, self._reference, self._source))
        if restored is None:
            return
        try:
            image = LayerImage.of(restored)
            request = CompareRequest(
                restored=image,
                reference=None if reference is None else LayerImage.of(reference),
                source=None if source is None else LayerImage.of(source),
                position=current_position(self._viewer, restored, image.axes),
            )
        except DecrappifyError as error:
            self._panel.say(str(error), is_error=True)
            return
        self._runner.start(partial(job, request=request))

    def _on_success(self, result: Compared | Difference) -> None:
        if isinstance(result, Difference):
            self._add_difference(result)
        else:
            self._show(result)

    def _show(self, compared: Compared) -> None:
        self._table.setRowCount(len(compared.rows))
        for number, texts in enumerate(compared.rows):
            for column, text in enumerate(texts):
                item = QTableWidgetItem(text)
                item.setToolTip(text)
                self._table.setItem(number, column, item)
        self._table.resizeRowsToContents()
        request = compared.request
        against = [image.name for image in (request.reference, request.source) if image is not None]
        self._panel.say(
            f"{request.restored.name} against {' and '.join(against)}: {compared.n_frames} frames, "
            f"data range {compared.data_range:.4g}"
        )

    def _copy_table(self) -> None:
        lines = [
            [_present(self._table.item(number, column)).text() for column in range(len(_HEADINGS))]
            for number in range(self._table.rowCount())
        ]
        text = "\n".join("\t".join(line) for line in [list(_HEADINGS), *lines])
        _present(QApplication.clipboard()).setText(text)
        self._panel.say(f"copied {len(lines)} metrics")

    def _add_difference(self, difference: Difference) -> None:
        request = difference.request
        other = request.reference or request.source
        axes = request.restored.axes.replace("C", "")
        attributes = restored_attributes(request.restored, axes=axes)
        attributes |= {"colormap": _DIFFERENCE, "contrast_limits": (-difference.limit, difference.limit)}
        name = f"{request.restored.name} − {'' if other is None else other.name}"
        self._viewer.add_image(
            as_dask(MovieArray(difference.movie, axes)),
            name=name,
            multiscale=False,
            metadata={METADATA: {"difference_of": [request.restored.name, "" if other is None else other.name]}},
            **attributes,
        )
        self._panel.say(f"added {name}")

    # Closing

    def closeEvent(self, event: QCloseEvent | None) -> None:
        """Cancel the run, and wait for its end."""
        self._runner.stop()
        for choice in (self._restored, self._reference, self._source):
            choice.disconnect_viewer()
        super().closeEvent(event)


def _present(item: Any) -> Any:
    """Return a value that is optional in Qt's types but always present."""
    return item
