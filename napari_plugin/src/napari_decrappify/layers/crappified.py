"""Preview of a crappifier on the canvas: the right half of the visible region, degraded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decrappify import Crappifier, Movie
from decrappify.normalization import Normalization, measure
from napari_decrappify.layers.image import METADATA, LayerImage, restored_attributes
from napari_decrappify.workers.task import Task

_LARGEST = 512  # pixels along Y and X, so that the preview follows a slider without delay


@dataclass(frozen=True, kw_only=True)
class CrappifyRequest:
    """A region of one plane to crappify.

    Attributes
    ----------
    image : LayerImage
        The image to degrade.
    crappifier : Crappifier
        The degradation.
    t, c, z : int
        The plane.
    rows, columns : slice
        The region, in pixels of the layer.
    """

    image: LayerImage
    crappifier: Crappifier
    t: int
    c: int
    z: int
    rows: slice
    columns: slice


@dataclass(frozen=True)
class Crappified:
    """A crappified region and its position."""

    request: CrappifyRequest
    pixels: NDArray[Any]


class CrappifyPreviewer:
    """Crappification of regions, with the movie and its measured gray levels cached per layer.

    The seed is constant, so that moving a slider shows only its own effect. Used from one thread at a time.
    """

    def __init__(self) -> None:
        self._key: tuple[Any, ...] = ()
        self._movie: Movie | None = None
        self._levels: Normalization | None = None

    def run(self, task: Task, request: CrappifyRequest) -> Crappified:
        """Crappify the region, cropped to a multiple of the crappifier's scale."""
        movie, levels = self._prepared(request)
        scale = request.crappifier.scale
        rows, columns = (_fitting(part, scale) for part in (request.rows, request.columns))
        image = movie.region(request.t, request.c, request.z, rows, columns)
        pixels = request.crappifier(
            image,
            np.random.default_rng(0),
            data_range=(levels.offset, levels.offset + levels.scale),
            times=np.array([request.t]),
        )
        return Crappified(replace(request, rows=rows, columns=columns), pixels)

    def close(self) -> None:
        """Release the movie."""
        if self._movie is not None:
            self._movie.close()
        self._key, self._movie, self._levels = (), None, None

    def _prepared(self, request: CrappifyRequest) -> tuple[Movie, Normalization]:
        key = (id(request.image.data), request.image.axes, request.c)
        if self._movie is None or self._levels is None or key != self._key:
            self.close()
            self._movie = request.image.movie()
            self._levels = measure(self._movie, request.c)
            self._key = key
        return self._movie, self._levels


class CrappifiedLayer:
    """At most one layer with the crappified region at its position in the image.

    Parameters
    ----------
    viewer : napari.Viewer
        Viewer of the layer.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._layer: Any = None

    def show(self, crappified: Crappified) -> None:
        """Show the region on the canvas, replacing the last one."""
        request = crappified.request
        axes = request.image.axes.replace("C", "")
        pixels = crappified.pixels.reshape((1,) * (len(axes) - 2) + crappified.pixels.shape)
        start = {"T": request.t, "Z": request.z, "Y": request.rows.start, "X": request.columns.start}
        attributes = restored_attributes(request.image, axes=axes, scale=1 / request.crappifier.scale, start=start)
        name = f"{request.image.name} [crappified: {request.crappifier.name}]"
        metadata = {
            METADATA: {"crappified_from": request.image.name, "crappifier": request.crappifier.to_dict(), "seed": 0}
        }
        if not self.is_shown or self._layer.ndim != len(axes):
            self.remove()
            self._layer = self._viewer.add_image(pixels, name=name, metadata=metadata, **attributes)
            return
        self._layer.data = pixels
        self._layer.scale, self._layer.translate = attributes["scale"], attributes["translate"]
        self._layer.name, self._layer.metadata = name, metadata

    @property
    def is_shown(self) -> bool:
        """Return whether the layer is in the viewer; a user may have deleted it."""
        return self._layer is not None and self._layer in self._viewer.layers

    @property
    def layer(self) -> Any:
        """Layer, None if it is not shown."""
        return self._layer if self.is_shown else None

    def remove(self) -> None:
        """Remove the layer."""
        if self.is_shown:
            self._viewer.layers.remove(self._layer)
        self._layer = None


def right_half(rows: slice, columns: slice) -> tuple[slice, slice]:
    """Crop the right half of a region to at most 512 x 512 pixels around its middle row.

    >>> right_half(slice(0, 100), slice(0, 80))
    (slice(0, 100, None), slice(40, 80, None))
    >>> right_half(slice(0, 2000), slice(0, 2000))
    (slice(744, 1256, None), slice(1000, 1512, None))
    """
    middle = (columns.start + columns.stop) // 2
    height = min(_LARGEST, rows.stop - rows.start)
    top = rows.start + (rows.stop - rows.start - height) // 2
    return slice(top, top + height), slice(middle, min(columns.stop, middle + _LARGEST))


def _fitting(part: slice, scale: int) -> slice:
    """Shorten a part to a multiple of `scale`."""
    return slice(part.start, part.start + max(1, (part.stop - part.start) // scale) * scale)
