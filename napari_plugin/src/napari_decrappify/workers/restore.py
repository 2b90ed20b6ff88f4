"""Job of the Restore widget: restore a layer into an OME-Zarr store."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from decrappify import Model, Movie, load_model
from decrappify.errors import OutputExistsError
from decrappify.io import partial_path
from napari_decrappify.layers.growing import GrowingStore, PlaneDone
from napari_decrappify.layers.image import LayerImage
from napari_decrappify.workers.names import NAMES_TRIED, numbered, safe_name
from napari_decrappify.workers.task import Task


@dataclass(frozen=True, kw_only=True)
class RestoreSettings:
    """Values of the widget at the time of the click.

    Attributes
    ----------
    image : LayerImage
        The input.
    model : str or Path
        As for `decrappify.load_model`.
    folder : Path
        Folder of the result, ``<layer>-<model>.ome.zarr``, numbered if the name is taken.
    first, stop : int
        Frames ``first:stop``.
    channel : int or None
        Channel to restore; None for all.
    device : str
        As for `decrappify.restore`.
    fidelity : float or None
        As for `decrappify.RestorationOptions`.
    """

    image: LayerImage
    model: str | Path
    folder: Path
    first: int
    stop: int
    channel: int | None = None
    device: str = "auto"
    fidelity: float | None = None

    def of(self, image: LayerImage, *, all_frames: bool) -> RestoreSettings:
        """Return the settings for another scene; the frames beyond its end are omitted."""
        n_frames = image.sizes.get("T", 1)
        stop = n_frames if all_frames else min(self.stop, n_frames)
        return replace(self, image=image, first=min(self.first, n_frames - 1), stop=stop)

    @property
    def model_name(self) -> str:
        """Short name of the model, for layers and files."""
        path = Path(self.model)
        return path.parent.name if path.stem == "model" else path.name.removesuffix(".safetensors")

    @property
    def recorded(self) -> dict[str, Any]:
        """Settings that are recorded in the metadata of the layers."""
        recorded = {"model": self.model_name, "frames": [self.first, self.stop], "device": self.device}
        return recorded if self.fidelity is None else recorded | {"fidelity": self.fidelity}


@dataclass(frozen=True)
class Restored:
    """Result of a finished restoration."""

    store: GrowingStore
    provenance: dict[str, Any]
    seconds: float


def restore_layer(settings: RestoreSettings, task: Task) -> Restored:
    """Restore into the first free name; an unfinished run of the same input, model and frames is resumed.

    Reports the `GrowingStore` with the first plane, and each `PlaneDone`.
    """
    started = time.monotonic()
    model = load_model(settings.model)
    with closing(settings.image.movie()) as movie:
        for output in _outputs(settings):
            try:
                restored = _restore(settings, task, movie, model, output)
            except OutputExistsError:
                continue  # a finished output, or an unfinished run of other data
            with closing(restored):
                store = GrowingStore(output, output, model.scale, int(np.prod(restored.shape[:3])))
                return Restored(store, dict(restored.provenance), time.monotonic() - started)
    raise OutputExistsError(
        f"{settings.folder} already contains {NAMES_TRIED} results of {settings.image.name!r} with "
        f"{settings.model_name!r}; choose another folder, or delete some"
    )


def window_axis(movie: Movie, model: Model) -> str:
    """Return the window axis: Z for a single stack and a model of several frames, otherwise T."""
    n_t, _, n_z = movie.shape[:3]
    return "Z" if model.n_frames > 1 and n_t == 1 and n_z > 1 else "T"


def _restore(settings: RestoreSettings, task: Task, movie: Movie, model: Model, output: Path) -> Movie:
    from decrappify import InferenceOptions, RestorationOptions, restore

    reported = count()

    def on_plane(t: int, c: int, z: int) -> None:
        if next(reported) == 0:
            n_channels = movie.shape[1] if settings.channel is None else 1
            n_planes = (settings.stop - settings.first) * n_channels * movie.shape[2]
            task.report(GrowingStore(partial_path(output), output, model.scale, n_planes))
        task.report(PlaneDone(t, c, z))

    frames = slice(settings.first, settings.stop)
    restored: Movie = restore(
        movie if settings.channel is None else movie.select(channels=settings.channel),
        model,
        output,
        inference=InferenceOptions(device=settings.device),
        options=RestorationOptions(frames=frames, window_axis=window_axis(movie, model), fidelity=settings.fidelity),
        progress=task.progress,
        cancel=task.cancel,
        on_plane=on_plane,
    )
    return restored


def finished_output(settings: RestoreSettings) -> Path | None:
    """Return the newest existing result of the same name, which a run does not replace; None if there is none.

    It is None, too, if there is an unfinished run, which may be resumed.
    """
    found = None
    for output in _outputs(settings):
        if not output.exists():
            return None if partial_path(output).exists() else found
        found = output
    return found


def _outputs(settings: RestoreSettings) -> Iterator[Path]:
    name = f"{safe_name(settings.image.name)}-{safe_name(settings.model_name)}"
    return (settings.folder / f"{each}.ome.zarr" for each in numbered(name))
