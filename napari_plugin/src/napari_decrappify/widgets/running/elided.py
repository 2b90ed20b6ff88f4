"""Combo box that shortens long names in the middle."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QPaintEvent
from qtpy.QtWidgets import QComboBox, QStyle, QStyleOptionComboBox, QStylePainter, QWidget

_MIDDLE = Qt.TextElideMode.ElideMiddle
_PADDING = 8  # pixels between text and edges in the style of napari


class ElidedBox(QComboBox):
    """Combo box whose names, if too long, are shortened in the middle; the tooltip ends with the whole name."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._purpose = ""
        view = self.view()
        if view is not None:
            view.setTextElideMode(_MIDDLE)
        self.currentTextChanged.connect(lambda _: self.show_whole_name())

    def setToolTip(self, text: str | None) -> None:
        """Set the purpose of the control, to which the current name is added."""
        self._purpose = text or ""
        self.show_whole_name()

    def show_whole_name(self) -> None:
        """Update the tooltip, after changes that emit no signal."""
        name = self.currentText()
        super().setToolTip(f"{self._purpose}\n{name}" if name and self._purpose else self._purpose)

    @property
    def shown_text(self) -> str:
        """Current name as it is painted."""
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        return self._shortened(option)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Paint the box with the shortened name."""
        painter, option = QStylePainter(self), QStyleOptionComboBox()
        self.initStyleOption(option)
        option.currentText = self._shortened(option)
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)

    def _shortened(self, option: QStyleOptionComboBox) -> str:
        style = self.style()
        if style is None:
            return self.currentText()
        part = QStyle.SubControl.SC_ComboBoxEditField
        width = style.subControlRect(QStyle.ComplexControl.CC_ComboBox, option, part, self).width()
        return self.fontMetrics().elidedText(self.currentText(), _MIDDLE, max(0, width - _PADDING))
