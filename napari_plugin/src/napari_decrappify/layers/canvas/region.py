"""Region of one plane of a layer: the displayed part, or a crop of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from napari_decrappify.layers.image import LayerImage


@dataclass(frozen=True)
class Region:
    """Rectangle of one plane.

    Attributes
    ----------
    t, c, z : int
        The plane.
    rows, columns : slice
        Ranges in pixels of the layer.
    """

    t: int
    c: int
    z: int
    rows: slice
    columns: slice

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and columns."""
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start

    @property
    def start(self) -> dict[str, int]:
        """First pixel on each axis."""
        return {"T": self.t, "C": self.c, "Z": self.z, "Y": self.rows.start, "X": self.columns.start}

    def middle(self, pixels: int) -> Region:
        """Crop to the middle with at most `pixels`, at least 32 × 32 if the region is that large.

        >>> Region(0, 0, 0, slice(0, 100), slice(0, 400)).middle(10000).columns
        slice(150, 250, None)
        >>> Region(0, 0, 0, slice(10, 20), slice(5, 9)).middle(10000).shape
        (10, 4)
        """
        height, width = self.shape
        if height * width <= pixels:
            return self
        side = max(32, int(np.sqrt(pixels)))
        new_height = min(height, max(side, pixels // max(width, 1)))
        new_width = min(width, max(32, pixels // new_height))
        top, left = self.rows.start + (height - new_height) // 2, self.columns.start + (width - new_width) // 2
        return replace(self, rows=slice(top, top + new_height), columns=slice(left, left + new_width))

    def right_half(self, largest: int) -> Region:
        """Crop to the right half, at most `largest` pixels along each axis, around the middle row.

        >>> Region(0, 0, 0, slice(0, 100), slice(0, 80)).right_half(512).columns
        slice(40, 80, None)
        >>> Region(0, 0, 0, slice(0, 2000), slice(0, 2000)).right_half(512)
        Region(t=0, c=0, z=0, rows=slice(744, 1256, None), columns=slice(1000, 1512, None))
        """
        middle = (self.columns.start + self.columns.stop) // 2
        height = min(largest, self.shape[0])
        top = self.rows.start + (self.shape[0] - height) // 2
        columns = slice(middle, min(self.columns.stop, middle + largest))
        return replace(self, rows=slice(top, top + height), columns=columns)

    def multiple_of(self, size: int) -> Region:
        """Crop the end to a multiple of `size` along both axes.

        >>> Region(0, 0, 0, slice(1, 10), slice(0, 8)).multiple_of(4).shape
        (8, 8)
        """
        rows, columns = (
            slice(part.start, part.start + max(1, (part.stop - part.start) // size) * size)
            for part in (self.rows, self.columns)
        )
        return replace(self, rows=rows, columns=columns)


def displayed_region(viewer: Any, layer: Any, image: LayerImage, channel: int | None = None) -> Region:
    """Return the region of a layer that is displayed in the 2D view.

    Parameters
    ----------
    viewer : napari.Viewer
        Viewer of the layer.
    layer : napari.layers.Image
        The layer.
    image : LayerImage
        Its snapshot.
    channel : int, optional
        Channel of the region; the displayed one by default.
    """
    position = current_position(viewer, layer, image.layer_axes)
    rows, columns = _visible_part(layer, image)
    c = position.get("C", 0) if channel is None else channel
    return Region(position.get("T", 0), c, position.get("Z", 0), rows, columns)


def current_position(viewer: Any, layer: Any, axes: str) -> dict[str, int]:
    """Return the slider position on each axis of a layer, in pixels, clipped to the layer.

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


def show_channel(viewer: Any, layer: Any, image: LayerImage, channel: int) -> None:
    """Move the slider of axis C to a channel of a layer that has this axis."""
    if "C" in image.layer_axes:
        _show(viewer, layer, image.axes.index("C"), channel)


def show_frames(viewer: Any, layer: Any, image: LayerImage, first: int, stop: int) -> None:
    """Move the slider of axis T to the first of some frames of a layer, unless one of them is displayed."""
    t = current_position(viewer, layer, image.layer_axes).get("T")
    if t is not None and not first <= t < stop:
        _show(viewer, layer, image.axes.index("T"), first)


def _show(viewer: Any, layer: Any, axis: int, pixel: int) -> None:
    coordinate = float(layer.translate[axis]) + pixel * float(layer.scale[axis])
    viewer.dims.set_point(viewer.dims.ndim - layer.ndim + axis, coordinate)


def _visible_part(layer: Any, image: LayerImage) -> tuple[slice, slice]:
    """Return the visible rows and columns of the finest level; the whole frame if no pixel is visible."""
    corners = np.asarray(layer.corner_pixels, dtype=float)  # both inclusive
    corners[1] += 1
    if layer.multiscale:
        corners = corners * np.asarray(layer.downsample_factors[layer.data_level])
    first = image.axes.index("Y")
    sizes = image.sizes["Y"], image.sizes["X"]
    found = []
    for axis, size in zip((first, first + 1), sizes, strict=True):
        low, high = int(np.floor(corners[0, axis])), int(np.ceil(corners[1, axis]))
        found.append(slice(max(0, low), min(size, high)))
    if min(part.stop - part.start for part in found) < 1 or not layer.corner_pixels.any():
        return slice(0, sizes[0]), slice(0, sizes[1])
    return found[0], found[1]
