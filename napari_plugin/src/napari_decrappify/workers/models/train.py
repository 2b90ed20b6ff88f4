"""Job of the Train widget: train for a time, and report the validations."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from decrappify import Crappifier, Movie
from decrappify.errors import InputError, OutputExistsError
from decrappify.io import open_scenes
from decrappify.networks import DEFAULT_NETWORK
from napari_decrappify.layers.image import LayerImage
from napari_decrappify.workers.movies.restore import short_name
from napari_decrappify.workers.names import NAMES_TRIED, numbered
from napari_decrappify.workers.running.task import Task

if TYPE_CHECKING:
    from decrappify import Model, TrainingConfig

N_FRAMES = (1, 3, 5)
NETWORKS = tuple(dict.fromkeys((DEFAULT_NETWORK, "small", "base", "large")))  # the first is the default
Patch = tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]

_LATEST = 1.5  # times the training time: end of a run that became slower after its speed was measured
_PATCH = 64
_SMALL_DB = 0.05  # not an improvement


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """Values of the widget at the time of the click.

    Attributes
    ----------
    images : tuple of LayerImage
        Training layers; empty if `source` is set.
    source : Path or None
        Folder of movies or images, of images that are the frames of one movie, or of measured pairs in ``low/`` and
        ``high/``.
    crappifier : Crappifier or None
        Degradation of the images; its scale is that of the model. None for measured pairs.
    n_frames : int
        Frames in a window.
    minutes : float
        Training time.
    network, device : str
        As for `decrappify.TrainingConfig`.
    name : str
        Name of the model.
    folder : Path
        Parent of the run folder, which has that name, numbered if it exists.
    start_from : str, Path or None
        Model whose weights are the initial ones.
    resume : Path or None
        Folder of a stopped run to continue, with the same data and settings.
    """

    images: tuple[LayerImage, ...]
    source: Path | None
    crappifier: Crappifier | None
    n_frames: int
    minutes: float
    network: str
    device: str
    name: str
    folder: Path
    start_from: str | Path | None = None
    resume: Path | None = None


@dataclass(frozen=True)
class Validated:
    """Report of a validation.

    Attributes
    ----------
    log : tuple of dict
        All rows so far: step, loss, psnr, psnr_source and psnr_gaussian; NaN for missing values.
    patch : tuple of ndarray
        Source, best Gaussian, prediction and target (Y, X) of a validation patch.
    """

    log: tuple[dict[str, float], ...]
    patch: Patch


@dataclass(frozen=True)
class Trained:
    """Result of a finished run."""

    model: Path
    steps: int
    planned_steps: int
    best_step: int
    psnr: float
    psnr_source: float
    psnr_gaussian: float
    seconds: float

    @property
    def warning(self) -> str:
        """Warning about a model that is not better than its input or a Gaussian filter; empty for a useful one."""
        if self.psnr <= self.psnr_source + _SMALL_DB:
            return "the model does not improve its input; do not use it"
        if self.psnr < self.psnr_gaussian:
            return "the model is worse than a Gaussian filter; train longer, or on more images"
        return ""


def train_model(settings: TrainSettings, task: Task) -> Trained:
    """Train for `settings.minutes`; a cancelled run ends early with the best model so far."""
    from decrappify import RunOptions, train

    started = time.monotonic()
    with ExitStack() as stack:
        movies = [stack.enter_context(movie) for movie in _open(settings)]
        config = _config(settings, movies)
        task.report("measuring the training speed …" if settings.resume is None else "reading the checkpoint …")
        folder = settings.resume or _free_folder(settings)
        watch = _Watch(task, folder, latest=started + _LATEST * settings.minutes * 60)
        model = train(
            movies or None,
            settings.crappifier,
            pairs=settings.source if settings.crappifier is None else None,
            config=config,
            output=folder,
            start_from=settings.start_from,
            run=RunOptions(
                resume=settings.resume is not None,
                card=_card(settings, folder.name, movies),
                progress=task.progress,
                cancel=task.cancel,
                on_validation=watch.on_validation,
            ),
        )
    return _trained(model, folder, time.monotonic() - started)


def movies_in(folder: Path) -> list[Movie]:
    """Open the movies and images of a folder, or the movie whose frames are its files.

    Raises
    ------
    InputError
        If the folder does not exist, or contains no images.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; choose a folder of training images")
    return open_scenes(folder)


def most_structured(patches: Sequence[Patch]) -> int:
    """Return the index of the patch whose target varies most, so that no empty region is shown.

    >>> flat, steep = np.zeros((4, 4)), np.arange(16.0).reshape(4, 4)
    >>> most_structured([(flat, flat, flat, flat), (flat, flat, flat, steep)])
    1
    """
    return int(np.argmax([np.std(patch[-1]) for patch in patches]))


class _Watch:
    """Observer of a run that reports its validations, and stops it after a time limit."""

    def __init__(self, task: Task, folder: Path, latest: float) -> None:
        self._task, self._folder, self._latest = task, folder, latest
        self._shown: int | None = None

    def on_validation(self, step: int, score: Any) -> None:
        if self._shown is None:
            self._shown = most_structured(score.previews)
        self._task.report(Validated(read_log(self._folder / "log.csv"), score.previews[self._shown]))
        if step > 0 and time.monotonic() > self._latest:  # step 0 is before the training
            self._task.cancel.set()


def read_log(path: Path) -> tuple[dict[str, float], ...]:
    """Read the log of a run: step, loss and PSNRs of each validation; NaN for the loss before the first step."""
    names = {"step": "step", "loss": "loss"} | {key: f"val_{key}" for key in ("psnr", "psnr_source", "psnr_gaussian")}
    with path.open(newline="") as file:
        return tuple({key: float(row[name] or "nan") for key, name in names.items()} for row in csv.DictReader(file))


def _open(settings: TrainSettings) -> Iterator[Movie]:
    """Iterate over the opened movies, so that those before a damaged file can be closed."""
    if settings.crappifier is None:
        return iter(())  # pairs are opened by the training
    if settings.source is not None:
        return iter(movies_in(settings.source))
    if not settings.images:
        raise InputError("no layer is ticked; tick the layers to train on")
    return (image.movie() for image in settings.images)


def _config(settings: TrainSettings, movies: list[Movie]) -> TrainingConfig:
    from decrappify import TrainingConfig

    scale = 1 if settings.crappifier is None else settings.crappifier.scale
    smallest = min((min(movie.shape[3:]) for movie in movies), default=_PATCH * scale) // scale
    return TrainingConfig(
        network=settings.network,
        n_frames=settings.n_frames,
        minutes=settings.minutes,
        device=settings.device,
        patch_size=max(16, min(_PATCH, smallest) // 16 * 16),
    )


def _free_folder(settings: TrainSettings) -> Path:
    for name in numbered(settings.name):
        if not (settings.folder / name).exists():
            return settings.folder / name
    raise OutputExistsError(
        f"{settings.folder} already contains {NAMES_TRIED} models with the name {settings.name!r}; choose another name"
    )


def _card(settings: TrainSettings, name: str, movies: list[Movie]) -> dict[str, Any]:
    start = "" if settings.start_from is None else f", from the weights of {short_name(settings.start_from)}"
    duration = f"{settings.minutes:g} minutes{start}"
    if settings.crappifier is None:
        return {"name": name, "summary": f"trained on the pairs in {Path(settings.source or '').name} for {duration}"}
    trained_on = ", ".join(movie.name for movie in movies[:3]) + (" …" if len(movies) > 3 else "")
    return {
        "name": name,
        "summary": f"trained on {trained_on} for {duration}, crappifier {settings.crappifier.name}",
    }


def _trained(model: Model, folder: Path, seconds: float) -> Trained:
    card = model.card
    return Trained(
        model=folder / "model.safetensors",
        steps=card["steps"],
        planned_steps=card["settings"]["max_steps"],
        best_step=card["best_step"],
        psnr=card["validation"]["psnr_db"],
        psnr_source=card["validation"]["psnr_source_db"],
        psnr_gaussian=card["validation"]["psnr_gaussian_db"],
        seconds=seconds,
    )
