"""Outline of a previewed region, with a line at its split and the names of both sides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_decrappify.layers.canvas.single_layer import SingleLayer
from napari_decrappify.layers.image import METADATA

NAME = "split view"
_COLOR = "#ffd54f"
_WIDTH = 1.5  # pixels of the canvas
_TEXT_SIZE = 11
_TEXT_SHIFT = (24, 16)  # pixels of the canvas, down and to the right
_PLACED = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")


class SplitOutline(SingleLayer):
    """At most one shapes layer: a rectangle around the input, and one around the preview.

    Parameters
    ----------
    viewer : napari.Viewer
        Viewer of the layer.
    """

    def __init__(self, viewer: Any) -> None:
        super().__init__(viewer)
        self._shape: tuple[int, ...] = ()
        self._names = ("", "")

    def show(self, shape: tuple[int, ...], attributes: Mapping[str, Any], names: tuple[str, str], split: int) -> None:
        """Add the layer, without selecting it.

        Parameters
        ----------
        shape : tuple of int
            Shape of the region; its axes are those of `attributes`.
        attributes : mapping
            Position of the region: scale, translate, units and so on.
        names : (str, str)
            Names of the left and the right side.
        split : int
            Column of the region at which the right side begins.
        """
        self.remove()
        self._shape, self._names = shape, names
        placed = {key: attributes[key] for key in _PLACED if attributes.get(key) is not None}
        selected = set(self._viewer.layers.selection)
        self._layer = self._viewer.add_shapes(
            ndim=len(shape), name=NAME, opacity=1.0, metadata={METADATA: {"preview_of": names}}, **placed
        )
        self.move(split)
        self._viewer.layers.selection = selected
        self._viewer.scene.camera.events.zoom.connect(self._fit_width)

    def move(self, split: int) -> None:
        """Draw the rectangles for another column of the split."""
        if not self.is_shown:
            return
        width = self._shape[-1]
        sides = [(0, split, self._names[0]), (split, width, self._names[1])]
        sides = [side for side in sides if side[1] > side[0]]
        self._layer.data = []
        self._layer.add_rectangles(
            [self._rectangle(start, stop) for start, stop, _ in sides],
            edge_color=_COLOR,
            face_color="transparent",
            edge_width=self._width(),
        )
        self._layer.features = {"side": [name for _, _, name in sides]}
        self._layer.text = {"string": "{side}", "anchor": "upper_left", "size": _TEXT_SIZE, "color": _COLOR}
        self._place_text()
        self._layer.selected_data = set()
        self._layer.editable = False

    def remove(self) -> None:
        """Remove the layer, and the connection to the camera."""
        if self._layer is not None:
            self._viewer.scene.camera.events.zoom.disconnect(self._fit_width)
        super().remove()

    def _rectangle(self, start: int, stop: int) -> NDArray[np.float64]:
        """Return the corners, at the edges of the pixels."""
        bottom, left, right = self._shape[-2] - 0.5, start - 0.5, stop - 0.5
        corners = np.zeros((4, len(self._shape)))
        corners[:, -2:] = [(-0.5, left), (-0.5, right), (bottom, right), (bottom, left)]
        return corners

    def _width(self) -> float:
        """Return the width of the lines in pixels of the layer, for a constant width on the canvas."""
        return float(_WIDTH / (self._viewer.scene.camera.zoom * abs(self._layer.scale[-1])))

    def _fit_width(self, _: Any = None) -> None:
        if self.is_shown:
            self._layer.edge_width = [self._width()] * len(self._layer.data)
            self._place_text()

    def _place_text(self) -> None:
        """Move the names, which napari draws above the upper left corner, into the rectangles."""
        pixel = self._width() / _WIDTH
        shift = np.zeros(len(self._shape))
        shift[-2:] = _TEXT_SHIFT[0] * pixel, _TEXT_SHIFT[1] * pixel
        self._layer.text.translation = shift
