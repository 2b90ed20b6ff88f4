"""Combo boxes of the image layers of a viewer, and of the possible axes of a layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari.layers import Image
from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QComboBox, QWidget

from decrappify.errors import DecrappifyError
from napari_decrappify.layers.axes import AXES_BY_COUNT, axes_of
from napari_decrappify.layers.image import METADATA
from napari_decrappify.widgets.running.elided import ElidedBox
from napari_decrappify.widgets.running.forms import named, shrinkable

# Entries in the metadata of computed layers.
_COMPUTED = {"crappified_from", "preview_of", "restored_from", "difference_of", "trust_of", "colorized_from"}


def is_image(layer: Any) -> bool:
    """Return whether a layer is an image layer (not a labels layer)."""
    return isinstance(layer, Image)


def is_gray(layer: Any) -> bool:
    """Return whether a layer is an image that is not RGB."""
    return is_image(layer) and not layer.rgb


def is_trainable(layer: Any) -> bool:
    """Return whether a model can be trained on a layer: a gray image that is not a preview of this plugin."""
    recorded = layer.metadata.get(METADATA, {})
    return is_gray(layer) and not {"crappified_from", "preview_of", "trust_of"} & set(recorded)


def is_source(layer: Any) -> bool:
    """Return whether a layer is an image that this plugin has not computed."""
    return is_image(layer) and not _COMPUTED & set(layer.metadata.get(METADATA, {}))


def is_high_quality(layer: Any) -> bool:
    """Return whether a layer may be of high quality: a source that is not known to be noisy or degraded."""
    recorded = layer.metadata.get(METADATA, {})
    processed = {"crappified", "restoration", "trust"} & set(recorded.get("provenance") or {})
    return is_source(layer) and not processed and not recorded.get("is_degraded")


def is_restorable(layer: Any) -> bool:
    """Return whether a layer can be restored: an image that is not a preview or a difference."""
    recorded = set(layer.metadata.get(METADATA, {}))
    return is_image(layer) and not (_COMPUTED - {"restored_from", "colorized_from"}) & recorded


def is_exportable(layer: Any) -> bool:
    """Return whether a layer can be exported: an image that is neither a preview nor a result without all planes."""
    recorded = layer.metadata.get(METADATA, {})
    return is_image(layer) and not {"crappified_from", "preview_of", "is_partial"} & set(recorded)


class LayerChoice(ElidedBox):
    """Combo box of the image layers of a viewer, updated when layers are added, removed or renamed.

    `layer_changed` is also emitted when the axis labels or the pixels of the selected layer are replaced.

    Parameters
    ----------
    viewer : napari.Viewer
    name : str
        objectName of the box.
    tooltip : str
        Purpose of the layer.
    accepts : callable
        Filter of the layers.
    empty : str, optional
        Text of an entry for no layer, such as ``"No reference"``.
    follows : bool
        Whether the layer that the user selects in the viewer is chosen, unless it is a result or preview.
    """

    layer_changed = Signal()

    def __init__(
        self,
        viewer: Any,
        name: str,
        tooltip: str,
        *,
        accepts: Callable[[Any], bool] = is_image,
        empty: str | None = None,
        follows: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        named(self, name, tooltip)
        shrinkable(self, 16)
        self._viewer, self._accepts, self._empty = viewer, accepts, empty
        events = viewer.layers.events
        self._events = [events.inserted, events.removed, events.reordered, events.renamed]
        for event in self._events:
            event.connect(self.refresh)
        self._selected = viewer.layers.selection.events.active if follows else None
        if self._selected is not None:
            self._selected.connect(self._follow)
        self._watched: Any = None
        self.layer_changed.connect(self._watch)
        self.currentIndexChanged.connect(lambda _: self.layer_changed.emit())
        self.refresh()
        self._follow()

    @property
    def layer(self) -> Any:
        """Selected layer; None if there is none."""
        return self.currentData()

    @layer.setter
    def layer(self, layer: Any) -> None:
        self.setCurrentIndex(self._index(layer))

    def refresh(self, event: Any = None) -> None:
        """Update the list of layers, the topmost first."""
        chosen = self.layer
        offered = [layer for layer in reversed(self._viewer.layers) if self._accepts(layer)]
        with QSignalBlocker(self):
            self.clear()
            if self._empty is not None:
                self.addItem(self._empty, None)
            for layer in offered:
                self.addItem(layer.name, layer)
                self.setItemData(self.count() - 1, layer.name, Qt.ItemDataRole.ToolTipRole)
            if chosen in offered:
                self.setCurrentIndex(self._index(chosen))
        self.show_whole_name()
        if self.layer != chosen:
            self.layer_changed.emit()
        if getattr(event, "type", "") == "inserted":  # napari may select a layer before this signal
            self._follow()

    def disconnect_viewer(self) -> None:
        """Disconnect from the viewer; for a widget that closes."""
        for event in self._events:
            event.disconnect(self.refresh)
        if self._selected is not None:
            self._selected.disconnect(self._follow)
        self._watch_only(None)

    def _watch(self) -> None:
        if self.layer != self._watched:
            self._watch_only(self.layer)

    def _watch_only(self, layer: Any) -> None:
        for each, action in ((self._watched, "disconnect"), (layer, "connect")):
            if each is not None:
                for event in (each.events.axis_labels, each.events.data):
                    getattr(event, action)(self._on_layer)
        self._watched = layer

    def _on_layer(self, _: Any = None) -> None:
        self.layer_changed.emit()

    def _index(self, layer: Any) -> int:
        """Return the index of a layer, -1 if absent; by equality, as napari passes a new proxy of it at each access."""
        return next((i for i in range(self.count()) if self.itemData(i) == layer), -1)

    def _follow(self, _: Any = None) -> None:
        layer = self._viewer.layers.selection.active if self._selected is not None else None
        if layer is not None and is_source(layer) and self._index(layer) >= 0:
            self.layer = layer


class AxesChoice(QComboBox):
    """Combo box of the possible axes of a layer; those of its labels are first."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        named(self, name, "Axes of the layer: T time, C channel, Z slice; Y and X are the pixels")

    @property
    def axes(self) -> str | None:
        """Selected axes; None without a layer."""
        return self.currentText() or None

    def follow(self, layer: Any) -> None:
        """List the axes that fit a layer; those of its labels are first."""
        with QSignalBlocker(self):
            self.clear()
            if layer is None:
                return
            data = layer.data[0] if layer.multiscale else layer.data
            count = len(data.shape) - bool(layer.rgb)
            try:
                names = ("axis_labels", "rgb", "scale", "units")
                labeled = [axes_of(data, {name: getattr(layer, name) for name in names})[:count]]
            except DecrappifyError:
                labeled = []
            self.addItems(list(dict.fromkeys([*labeled, *AXES_BY_COUNT.get(count, ())])))
