"""Helpers for forms: named controls, rows, and a scroll area."""

from __future__ import annotations

from typing import TypeVar

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFormLayout, QFrame, QHBoxLayout, QPushButton, QScrollArea, QWidget

W = TypeVar("W", bound=QWidget)


def named(widget: W, name: str, tooltip: str) -> W:
    """Set the objectName and the tooltip of a control, and return it."""
    widget.setObjectName(name)
    widget.setToolTip(tooltip)
    return widget


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
    """Create a form with fields of the whole width."""
    layout = QFormLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    return layout


def scrolled(widget: QWidget) -> QScrollArea:
    """Wrap a widget in an area that scrolls vertically if it does not fit."""
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(widget)
    return area
