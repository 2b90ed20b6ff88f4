"""Table of the outputs of a batch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent
from qtpy.QtGui import QBrush, QPalette
from qtpy.QtWidgets import QAbstractItemView, QApplication, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from napari_decrappify.widgets.running.colors import readable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from decrappify.batch import Row

COLUMNS = ("Input", "Status", "Size", "Time", "Note")
_BAD = ("failed", "interrupted", "not started")
_BAD_COLOR = "#ff6b6b"


class BatchTable(QTableWidget):
    """One row per output: input, status, size (frames × pixels), time and note.

    Parameters
    ----------
    name : str
        objectName of the table.
    """

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        self._bad: list[int] = []
        super().__init__(0, len(COLUMNS), parent)
        self.setObjectName(name)
        self.setToolTip("Outputs of the run, or of its estimate")
        self.setHorizontalHeaderLabels(list(COLUMNS))
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setMinimumHeight(120)
        self.setWordWrap(False)
        header, rows = self.horizontalHeader(), self.verticalHeader()
        if header is not None and rows is not None:
            header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
            header.setStretchLastSection(True)
            rows.setVisible(False)

    def clear_rows(self) -> None:
        """Remove all rows."""
        self._bad.clear()
        self.setRowCount(0)

    def add(self, row: Row) -> None:
        """Add the row of an output."""
        number = self.rowCount()
        self.insertRow(number)
        for column, text in enumerate(cells(row)):
            item = QTableWidgetItem(text)
            item.setToolTip(row.line())
            self.setItem(number, column, item)
        if row.status in _BAD:
            self._bad.append(number)
        self._color_rows()

    def changeEvent(self, event: QEvent | None) -> None:
        """Adapt the color of errors to the theme."""
        super().changeEvent(event)
        if event is not None and event.type() in (QEvent.Type.StyleChange, QEvent.Type.PaletteChange):
            self._color_rows()

    def _color_rows(self) -> None:
        brush = QBrush(readable(_BAD_COLOR, self.palette().color(QPalette.ColorRole.Base)))
        for number in self._bad:
            for column in range(len(COLUMNS)):
                item = self.item(number, column)
                if item is not None and item.foreground() != brush:
                    item.setForeground(brush)

    def show_rows(self, rows: Iterable[Row]) -> None:
        """Replace all rows."""
        self.clear_rows()
        for row in rows:
            self.add(row)

    def copy(self) -> None:
        """Copy the table to the clipboard, for a spreadsheet."""
        lines = ["\t".join(COLUMNS)]
        for number in range(self.rowCount()):
            items = (self.item(number, column) for column in range(len(COLUMNS)))
            lines.append("\t".join("" if item is None else item.text() for item in items))
        clipboard = QApplication.clipboard()
        if clipboard is not None:
            clipboard.setText("\n".join(lines))


def cells(row: Row) -> tuple[str, ...]:
    """Return the texts of a row."""
    scene = f" [{row.scene}]" if row.scene else ""
    sizes = (row.frames, row.height, row.width)
    size = "" if row.height is None else " × ".join(map(str, sizes if row.frames != 1 else sizes[1:]))
    took = "" if row.seconds is None else f"{row.seconds:.1f} s"
    name = Path(row.input).name
    note = (row.error or row.warnings).replace(row.input, name)
    return (f"{name}{scene}", row.status, size, took, note)
