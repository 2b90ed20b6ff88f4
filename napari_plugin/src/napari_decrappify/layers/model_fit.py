"""Whether a model fits a layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napari_decrappify.layers.image import LayerImage


def window_length(image: LayerImage) -> int:
    """Return the number of frames, or of slices of a single stack, from which windows are taken."""
    n_frames = image.sizes.get("T", 1)
    return n_frames if n_frames > 1 else image.sizes.get("Z", 1)


def obstacle(header: Mapping[str, Any], image: LayerImage) -> str | None:
    """Return why a model cannot restore a layer; None if it can.

    >>> import numpy as np
    >>> still = LayerImage(np.zeros((8, 9)), "cells", "YX", False, {})
    >>> obstacle({"architecture": {"n_frames": 3}}, still)
    'this model needs several frames or slices, and the layer is one image; choose a model for still images, such as ...
    """
    needed = int(header.get("architecture", {}).get("n_frames", 1))
    if needed == 1 or window_length(image) > 1:
        return None
    return (
        "this model needs several frames or slices, and the layer is one image; choose a model for still images, such "
        "as fluorescence-still"
    )


def caution(header: Mapping[str, Any]) -> str:
    """Return a warning about the images that a model is for, empty for fluorescence.

    >>> caution({"card": {"name": "em-x4", "summary": "electron micrographs"}})
    'em-x4 is for electron micrographs; it alters structures of fluorescence images'
    """
    card = header.get("card", {})
    if "electron" not in str(card.get("summary", "")):
        return ""
    return f"{card.get('name', 'this model')} is for electron micrographs; it alters structures of fluorescence images"
