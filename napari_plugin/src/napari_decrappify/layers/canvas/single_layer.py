"""At most one layer of this plugin in a viewer, from which the user may delete it."""

from __future__ import annotations

from typing import Any


class SingleLayer:
    """At most one layer.

    Parameters
    ----------
    viewer : napari.Viewer
        Viewer of the layer.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._layer: Any = None

    @property
    def is_shown(self) -> bool:
        """Whether the layer is in the viewer."""
        return self._layer is not None and self._layer in self._viewer.layers

    def remove(self) -> None:
        """Remove the layer."""
        if self.is_shown:
            self._viewer.layers.remove(self._layer)
        self._layer = None
