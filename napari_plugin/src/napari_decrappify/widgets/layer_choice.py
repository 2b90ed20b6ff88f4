"""Combo boxes of the image layers of a viewer, and of the possible axes of a layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari.layers import Image
from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QComboBox, QWidget

from decrappify.errors import DecrappifyError
from napari_decrappify.layers.axes import AXES_BY_COUNT, axes_of
from napari_decrappify.layers.image import METADATA
from napari_decrappify.widgets.forms import shrinkable


def is_image(layer: Any) -> bool:
    """Return whether a layer is an image layer (not a labels layer)."""
    return isinstance(layer, Image)


def is_gray(layer: Any) -> bool:
    """Return whether a layer is an image that is not RGB."""
    return is_image(layer) and not layer.rgb


def is_trainable(layer: Any) -> bool:
    """Return whether a model can be trained on a layer: a gray image that is not a preview of this plugin."""
    recorded = layer.metadata.get(METADATA, {})
    return is_gray(layer) and not {"crappified_from", "preview_of"} & set(recorded)


def is_exportable(layer: Any) -> bool:
    """Return whether a layer can be exported: an image that is neither a preview nor a result without all planes."""
    recorded = layer.metadata.get(METADATA, {})
    return is_image(layer) and not {"crappified_from", "preview_of", "is_partial"} & set(recorded)


class LayerChoice(QComboBox):
    """Combo box of the image layers of a viewer, updated when layers are added, removed or renamed.

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
        Text of an entry for no layer, such as ``"no reference"``.
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
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.setToolTip(tooltip)
        shrinkable(self, 16)
        self._viewer, self._accepts, self._empty = viewer, accepts, empty
        events = viewer.layers.events
        self._events = [events.inserted, events.removed, events.reordered, events.renamed]
        for event in self._events:
            event.connect(self.refresh)
        self.currentIndexChanged.connect(lambda _: self.layer_changed.emit())
        self.refresh()

    @property
    def layer(self) -> Any:
        """Selected layer; None if there is none."""
        return self.currentData()

    @layer.setter
    def layer(self, layer: Any) -> None:
        self.setCurrentIndex(self.findData(layer))

    def refresh(self, _: Any = None) -> None:
        """Update the list of layers, the topmost first."""
        chosen = self.layer
        offered = [layer for layer in reversed(self._viewer.layers) if self._accepts(layer)]
        with QSignalBlocker(self):
            self.clear()
            if self._empty is not None:
                self.addItem(self._empty, None)
            for layer in offered:
                self.addItem(layer.name, layer)
            if chosen in offered:
                self.setCurrentIndex(self.findData(chosen))
        if self.layer is not chosen:
            self.layer_changed.emit()

    def disconnect_viewer(self) -> None:
        """Disconnect from the viewer; for a widget that closes."""
        for event in self._events:
            event.disconnect(self.refresh)


class AxesChoice(QComboBox):
    """Combo box of the possible axes of a layer; those of its labels are first."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.setToolTip("Axes of the layer: T time, C channel, Z slice; Y and X are the pixels")

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
