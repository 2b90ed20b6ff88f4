"""Channels of a scene: layers that were read from the same scene of a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from napari_decrappify.layers.image import METADATA, LayerImage


def channels_of(layers: Iterable[Any], layer: Any) -> list[Any]:
    """Return the layers of all channels of the scene that a layer was read from, in the order of the file.

    Parameters
    ----------
    layers : iterable of napari.layers.Image
        Layers of the viewer.
    layer : napari.layers.Image
        The layer; the only one returned if it was not read from a channel of a file.
    """
    key = _scene(layer)
    if key is None:
        return [layer]
    found = {_channel(other): other for other in layers if _scene(other) == key}
    found[_channel(layer)] = layer
    return [found[number] for number in sorted(found)]


def channel_name(image: LayerImage) -> str:
    """Return the name of the channel of a layer in its file; that of the layer if unknown."""
    return str(image.recorded.get("channel_name") or image.name)


def channel_names(images: Sequence[LayerImage]) -> tuple[str, ...]:
    """Return the unique names of the channels that layers contain: one per layer, or those along axis C of one layer.

    Channels of one file with the same name get their number, those of several files the names of their layers.

    >>> import numpy as np
    >>> image = LayerImage(np.zeros((2, 8, 9)), "cells", "CYX", False, {})
    >>> channel_names([image]), channel_names([LayerImage(np.zeros((8, 9)), name, "YX", False, {}) for name in "ab"])
    (('C0', 'C1'), ('a', 'b'))
    """
    if len(images) == 1 and not images[0].is_rgb and images[0].sizes.get("C", 1) > 1:
        with closing(images[0].movie()) as movie:
            return _numbered(movie.channel_names)
    names = tuple(channel_name(image) for image in images)
    is_one_file = len({image.recorded.get("path") for image in images}) == 1
    return _numbered(names) if is_one_file or len(set(names)) == len(names) else tuple(image.name for image in images)


def stored_names(images: Sequence[LayerImage]) -> tuple[str, ...]:
    """Return the names of the channels of a file that is written from layers: those of their file, repeated or not."""
    is_one_file = len({image.recorded.get("path") for image in images}) == 1
    return tuple(channel_name(image) for image in images) if is_one_file else channel_names(images)


def _numbered(names: Sequence[str]) -> tuple[str, ...]:
    """Return names, of which repeated ones are followed by their number.

    >>> _numbered(["EGFP", "DAPI", "EGFP"])
    ('EGFP (channel 0)', 'DAPI', 'EGFP (channel 2)')
    """
    repeated = {name for name, count in Counter(names).items() if count > 1}
    return tuple(f"{name} (channel {number})" if name in repeated else name for number, name in enumerate(names))


def common_name(images: Sequence[LayerImage]) -> str:
    """Return the name of the movie whose channels are layers, without the name of a channel.

    >>> import numpy as np
    >>> recorded = {METADATA: {"channel_name": "GFP", "path": "cells.czi"}}
    >>> image = LayerImage(np.zeros((8, 9)), "cells.czi [A1] · GFP", "YX", False, {"metadata": recorded})
    >>> common_name([image]), common_name([image, image])
    ('cells.czi [A1] · GFP', 'cells.czi [A1]')
    """
    first = images[0]
    if len(images) == 1:
        return first.name
    ending = f" · {channel_name(first)}"
    return first.name.removesuffix(ending) if first.name.endswith(ending) else Path(first.recorded["path"]).name


def _scene(layer: Any) -> tuple[Any, ...] | None:
    recorded = layer.metadata.get(METADATA, {})
    if recorded.get("path") is None or recorded.get("channel") is None or "restored_from" in recorded:
        return None
    data = layer.data[0] if layer.multiscale else layer.data
    return recorded["path"], recorded.get("scene"), tuple(data.shape), str(data.dtype)


def _channel(layer: Any) -> int:
    return int(layer.metadata[METADATA]["channel"])
