"""Job of the model preview: restore the displayed region."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from decrappify import Movie, load_model
from napari_decrappify.layers.canvas.region import Region
from napari_decrappify.layers.image import LayerImage
from napari_decrappify.workers.movies.restore import window_axis
from napari_decrappify.workers.running.task import Task

if TYPE_CHECKING:
    from decrappify.restoration import Preview

_PREVIEW_S = 1.0
_FIRST_PIXELS = 256 * 256


@dataclass(frozen=True, kw_only=True)
class PreviewSettings:
    """Model, device, fidelity and region to preview, as for `RestoreSettings`."""

    image: LayerImage
    model: str | Path
    device: str
    region: Region
    fidelity: float | None = None


@dataclass(frozen=True)
class Previewed:
    """Restored pixels (C, Y, X) of the region in `settings`."""

    settings: PreviewSettings
    pixels: NDArray[Any]
    scale: int
    seconds: float


class Previewer:
    """Restoration of regions, with model, movie and normalization cached per layer, model, fidelity and device.

    Not thread-safe.
    """

    def __init__(self) -> None:
        self._key: tuple[Any, ...] = ()
        self._movie: Movie | None = None
        self._preview: Preview | None = None
        self._scale = 1
        self._pixels_per_second = 0.0

    def preview(self, settings: PreviewSettings, task: Task) -> Previewed:
        """Restore the center of the region, as large as possible within a second."""
        preview = self._prepared(settings, task)
        region = settings.region.middle(int(self._pixels_per_second * _PREVIEW_S) or _FIRST_PIXELS)
        started = time.monotonic()

        def restored(channel: int) -> NDArray[Any]:
            part = region.t, channel, region.z, region.rows, region.columns
            return np.asarray(preview.region(*part, cancel=task.cancel))

        pixels = restored(0 if settings.image.is_rgb else region.c)
        if settings.image.is_rgb and len(pixels) == 1:  # by a model of single channels
            pixels = np.concatenate([pixels, restored(1), restored(2)])
        seconds = time.monotonic() - started
        self._pixels_per_second = region.shape[0] * region.shape[1] / max(seconds, 1e-3)
        return Previewed(replace(settings, region=region), pixels, self._scale, seconds)

    def close(self) -> None:
        """Release the movie."""
        if self._movie is not None:
            self._movie.close()
        self._key, self._movie, self._preview = (), None, None

    def _prepared(self, settings: PreviewSettings, task: Task) -> Preview:
        from decrappify import InferenceOptions, RestorationOptions
        from decrappify.restoration import Preview

        key = (id(settings.image.data), settings.image.axes, str(settings.model), settings.device, settings.fidelity)
        if self._preview is None or key != self._key:
            self.close()
            task.report("measuring the movie and loading the model …")
            model = load_model(settings.model)
            self._movie = settings.image.movie()
            inference = InferenceOptions(device=settings.device)
            options = RestorationOptions(window_axis=window_axis(self._movie, model), fidelity=settings.fidelity)
            self._preview = Preview(self._movie, model, inference=inference, options=options)
            self._key, self._scale, self._pixels_per_second = key, model.scale, 0.0
        return self._preview
