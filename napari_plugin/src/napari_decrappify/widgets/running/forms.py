"""Helpers for forms: named controls, rows, a folder box, and a scroll area."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypeVar

from qtpy.QtCore import QEvent, QObject, QSize
from qtpy.QtWidgets import (
    QAbstractButton,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QWidget,
)

from napari_decrappify.widgets.running.wheel import ignore_wheel

W = TypeVar("W", bound=QWidget)
_LEAST_HEIGHT = 96  # pixels of a scroll area: three rows of a form


def named(widget: W, name: str, tooltip: str) -> W:
    """Set objectName, tooltip and accessible name of a control, protect it from the mouse wheel, and return it."""
    widget.setObjectName(name)
    widget.setToolTip(tooltip)
    widget.setAccessibleDescription(tooltip)
    if not isinstance(widget, QAbstractButton):  # whose accessible name is its text
        widget.setAccessibleName(first_clause(tooltip))
    ignore_wheel(widget)
    return widget


def first_clause(tooltip: str) -> str:
    """Return the beginning of a tooltip, by which screen readers name a control.

    >>> first_clause("Image layer to restore; follows the layer that is selected in the viewer")
    'Image layer to restore'
    """
    return re.split(r"[;:,]", tooltip, maxsplit=1)[0]


def button(name: str, text: str, tooltip: str) -> QPushButton:
    """Create a named push button."""
    return named(QPushButton(text), name, tooltip)


def row(*widgets: QWidget) -> QHBoxLayout:
    """Create a row of widgets without margins."""
    layout = QHBoxLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    for widget in widgets:
        layout.addWidget(widget)
    return layout


def form() -> QFormLayout:
    """Create a form whose fields use the full width."""
    layout = QFormLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    return layout


def scrolled(widget: QWidget) -> QScrollArea:
    """Wrap a widget in an area that scrolls if it does not fit; its least width is that of the widget."""
    area = _Area()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setWidget(widget)
    return area


class _Area(QScrollArea):
    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Pass on that the size of the widget has changed, such as by a style."""
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return bool(super().eventFilter(watched, event))

    def minimumSizeHint(self) -> QSize:
        """Return the least size, in which no control is cut off at the right."""
        hint = super().minimumSizeHint()
        hint.setHeight(_LEAST_HEIGHT)
        margins = 2 * max(self.frameWidth(), 1)  # the style of napari draws a border around an area without a frame
        widget, bar = self.widget(), self.verticalScrollBar()
        if widget is not None and bar is not None:
            hint.setWidth(widget.minimumSizeHint().width() + bar.sizeHint().width() + margins)
        return hint


def shrinkable(box: QComboBox, characters: int) -> None:
    """Allow a combo box to be narrower than its longest entry, down to a number of characters."""
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(characters)


def entered_path(text: str) -> Path:
    """Return a path that a user has entered, with the home folder expanded if it exists.

    >>> entered_path(" ~no-such-user/a ").as_posix()
    '~no-such-user/a'
    """
    path = Path(text.strip())
    try:
        return path.expanduser()
    except RuntimeError:  # such as an unknown user
        return path


class FolderBox(QWidget):
    """Line edit for the path of a folder, with a button that opens a dialog.

    Parameters
    ----------
    line : QLineEdit
        Named line with the initial path.
    browse : QPushButton
        Named button.
    title : str
        Title of the dialog, and tooltip of the button.
    """

    def __init__(self, line: QLineEdit, browse: QPushButton, title: str) -> None:
        super().__init__()
        self.line, self._title = line, title
        browse.setMaximumWidth(36)
        browse.clicked.connect(lambda: self._choose())
        self.setLayout(row(line, browse))

    @property
    def text(self) -> str:
        """Path as entered, without surrounding spaces."""
        return self.line.text().strip()

    @property
    def path(self) -> Path:
        """Path with the home folder expanded."""
        return entered_path(self.text)

    def _choose(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, self._title, self.line.text())
        if folder:
            self.line.setText(folder)


def folder_box(name: str, browse_name: str, folder: str, tooltip: str, title: str) -> FolderBox:
    """Create a named folder box."""
    return FolderBox(named(QLineEdit(folder), name, tooltip), button(browse_name, "…", title), title)
