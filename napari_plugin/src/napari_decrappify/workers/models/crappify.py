"""Job of the crappifier preview: degrade the right half of the displayed region."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decrappify import Crappifier, Movie
from decrappify.normalization import Normalization, measure
from napari_decrappify.layers.canvas.region import Region
from napari_decrappify.layers.image import LayerImage
from napari_decrappify.workers.running.task import Task


@dataclass(frozen=True, kw_only=True)
class CrappifySettings:
    """Image, crappifier, and region to degrade."""

    image: LayerImage
    crappifier: Crappifier
    region: Region


@dataclass(frozen=True)
class Crappified:
    """Crappified pixels (Y, X) of the region in `settings`."""

    settings: CrappifySettings
    pixels: NDArray[Any]


class CrappifyPreviewer:
    """Crappification of regions, with the movie and its measured gray levels cached per layer.

    The seed is constant, so that moving a slider shows the effect of its parameter only. Not thread-safe.
    """

    def __init__(self) -> None:
        self._key: tuple[Any, ...] = ()
        self._movie: Movie | None = None
        self._levels: Normalization | None = None

    def preview(self, settings: CrappifySettings, task: Task) -> Crappified:
        """Crappify the region, cropped to a multiple of the crappifier's scale."""
        task.check_cancel()
        movie, levels = self._prepared(settings)
        region = settings.region.multiple_of(settings.crappifier.scale)
        pixels = settings.crappifier(
            movie.region(region.t, region.c, region.z, region.rows, region.columns),
            np.random.default_rng(0),
            data_range=(levels.offset, levels.offset + levels.scale),
            times=np.array([region.t]),
        )
        return Crappified(replace(settings, region=region), pixels)

    def close(self) -> None:
        """Release the movie."""
        if self._movie is not None:
            self._movie.close()
        self._key, self._movie, self._levels = (), None, None

    def _prepared(self, settings: CrappifySettings) -> tuple[Movie, Normalization]:
        key = (id(settings.image.data), settings.image.axes, settings.region.c)
        if self._movie is None or self._levels is None or key != self._key:
            self.close()
            self._movie = settings.image.movie()
            self._levels = measure(self._movie, settings.region.c)
            self._key = key
        return self._movie, self._levels
