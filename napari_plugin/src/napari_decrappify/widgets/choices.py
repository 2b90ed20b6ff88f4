"""Combo boxes shared by the widgets: image layer, axes, model, device."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from napari.layers import Image
from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QComboBox, QFileDialog, QWidget

from decrappify.errors import DecrappifyError
from decrappify.model import read_card, shipped_models
from napari_decrappify.layers.image import AXES_BY_COUNT, axes_of
from napari_decrappify.widgets.settings import add_recent_model, keep, recall, recent_models

_FILE = "File…"
DEVICES = {"Automatic": "auto", "CPU": "cpu", "GPU (CUDA)": "cuda", "Apple GPU (MPS)": "mps"}


def is_image(layer: Any) -> bool:
    """Return whether a layer is an image layer (labels layers are not)."""
    return isinstance(layer, Image)


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
        An entry for no layer at all, such as ``"no reference"``.
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
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(16)
        self._viewer, self._accepts, self._empty = viewer, accepts, empty
        events = viewer.layers.events
        self._events = [events.inserted, events.removed, events.reordered, events.renamed]
        for event in self._events:
            event.connect(self.refresh)
        self.currentIndexChanged.connect(lambda _: self.layer_changed.emit())
        self.refresh()

    @property
    def layer(self) -> Any:
        """Chosen layer, None if there is none."""
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
    """Combo box of the possible axes of a layer, those of its labels first."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.setToolTip("What the layer's axes are: T time, C channel, Z slice; Y and X are the pixels")

    @property
    def axes(self) -> str | None:
        """Chosen axes, None without a layer."""
        return self.currentText() or None

    def follow(self, layer: Any) -> None:
        """List the axes that fit a layer, its own labels first."""
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


class ModelChoice(QComboBox):
    """Combo box of shipped models, recent ones, and any file, with a persistent choice.

    Parameters
    ----------
    name : str
        objectName of the box.
    key : str
        Settings key of the choice, such as ``"restore/model"``.
    accepts : callable
        Filter of models by their headers (`decrappify.model.read_card`).
    default : str
        Initially chosen shipped model.
    """

    model_changed = Signal()

    def __init__(
        self,
        name: str,
        key: str,
        *,
        accepts: Callable[[Mapping[str, Any]], bool] = lambda header: True,
        default: str = "",
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.setToolTip("The model: one that comes with decrappify, one used before, or a file of your own")
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(16)
        self._key, self._accepts = key, accepts
        self._latest = ""
        self.refresh(recall(key, default))
        self.currentIndexChanged.connect(self._on_change)
        self.activated.connect(self._on_activated)

    @property
    def chosen(self) -> str | Path | None:
        """Name of a shipped model or path of a file for `decrappify.load_model`; None if there is none."""
        kept = self.currentData()
        return Path(kept[1]) if kept and kept[0] == "file" else (kept[1] if kept else None)

    @property
    def header(self) -> dict[str, Any]:
        """Header of the chosen model's file (architecture, card and so on); empty if there is none."""
        kept = self.currentData()
        return {} if not kept else _header(shipped_models()[kept[1]] if kept[0] == "shipped" else Path(kept[1]))

    def add_file(self, path: Path) -> bool:
        """Add a model file, choose it, and save it as recent; return False if the filter rejects it."""
        if not self._fits(Path(path)):
            return False
        add_recent_model(Path(path))
        self.refresh(str(Path(path).absolute()))
        self.model_changed.emit()
        return True

    def refresh(self, chosen: str = "") -> None:
        """Update the list of models, and choose `chosen` (a name or a path)."""
        chosen = chosen or self._latest
        with QSignalBlocker(self):
            self.clear()
            for name, path in shipped_models().items():
                if self._fits(path):
                    self.addItem(name, ("shipped", name))
                    self._explain(path)
            for path in recent_models():
                if self._fits(path):
                    self.addItem(
                        path.stem if path.stem != "model" else f"{path.parent.name}/model", ("file", str(path))
                    )
                    self._explain(path)
            self.addItem(_FILE, None)
            places = [i for i in range(self.count()) if self.itemData(i) and self.itemData(i)[1] == chosen]
            self.setCurrentIndex(places[0] if places else 0)
        self._remember()

    def showPopup(self) -> None:
        """Update the list with newly trained models before it opens."""
        self.refresh()
        super().showPopup()

    def _on_change(self, _: int) -> None:
        if self.currentData() is None:
            self._ask_for_file()
            return
        self._remember()
        self.model_changed.emit()

    def _on_activated(self, _: int) -> None:
        if self.count() == 1:  # with a single entry Qt emits no change
            self._ask_for_file()

    def _ask_for_file(self) -> None:
        before = self._latest
        path, _ = QFileDialog.getOpenFileName(self, "Open a model", "", "Models (*.safetensors *.pth)")
        if not path or not self.add_file(Path(path)):
            self.refresh(before)

    def _remember(self) -> None:
        kept = self.currentData()
        self._latest = kept[1] if kept else ""
        if kept:
            keep(self._key, self._latest)

    def _fits(self, path: Path) -> bool:
        header = _header(path)
        return bool(header) and self._accepts(header)

    def _explain(self, path: Path) -> None:
        summary = str(_header(path).get("card", {}).get("summary", "")) or str(path)
        self.setItemData(self.count() - 1, summary, Qt.ItemDataRole.ToolTipRole)


class DeviceChoice(QComboBox):
    """Combo box of the devices."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.setToolTip("Where the network runs: automatic takes a GPU if there is one")
        for label, device in DEVICES.items():
            self.addItem(label, device)

    @property
    def device(self) -> str:
        """Device for `decrappify`."""
        return str(self.currentData())


def _header(path: Path) -> dict[str, Any]:
    try:
        return read_card(path)
    except (DecrappifyError, OSError):
        return {}
