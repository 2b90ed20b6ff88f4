"""Choice of the training images: layers of the viewer, or files in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QGroupBox, QStackedWidget, QVBoxLayout

from napari_decrappify.layers.image import LayerImage
from napari_decrappify.widgets.choices.layer import is_high_quality
from napari_decrappify.widgets.choices.layer_ticks import LayerTicks
from napari_decrappify.widgets.choices.preferences import remember
from napari_decrappify.widgets.running.forms import folder_box, named, shrinkable

_SOURCES = ("Layers of the viewer", "Files in a folder", "Measured pairs in a folder")
_HINTS = {1: "folder of training images", 2: "folder with the folders low and high"}


class TrainingImages(QGroupBox):
    """Group of the training images.

    Parameters
    ----------
    viewer : napari.Viewer
        Source of the layers.
    name : str
        Prefix of the objectNames.
    """

    chosen = Signal()

    def __init__(self, viewer: Any, name: str) -> None:
        super().__init__("Training images")
        self._source = named(QComboBox(), f"{name}_source", "Source of the training images")
        self._source.addItems(_SOURCES)
        shrinkable(self._source, 16)
        self._layers = LayerTicks(
            viewer,
            f"{name}_layers",
            "Layers to train on; tick those with high-quality images",
            prefers=is_high_quality,
        )
        self._folder = folder_box(
            f"{name}_folder",
            f"{name}_browse",
            "",
            "Folder of movies or still images, or with low and high: CZI, TIFF, OME-Zarr, video",
            "Choose the folder of training images",
        )
        self._folder.line.setPlaceholderText("folder of training images")
        self._pages = QStackedWidget()
        self._pages.addWidget(self._layers)
        self._pages.addWidget(self._folder)
        self._pages.setFixedHeight(self._layers.height())
        inner = QVBoxLayout(self)
        inner.addWidget(self._source)
        inner.addWidget(self._pages)
        remember(self._source, f"{name}/source")
        remember(self._folder.line, f"{name}/folder")
        self._pages.setCurrentIndex(min(self._source.currentIndex(), 1))
        self._source.currentIndexChanged.connect(self._on_source)
        self._layers.ticks_changed.connect(self.chosen)
        self._folder.line.textChanged.connect(lambda _: self.chosen.emit())

    @property
    def is_empty(self) -> bool:
        """Return whether no layer is ticked, or no folder entered."""
        return not (self._folder.text if self._is_folder else self._layers.layers)

    @property
    def first_layer(self) -> Any:
        """First ticked layer; None without one."""
        return next(iter(self._layers.layers), None)

    def images(self) -> tuple[LayerImage, ...]:
        """Return snapshots of the ticked layers; empty if a folder is the source.

        Raises
        ------
        InputError
            If the axes of a layer are not valid.
        """
        return () if self._is_folder else tuple(LayerImage.of(layer) for layer in self._layers.layers)

    @property
    def folder(self) -> Path | None:
        """Folder; None if layers are the source."""
        return self._folder.path if self._is_folder else None

    def disconnect_viewer(self) -> None:
        """Disconnect from the viewer; for a widget that closes."""
        self._layers.disconnect_viewer()

    @property
    def _is_folder(self) -> bool:
        return self._source.currentIndex() > 0

    @property
    def is_pairs(self) -> bool:
        """Whether measured pairs are used in place of images and a crappifier."""
        return self._source.currentIndex() == 2

    def _on_source(self, index: int) -> None:
        self._pages.setCurrentIndex(min(index, 1))
        self._folder.line.setPlaceholderText(_HINTS.get(index, ""))
        self.chosen.emit()
