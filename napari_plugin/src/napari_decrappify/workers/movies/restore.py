"""Job of the Restore widget: restore a layer into an OME-Zarr store."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from decrappify import Model, Movie, load_model
from decrappify.errors import OutputExistsError
from decrappify.io import partial_path
from napari_decrappify.layers.files.channels import channel_names, common_name
from napari_decrappify.layers.files.listing import SceneListing, scene_like
from napari_decrappify.layers.files.scenes import movie_of
from napari_decrappify.layers.image import LayerImage
from napari_decrappify.layers.results.growing import GrowingStore, PlaneDone
from napari_decrappify.workers.names import NAMES_TRIED, create_folder, numbered, safe_name
from napari_decrappify.workers.running.notes import logged_warnings
from napari_decrappify.workers.running.task import Task

R = TypeVar("R")


@dataclass(frozen=True, kw_only=True)
class RestoreSettings:
    """Values of the widget at the time of the click.

    Attributes
    ----------
    image : LayerImage
        The input, or its first channel.
    model : str or Path
        As for `decrappify.load_model`.
    folder : Path
        Folder of the result, ``<layer>-<model>.ome.zarr``, numbered if the name is taken.
    channels : tuple of LayerImage
        Layers that are the channels of one movie and become those of one result; empty for one layer.
    models : mapping of str to (str or Path)
        Models of single channels by name, instead of `model`; see `channel_names`.
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
    channels: tuple[LayerImage, ...] = ()
    models: Mapping[str, str | Path] = field(default_factory=dict)
    channel: int | None = None
    device: str = "auto"
    fidelity: float | None = None

    def of(self, images: Sequence[LayerImage], *, all_frames: bool) -> RestoreSettings:
        """Return the settings for the same channels of another scene; the frames beyond its end are omitted."""
        n_frames = images[0].sizes.get("T", 1)
        stop = n_frames if all_frames else min(self.stop, n_frames)
        channels = tuple(images) if self.channels else ()
        return replace(self, image=images[0], channels=channels, first=min(self.first, n_frames - 1), stop=stop)

    @property
    def images(self) -> tuple[LayerImage, ...]:
        """Layers of the input."""
        return self.channels or (self.image,)

    @property
    def name(self) -> str:
        """Name of the input."""
        return common_name(self.images)

    @property
    def model_name(self) -> str:
        """Short name of the model, or names of different models, for files."""
        return "+".join(dict.fromkeys(self.model_names))

    @property
    def model_names(self) -> list[str]:
        """Short name of the model of each channel; a single one if all channels have the same model."""
        if not self.models:
            return [short_name(self.model)]
        return [short_name(self.models.get(name, self.model)) for name in channel_names(self.images)]

    @property
    def all_models(self) -> Any:
        """The model, or models by channel, as for `decrappify.restore`."""
        return {**self.models, "*": self.model} if self.models else self.model

    @property
    def recorded(self) -> dict[str, Any]:
        """Settings that are recorded in the metadata of the layers."""
        recorded: dict[str, Any] = {"model": self.model_name, "frames": [self.first, self.stop], "device": self.device}
        recorded |= {"model_file": str(self.model)}
        further = {"restored_channel": self.channel, "fidelity": self.fidelity}
        return recorded | {name: value for name, value in further.items() if value is not None}

    @contextmanager
    def opened(self, task: Task) -> Iterator[Movie]:
        """Open the input as a movie; with models of single channels, its channels have unique names.

        Files of microscopes can take seconds each, so that `task` can be cancelled between them.
        """
        with ExitStack() as stack:
            movies = []
            for image in self.images:
                task.check_cancel()
                movies.append(stack.enter_context(closing(image.movie())))
            movie = movie_of(self.images, movies).replace(name=self.name) if self.channels else movies[0]
            yield movie.replace(channel_names=channel_names(self.images)) if self.models else movie


OpenInput = Callable[[Task], RestoreSettings]
"""A function that opens an input and returns the settings of its run; raises DecrappifyError if it cannot be opened."""


@dataclass(frozen=True)
class Restored:
    """Result of a finished restoration, and the warnings about it."""

    store: GrowingStore
    provenance: dict[str, Any]
    seconds: float
    warnings: tuple[str, ...] = ()


def restore_layer(settings: RestoreSettings, task: Task) -> Restored:
    """Restore into the first free name; an unfinished run of the same input, model and frames is resumed.

    Reports the `GrowingStore` with the first plane, and each `PlaneDone`.
    """
    started = time.monotonic()
    models = _loaded(settings)
    with settings.opened(task) as movie, logged_warnings() as warnings:
        for output in _outputs(settings):
            try:
                restored = _restore(settings, task, movie, models, output)
            except OutputExistsError:
                continue  # a finished output, or an unfinished run of other data
            with closing(restored):
                scale = restored.shape[-1] // movie.shape[-1]
                store = GrowingStore(output, output, scale, int(np.prod(restored.shape[:3])))
                return Restored(store, dict(restored.provenance), time.monotonic() - started, tuple(warnings))
    raise OutputExistsError(
        f"{settings.folder} already contains {NAMES_TRIED} results of {settings.name!r} with "
        f"{settings.model_name!r}; choose another folder, or delete some"
    )


def opening(settings: RestoreSettings, scene: str, *, all_frames: bool) -> OpenInput:
    """Return a function that opens the channels of `settings` in another scene of their file; see `RestoreSettings.of`.

    Raises InputError if the file does not have this scene, or the scene one of the channels, and MissingFileError if
    the file is gone.
    """

    def open_scene(task: Task) -> RestoreSettings:
        listing = SceneListing.of(Path(settings.image.recorded["path"]))
        task.check_cancel()
        return settings.of(scene_like(listing, scene, settings.images), all_frames=all_frames)

    return open_scene


def with_opening(job: Callable[[RestoreSettings, Task], R]) -> Callable[[OpenInput, Task], R]:
    """Return a job that opens an input, reports the settings, creates their folder, and runs another job with them."""

    def run(open_input: OpenInput, task: Task) -> R:
        task.report("opening the input …")
        settings = open_input(task)
        task.check_cancel()
        create_folder(settings.folder)
        task.report(settings)
        return job(settings, task)

    return run


def window_axis(movie: Movie, *models: Model) -> str:
    """Return the window axis: Z for a single stack and models of several frames, otherwise T."""
    n_t, _, n_z = movie.shape[:3]
    return "Z" if max(model.n_frames for model in models) > 1 and n_t == 1 and n_z > 1 else "T"


def short_name(model: str | Path) -> str:
    """Return the short name of a model, for layers and files.

    >>> short_name("fluorescence-movie"), short_name("models/cells/model.safetensors"), short_name("a.safetensors")
    ('fluorescence-movie', 'cells', 'a')
    """
    path = Path(model)
    return path.parent.name if path.stem == "model" else path.name.removesuffix(".safetensors")


def _loaded(settings: RestoreSettings) -> dict[str, Model]:
    """Load each model once, by channel, ``"*"`` for the others."""
    chosen = {**settings.models, "*": settings.model}
    loaded = {path: load_model(path) for path in dict.fromkeys(chosen.values())}
    return {channel: loaded[path] for channel, path in chosen.items()}


def _restore(settings: RestoreSettings, task: Task, movie: Movie, models: Mapping[str, Model], output: Path) -> Movie:
    from decrappify import InferenceOptions, RestorationOptions, restore

    reported = count()

    def on_plane(t: int, c: int, z: int) -> None:
        if next(reported) == 0:
            n_channels = movie.shape[1] if settings.channel is None else 1
            n_planes = (settings.stop - settings.first) * n_channels * movie.shape[2]
            task.report(GrowingStore(partial_path(output), output, models["*"].scale, n_planes))
        task.report(PlaneDone(t, c, z))

    frames, axis = slice(settings.first, settings.stop), window_axis(movie, *models.values())
    restored: Movie = restore(
        movie if settings.channel is None else movie.select(channels=settings.channel),
        dict(models) if settings.models else models["*"],
        output,
        inference=InferenceOptions(device=settings.device),
        options=RestorationOptions(frames=frames, window_axis=axis, fidelity=settings.fidelity),
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
    name = f"{safe_name(settings.name)}-{safe_name(settings.model_name)}"
    return (settings.folder / f"{each}.ome.zarr" for each in numbered(name))
