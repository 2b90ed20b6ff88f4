"""Table of the outputs of a batch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QRect, Qt
from qtpy.QtGui import QBrush, QPalette, QResizeEvent
from qtpy.QtWidgets import QAbstractItemView, QApplication, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from napari_decrappify.widgets.running.colors import readable
from napari_decrappify.widgets.running.forms import named

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from decrappify.batch import Row

COLUMNS = ("Input", "Status", "Size", "Time", "Note")
_SHOWN = COLUMNS[:-1]  # a note is in a separate line, as wide as the table
_BAD = ("failed", "interrupted", "not started")
_BAD_COLOR = "#ff6b6b"
_LEAST_INPUT = 60  # pixels
_PADDING_X, _PADDING_Y = 12, 12  # pixels, both sides together
_WRAPPED = Qt.TextFlag.TextWordWrap.value | Qt.TextFlag.TextWrapAnywhere.value


class BatchTable(QTableWidget):
    """One row per output: input, status, size (frames × pixels) and time, with the note below it if there is one.

    Parameters
    ----------
    name : str
        objectName of the table.
    """

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        self._rows: list[Row] = []
        self._bad: list[int] = []
        super().__init__(0, len(_SHOWN), parent)
        named(self, name, "Outputs of the run, or of its estimate; notes are below their output")
        self.setHorizontalHeaderLabels(list(_SHOWN))
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setMinimumHeight(120)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        header, rows = self.horizontalHeader(), self.verticalHeader()
        if header is not None and rows is not None:
            header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
            header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
            header.setMinimumSectionSize(_LEAST_INPUT)
            header.sectionResized.connect(lambda *_: self._fit_notes())
            rows.setVisible(False)

    @property
    def texts(self) -> list[tuple[str, ...]]:
        """Texts of the outputs, one for each of `COLUMNS`."""
        return [cells(row) for row in self._rows]

    def clear_rows(self) -> None:
        """Remove all rows."""
        self._rows.clear()
        self._bad.clear()
        self.clearSpans()
        self.setRowCount(0)

    def add(self, row: Row) -> None:
        """Add the row of an output."""
        self._rows.append(row)
        *shown, note = cells(row)
        self._add_line(row, shown)
        if note:
            number = self._add_line(row, [note])
            self.setSpan(number, 0, 1, len(_SHOWN))
            self._fit_notes(number)
        self._color_rows()

    def _add_line(self, row: Row, texts: Sequence[str]) -> int:
        number = self.rowCount()
        self.insertRow(number)
        for column, text in enumerate(texts):
            item = QTableWidgetItem(text)
            item.setToolTip(row.line())
            self.setItem(number, column, item)
        if row.status in _BAD:
            self._bad.append(number)
        return number

    def changeEvent(self, event: QEvent | None) -> None:
        """Adapt the color of errors to the theme."""
        super().changeEvent(event)
        if event is not None and event.type() in (QEvent.Type.StyleChange, QEvent.Type.PaletteChange):
            self._color_rows()
            self._fit_notes()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Wrap the notes at the new width."""
        super().resizeEvent(event)
        self._fit_notes()

    def _fit_notes(self, first: int = 0) -> None:
        """Fit the height of notes to their wrapped texts; Qt's own fit ignores spans and the style of napari."""
        width = sum(self.columnWidth(column) for column in range(len(_SHOWN))) - _PADDING_X
        metrics = self.fontMetrics()
        for number in range(first, self.rowCount()):
            item = self.item(number, 0)
            if item is not None and self.columnSpan(number, 0) > 1:
                height = metrics.boundingRect(QRect(0, 0, width, 0), _WRAPPED, item.text()).height()
                self.setRowHeight(number, height + _PADDING_Y)

    def _color_rows(self) -> None:
        brush = QBrush(readable(_BAD_COLOR, self.palette().color(QPalette.ColorRole.Base)))
        for number in self._bad:
            for column in range(len(_SHOWN)):
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
        lines = ["\t".join(texts) for texts in [COLUMNS, *self.texts]]
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
