"""Small helpers for forms: named controls, rows, and an area that scrolls where the window is low."""

from __future__ import annotations

from typing import TypeVar

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFormLayout, QFrame, QHBoxLayout, QPushButton, QScrollArea, QWidget

W = TypeVar("W", bound=QWidget)


def named(widget: W, name: str, tooltip: str) -> W:
    """Give a control its objectName and its tooltip."""
    widget.setObjectName(name)
    widget.setToolTip(tooltip)
    return widget


def button(name: str, text: str, tooltip: str) -> QPushButton:
    """Make a named push button."""
    return named(QPushButton(text), name, tooltip)


def row(*widgets: QWidget) -> QHBoxLayout:
    """Lay widgets out beside each other, without margins."""
    layout = QHBoxLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    for widget in widgets:
        layout.addWidget(widget)
    return layout


def form() -> QFormLayout:
    """Make a form whose fields take the whole width."""
    layout = QFormLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    return layout


def scrolled(widget: QWidget) -> QScrollArea:
    """Put a widget into an area that scrolls up and down where it does not fit."""
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(widget)
    return area
