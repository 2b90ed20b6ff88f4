"""Protection of controls from the mouse wheel, which scrolls the panel instead of changing the value under it."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QAbstractSlider, QAbstractSpinBox, QComboBox, QScrollBar, QWidget

_CHANGED_BY_WHEEL = (QAbstractSlider, QAbstractSpinBox, QComboBox)


class _WheelFilter(QObject):
    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Pass the wheel on to the parent of the control."""
        if event is None or event.type() != QEvent.Type.Wheel:
            return False
        event.ignore()
        return True


def ignore_wheel(control: QWidget) -> None:
    """Pass wheel events over a combo box, spin box or slider to its parent; other widgets are not changed."""
    if isinstance(control, _CHANGED_BY_WHEEL) and not isinstance(control, QScrollBar):
        control.installEventFilter(_WheelFilter(control))
