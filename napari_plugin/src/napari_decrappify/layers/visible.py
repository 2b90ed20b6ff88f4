"""Visible region and current position of a layer on the canvas."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_decrappify.layers.image import LayerImage


def visible_region(layer: Any, image: LayerImage) -> tuple[slice, slice]:
    """Return the visible rows and columns of the layer (finest level); the whole frame if none is visible.

    Parameters
    ----------
    layer : napari.layers.Image
        Shown in two dimensions.
    image : LayerImage
        The same layer.
    """
    corners = np.asarray(layer.corner_pixels, dtype=float)  # both inclusive
    corners[1] += 1
    if layer.multiscale:
        corners = corners * np.asarray(layer.downsample_factors[layer.data_level])
    place = image.axes.index("Y")
    sizes = image.sizes["Y"], image.sizes["X"]
    picked = []
    for axis, size in zip((place, place + 1), sizes, strict=True):
        low, high = int(np.floor(corners[0, axis])), int(np.ceil(corners[1, axis]))
        picked.append(slice(max(0, low), min(size, high)))
    if min(part.stop - part.start for part in picked) < 1 or not layer.corner_pixels.any():
        return slice(0, sizes[0]), slice(0, sizes[1])
    return picked[0], picked[1]


def current_position(viewer: Any, layer: Any, axes: str) -> dict[str, int]:
    """Return the position of the sliders on each axis of a layer, in its pixels, clipped to the layer.

    Parameters
    ----------
    viewer : napari.Viewer
    layer : napari.layers.Image
        The layer.
    axes : str
        Its axes, without the C of RGB.
    """
    shape = (layer.data[0] if layer.multiscale else layer.data).shape
    coordinates = layer.world_to_data(viewer.dims.point)
    return {
        axis: int(np.clip(round(float(value)), 0, size - 1))
        for axis, size, value in zip(axes, shape, coordinates, strict=False)
    }
