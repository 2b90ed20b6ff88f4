"""Checkable list of the image layers of a viewer."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QListWidgetItem, QWidget

from napari_decrappify.widgets.choices.layer import is_source, is_trainable
from napari_decrappify.widgets.running.forms import named
from napari_decrappify.widgets.running.tick_list import TickList

_LAYER = Qt.ItemDataRole.UserRole


class LayerTicks(TickList):
    """List of layers, updated when they are added, removed or renamed, with persistent check marks.

    Initially the topmost preferred layer is checked; the user checks others.

    Parameters
    ----------
    viewer : napari.Viewer
    name, tooltip : str
        Of the list.
    accepts : callable
        Filter of the layers; by default those on which a model can be trained.
    prefers : callable
        Filter of the layers of which one is checked initially; by default those that were not restored or computed.
    """

    ticks_changed = Signal()

    def __init__(
        self,
        viewer: Any,
        name: str,
        tooltip: str,
        *,
        accepts: Callable[[Any], bool] = is_trainable,
        prefers: Callable[[Any], bool] = is_source,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        named(self, name, tooltip)
        self.setFixedHeight(76)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self._viewer, self._accepts, self._prefers = viewer, accepts, prefers
        self._is_initial = True  # until the user checks layers
        events = viewer.layers.events
        self._events = [events.inserted, events.removed, events.reordered, events.renamed]
        for event in self._events:
            event.connect(self.refresh)
        self.itemChanged.connect(lambda _: self._on_tick())
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
        self._on_tick()

    def refresh(self, _: Any = None) -> None:
        """Update the list of layers, the topmost first."""
        ticked = self.layers
        offered = [layer for layer in reversed(self._viewer.layers) if self._accepts(layer)]
        self._is_initial = self._is_initial or not offered
        if self._is_initial and not ticked:
            ticked = [layer for layer in offered if self._prefers(layer)][:1]
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

    def _on_tick(self) -> None:
        self._is_initial = False
        self.ticks_changed.emit()

    def _items(self) -> list[QListWidgetItem]:
        items = (self.item(number) for number in range(self.count()))
        return [item for item in items if item is not None]
