"""Checkable list of the image layers of a viewer."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QListWidget, QListWidgetItem, QWidget

from napari_decrappify.widgets.choices.layer import is_source, is_trainable
from napari_decrappify.widgets.running.forms import named

_LAYER = Qt.ItemDataRole.UserRole


class LayerTicks(QListWidget):
    """List of layers, updated when they are added, removed or renamed, with persistent check marks.

    Initially the topmost layer that was not restored or computed is checked; the user checks others.

    Parameters
    ----------
    viewer : napari.Viewer
    name, tooltip : str
        Of the list.
    accepts : callable
        Filter of the layers; by default those on which a model can be trained.
    """

    ticks_changed = Signal()

    def __init__(
        self,
        viewer: Any,
        name: str,
        tooltip: str,
        *,
        accepts: Callable[[Any], bool] = is_trainable,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        named(self, name, tooltip)
        self.setFixedHeight(76)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self._viewer, self._accepts = viewer, accepts
        events = viewer.layers.events
        self._events = [events.inserted, events.removed, events.reordered, events.renamed]
        for event in self._events:
            event.connect(self.refresh)
        self.itemChanged.connect(lambda _: self.ticks_changed.emit())
        self.refresh()

    @property
    def layers(self) -> list[Any]:
        """Checked layers."""
        return [item.data(_LAYER) for item in self._items() if item.checkState() == Qt.CheckState.Checked]

    def tick(self, layer: Any, is_on: bool = True) -> None:
        """Check or uncheck a layer."""
        for item in self._items():
            if item.data(_LAYER) == layer:
                item.setCheckState(Qt.CheckState.Checked if is_on else Qt.CheckState.Unchecked)

    def choose(self, layers: Collection[Any]) -> None:
        """Check these layers only."""
        with QSignalBlocker(self):
            for item in self._items():
                is_on = item.data(_LAYER) in layers
                item.setCheckState(Qt.CheckState.Checked if is_on else Qt.CheckState.Unchecked)
        self.ticks_changed.emit()

    def refresh(self, _: Any = None) -> None:
        """Update the list of layers, the topmost first."""
        ticked, known = self.layers, self.count()
        offered = [layer for layer in reversed(self._viewer.layers) if self._accepts(layer)]
        if not known and not ticked:
            ticked = [layer for layer in offered if is_source(layer)][:1]
        with QSignalBlocker(self):
            self.clear()
            for layer in offered:
                item = QListWidgetItem(layer.name)
                item.setToolTip(layer.name)
                item.setData(_LAYER, layer)
                item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsUserCheckable)
                item.setCheckState(Qt.CheckState.Checked if layer in ticked else Qt.CheckState.Unchecked)
                self.addItem(item)
        self.ticks_changed.emit()

    def disconnect_viewer(self) -> None:
        """Disconnect from the viewer; for a widget that closes."""
        for event in self._events:
            event.disconnect(self.refresh)

    def _items(self) -> list[QListWidgetItem]:
        items = (self.item(number) for number in range(self.count()))
        return [item for item in items if item is not None]
