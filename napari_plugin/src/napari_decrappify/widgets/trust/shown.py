"""Trust layers in a viewer, above the layers of their result."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from decrappify import open_movie
from napari_decrappify.layers.image import METADATA
from napari_decrappify.layers.results.trust import TrustRecord, trust_layers

_PLACE = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")


def show_trust(viewer: Any, layers: Sequence[Any], record: TrustRecord) -> list[Any]:
    """Add the layers of a map, at the place of those of the result; earlier ones of the map are replaced.

    Parameters
    ----------
    viewer : napari.Viewer
        Viewer of the layers.
    layers : sequence of napari layers
        The channels of the result.
    record : TrustRecord
        The map.
    """
    hide_trust(viewer, record.path)
    first = layers[0]
    place = {name: getattr(first, name) for name in _PLACE}
    added = []
    for data, attributes, kind in trust_layers(
        open_movie(record.path), record, [layer.name for layer in layers], place
    ):
        layer = getattr(viewer, f"add_{kind}")(data, **attributes)
        layer.editable = False
        added.append(layer)
    return added


def hide_trust(viewer: Any, path: Path) -> None:
    """Remove the layers of a map."""
    for layer in list(viewer.layers):
        found = trust_of(layer)
        if found is not None and found.path == path:
            viewer.layers.remove(layer)


def trust_of(layer: Any) -> TrustRecord | None:
    """Return the record of a trust layer; None for other layers."""
    recorded = getattr(layer, "metadata", {}).get(METADATA, {})
    found = recorded.get("trust") if "trust_of" in recorded else None
    return found if isinstance(found, TrustRecord) else None
