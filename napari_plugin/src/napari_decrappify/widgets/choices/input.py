"""Input of a restoration: layer, axes, channel and frames."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QObject, QSignalBlocker, Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QFormLayout, QLabel, QSpinBox

from napari_decrappify.layers.files.channels import channel_names, channels_of
from napari_decrappify.layers.image import METADATA, LayerImage
from napari_decrappify.widgets.choices.layer import AxesChoice, LayerChoice, is_image, is_restorable
from napari_decrappify.widgets.running.forms import named, row

_ALL_CHANNELS = "All"
_TOGETHER = "All channels of the scene"


class InputChoice(QObject):
    """Controls of the input; channel and frames follow the layer and its axes.

    Parameters
    ----------
    viewer : napari.Viewer
        Source of the layers.
    name : str
        Prefix of the objectNames.
    """

    chosen = Signal()  # layer or axes
    channel_chosen = Signal()

    def __init__(self, viewer: Any, name: str) -> None:
        super().__init__()
        self._layer = LayerChoice(
            viewer,
            f"{name}_layer",
            "Image layer to restore; follows the layer that is selected in the viewer",
            accepts=is_restorable,
            follows=True,
        )
        self._axes = AxesChoice(f"{name}_axes")
        self._channel = named(QComboBox(), f"{name}_channel", "Channel to restore, if the layer has several")
        self._first = named(QSpinBox(), f"{name}_first", "First frame to restore, counted from 0")
        self._last = named(QSpinBox(), f"{name}_last", "Last frame to restore, counted from 0")
        self._scenes = named(
            QCheckBox("All scenes of the file"),
            f"{name}_scenes",
            "Restore every scene of the file of the layer, one after the other, each into a new layer",
        )
        self._together = named(
            QCheckBox(_TOGETHER),
            f"{name}_channels",
            "Restore all channels of the scene of the layer into one file, each with its model",
        )
        self._viewer = viewer
        self._layer.layer_changed.connect(self.follow_layer)
        self._together.toggled.connect(lambda _: self.chosen.emit())
        self._axes.currentTextChanged.connect(lambda _: self.chosen.emit())
        self._channel.currentTextChanged.connect(lambda _: self.channel_chosen.emit())
        self._first.valueChanged.connect(self._last.setMinimum)

    def add_to(self, fields: QFormLayout) -> None:
        """Add the controls to a form."""
        fields.addRow("Layer", self._layer)
        fields.addRow("Scenes", self._scenes)
        fields.addRow("Axes", self._axes)
        fields.addRow("Channel", self._channel)
        fields.addRow("", self._together)
        fields.addRow("Frames", row(self._first, QLabel("to"), self._last))

    @property
    def layer(self) -> Any:
        """Selected layer; None without a layer."""
        return self._layer.layer

    @property
    def axes(self) -> str | None:
        """Selected axes; None without a layer."""
        return self._axes.axes

    @property
    def channel(self) -> int | None:
        """Selected channel; None for all."""
        text = self._channel.currentText()
        return int(text) if text.isdecimal() else None

    @property
    def channels(self) -> list[Any]:
        """Layers of all channels of the scene, to restore together; empty for one layer."""
        return self._siblings(self.layer) if self._together.isEnabled() and self._together.isChecked() else []

    def channels_like(self, layer: Any) -> list[Any]:
        """Return the layers that are restored together with another layer, by the same choice."""
        return self._siblings(layer) if self._together.isChecked() else []

    @property
    def all_scenes(self) -> bool:
        """Whether to restore every scene of the file of the layer."""
        return self._scenes.isEnabled() and self._scenes.isChecked()

    @property
    def n_scenes(self) -> int:
        """Number of scenes to restore."""
        recorded = {} if self.layer is None else self.layer.metadata.get(METADATA, {})
        return int(recorded.get("n_scenes", 1)) if self.all_scenes else 1

    @property
    def all_frames(self) -> bool:
        """Whether all frames of the layer are selected."""
        return self._first.value() == 0 and self._last.value() == self._last.maximum()

    @property
    def frames(self) -> tuple[int, int]:
        """First frame, and the last frame plus one."""
        return self._first.value(), self._last.value() + 1

    def follow_layer(self) -> None:
        """List the axes of the chosen layer."""
        self._axes.follow(self.layer)
        recorded = {} if self.layer is None else self.layer.metadata.get(METADATA, {})
        count = recorded.get("n_scenes", 1)
        n_channels = len(self._siblings(self.layer))
        self._together.setEnabled(n_channels > 1)
        self._together.setText(f"All {n_channels} channels of the scene" if n_channels > 1 else _TOGETHER)
        self._scenes.setEnabled(count > 1)
        self._scenes.setText(f"All {count} scenes of the file" if count > 1 else "All scenes of the file")
        self.chosen.emit()

    def follow_image(self, image: LayerImage | None) -> None:
        """Set the ranges of channels and frames, and select all."""
        sizes = image.sizes if image is not None else {}
        n_frames, n_channels = sizes.get("T", 1), sizes.get("C", 1)
        for box in (self._first, self._last):
            box.setRange(0, n_frames - 1)
            box.setEnabled(n_frames > 1)
        self._first.setValue(0)
        self._last.setValue(n_frames - 1)
        several = n_channels > 1 and image is not None and not image.is_rgb
        with QSignalBlocker(self._channel):
            self._channel.clear()
            self._channel.addItems([_ALL_CHANNELS, *map(str, range(n_channels))] if several else [_ALL_CHANNELS])
        self._channel.setEnabled(several)

    def channel_names(self) -> tuple[str, ...]:
        """Return the names of the channels that are restored together; empty for one channel, and for RGB.

        Raises
        ------
        InputError
            If the axes of the layer are not valid.
        """
        if self.channels:
            return channel_names([LayerImage.of(layer) for layer in self.channels])
        if self.layer is None or self.channel is not None:
            return ()
        names = channel_names([LayerImage.of(self.layer, self.axes)])
        return names if len(names) > 1 else ()

    def _siblings(self, layer: Any) -> list[Any]:
        found = [] if layer is None else channels_of(filter(is_image, self._viewer.layers), layer)
        return found if len(found) > 1 else []

    def disconnect_viewer(self) -> None:
        """Disconnect from the viewer; for a widget that closes."""
        self._layer.disconnect_viewer()
