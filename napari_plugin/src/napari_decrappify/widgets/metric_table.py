"""Table of metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import QRect, Qt
from qtpy.QtWidgets import QAbstractItemView, QApplication, QHeaderView, QTableWidget, QTableWidgetItem

from napari_decrappify.widgets.running.forms import named

HEADINGS = ("Metric", "Value", "Interpretation")
_WIDTH = 430
_PADDING_X, _PADDING_Y = 24, 12  # pixels, both sides together
_WRAPPED = Qt.TextFlag.TextWordWrap.value


class MetricTable(QTableWidget):
    """Table of metrics, values and interpretations, which can be copied.

    Parameters
    ----------
    name, tooltip : str
        Of the table.
    """

    def __init__(self, name: str, tooltip: str) -> None:
        super().__init__(0, len(HEADINGS))
        named(self, name, tooltip)
        self.setHorizontalHeaderLabels(HEADINGS)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setWordWrap(True)
        self.setShowGrid(False)
        self.setAlternatingRowColors(True)
        self.setStyleSheet("QTableWidget { alternate-background-color: rgba(128, 128, 128, 40); }")
        self.setMinimumWidth(_WIDTH)
        _present(self.verticalHeader()).hide()
        header = _present(self.horizontalHeader())
        for column in (0, 1):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(2, QHeaderView.ResizeMode.Stretch)
        header.sectionResized.connect(lambda *_: self._fit_rows())
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)

    def show_rows(self, rows: Sequence[tuple[str, str, str]]) -> None:
        """Replace the rows."""
        self.setRowCount(len(rows))
        for number, texts in enumerate(rows):
            for column, text in enumerate(texts):
                item = QTableWidgetItem(text)
                item.setToolTip(text)
                self.setItem(number, column, item)
        self._fit_rows()

    def copy(self) -> None:
        """Copy the table to the clipboard, with tabs between the columns."""
        rows = [
            [_present(self.item(number, column)).text() for column in range(len(HEADINGS))]
            for number in range(self.rowCount())
        ]
        _present(QApplication.clipboard()).setText("\n".join("\t".join(texts) for texts in [list(HEADINGS), *rows]))

    def _fit_rows(self) -> None:
        """Fit the height of each row to its wrapped text; Qt's own fit ignores the padding of napari's style."""
        metrics = self.fontMetrics()
        for number in range(self.rowCount()):
            height = 0
            for column in range(self.columnCount()):
                item, area = self.item(number, column), QRect(0, 0, self.columnWidth(column) - _PADDING_X, 0)
                if item is not None:
                    height = max(height, metrics.boundingRect(area, _WRAPPED, item.text()).height())
            self.setRowHeight(number, height + _PADDING_Y)


def _present(item: Any) -> Any:
    """Return a value that is optional in the type hints of Qt but always present."""
    return item
