"""Job of the export: write layers, as the channels and scenes of one file."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from decrappify import Movie, save_movie
from decrappify.io import save_scenes
from napari_decrappify.layers.files.scenes import LayerScene, movie_of, scenes_of
from napari_decrappify.layers.image import LayerImage
from napari_decrappify.workers.running.task import Task

FILM = ".mp4"


@dataclass(frozen=True, kw_only=True)
class ExportSettings:
    """Values of the widget at the time of the click.

    Attributes
    ----------
    images : tuple of LayerImage
        The layers, at least one.
    path : Path
        The file; its suffix chooses the format.
    overwrite : bool
        Replace an existing file, as confirmed by the user.
    z : int
        Slice that a film of a Z-stack shows.
    """

    images: tuple[LayerImage, ...]
    path: Path
    overwrite: bool = False
    z: int = 0


@dataclass(frozen=True)
class Exported:
    """A written file: number of scenes, channel names of the first scene, and the slice of a film of a stack."""

    path: Path
    n_scenes: int
    channel_names: tuple[str, ...]
    z: int | None
    seconds: float


def export_layers(settings: ExportSettings, task: Task) -> Exported:
    """Write the layers, one plane in memory at a time; a cancelled or failed export leaves no file."""
    started = time.monotonic()
    scenes = scenes_of(settings.images)
    with ExitStack() as stack:
        movies = [_opened(scene, stack) for scene in scenes]
        is_film = settings.path.suffix.lower() == FILM
        z = min(settings.z, movies[0].shape[2] - 1) if is_film and movies[0].shape[2] > 1 else None
        if z is not None:
            movies = [movie.select(slices=min(z, movie.shape[2] - 1)) for movie in movies]
        if len(movies) == 1:
            movie = movies[0].replace(name=settings.path.name)
            save_movie(movie, settings.path, overwrite=settings.overwrite, progress=task.progress, cancel=task.cancel)
        else:
            save_scenes(
                movies,
                settings.path,
                names=[scene.name for scene in scenes],
                overwrite=settings.overwrite,
                progress=task.progress,
                cancel=task.cancel,
            )
    return Exported(settings.path, len(scenes), movies[0].channel_names, z, time.monotonic() - started)


def _opened(scene: LayerScene, stack: ExitStack) -> Movie:
    movies = []
    for image in scene.images:
        movies.append(image.movie())
        stack.callback(movies[-1].close)
    return movie_of(scene.images, movies)
