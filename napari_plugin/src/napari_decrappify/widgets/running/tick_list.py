"""List with check boxes that are visible in both themes."""

from __future__ import annotations

from qtpy.QtCore import QEvent
from qtpy.QtGui import QPalette
from qtpy.QtWidgets import QListWidget, QWidget

from napari_decrappify.widgets.running.colors import readable

_BOX = "QListWidget::indicator:unchecked {{ border: 1px solid {color}; width: 10px; height: 10px; margin: 1px; }}"
_OUTLINE = "#808080"


class TickList(QListWidget):
    """List whose unticked boxes are outlined: napari's dark theme draws them in the color of the list."""

    def __init__(self, parent: QWidget | None = None) -> None:
        self._is_changing = False
        super().__init__(parent)
        self._outline()

    def changeEvent(self, event: QEvent | None) -> None:
        """Adapt the outline to the theme."""
        super().changeEvent(event)
        if event is not None and event.type() in (QEvent.Type.StyleChange, QEvent.Type.PaletteChange):
            self._outline()

    def _outline(self) -> None:
        style = _BOX.format(color=readable(_OUTLINE, self.palette().color(QPalette.ColorRole.Base)).name())
        if not self._is_changing and self.styleSheet() != style:
            self._is_changing = True  # a new style is a change of the style
            self.setStyleSheet(style)
            self._is_changing = False
