"""Worker of the Train widget: measures the speed, plans the steps for the training time, and trains."""

from __future__ import annotations

import csv
import math
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import count, islice
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from decrappify import Crappifier, Movie
from decrappify.errors import Cancelled, InputError, OutputExistsError
from decrappify.io import open_scenes
from napari_decrappify.layers import LayerImage
from napari_decrappify.task import Bar, Task

if TYPE_CHECKING:
    from decrappify import Model, TrainingConfig

N_FRAMES = (1, 3, 5)
NETWORKS = ("small", "base", "large")
Patch = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]

_WARM_UP_STEPS = 8
_SLOW_STEPS = 3  # the first ones, in which torch initializes
_FEWEST_STEPS = 10
_MOST_VALIDATIONS = 40
_SHARE_OF_VALIDATION = 0.25
_LATEST = 1.5  # of the training time: other programs may slow the run down after its speed was measured
_PATCH = 64
_NAMES_TRIED = 100


@dataclass(frozen=True, kw_only=True)
class TrainRequest:
    """Values of the widget at the time of the click.

    Attributes
    ----------
    images : tuple of LayerImage
        Training layers; empty if `source` is set.
    source : Path or None
        A folder of movies, or of images that are the frames of one.
    crappifier : Crappifier
        Degradation of the images; its scale is that of the model.
    n_frames : int
        Frames in a window.
    minutes : float
        Training time.
    network, device : str
        As for `decrappify.TrainingConfig`.
    name : str
        Name of the model.
    folder : Path
        Parent of the run folder of that name, numbered if the name is taken.
    """

    images: tuple[LayerImage, ...]
    source: Path | None
    crappifier: Crappifier
    n_frames: int
    minutes: float
    network: str
    device: str
    name: str
    folder: Path


@dataclass(frozen=True)
class Validated:
    """Report of a validation.

    Attributes
    ----------
    log : tuple of dict
        All rows so far: step, loss, psnr and psnr_source.
    patch : tuple of ndarray
        Source, prediction and target (Y, X) of a validation patch.
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
    seconds: float


@dataclass(frozen=True)
class Speed:
    """Seconds per step and per validation."""

    step: float
    validation: float


def run_training(task: Task, request: TrainRequest) -> Trained:
    """Train for the requested minutes; a cancelled run ends early with the best model so far."""
    from decrappify import RunOptions, train

    started = time.monotonic()
    with ExitStack() as stack:
        movies = [stack.enter_context(movie) for movie in _open(request)]
        config = _config(request, movies)
        task.report("measuring how fast this machine learns …")
        speed = measure_speed(movies, request, config, task.cancel)
        config = planned(config, speed, request.minutes * 60 - (time.monotonic() - started))
        folder = _free_folder(request)
        watch = _Watch(task, folder, latest=started + _LATEST * request.minutes * 60)
        model = train(
            movies,
            request.crappifier,
            config=config,
            output=folder,
            run=RunOptions(
                card=_card(request, folder.name, movies),
                progress=watch.bar,
                cancel=task.cancel,
                on_validation=watch.on_validation,
            ),
        )
    return _trained(model, folder, config, time.monotonic() - started)


def measure_speed(movies: list[Movie], request: TrainRequest, config: TrainingConfig, stop: threading.Event) -> Speed:
    """Measure the speed in a few training steps, and discard the result.

    Raises
    ------
    Cancelled
        If `stop` is set; nothing is kept yet.
    """
    from decrappify import RunOptions, train

    watch = _Stopwatch()
    short = replace(config, max_steps=_WARM_UP_STEPS, validate_every=_WARM_UP_STEPS)
    train(
        movies,
        request.crappifier,
        config=short,
        run=RunOptions(progress=watch.bar, cancel=stop, on_validation=lambda *_: watch.update(0)),
    )
    if stop.is_set():
        raise Cancelled("stopped before the training had begun; there is no model")
    lengths = np.diff(watch.ticks)
    return Speed(float(median(lengths[_SLOW_STEPS:-1])), float(lengths[-1]))


def planned(config: TrainingConfig, speed: Speed, seconds: float) -> TrainingConfig:
    """Compute the number of steps, and of validations, for `seconds`.

    >>> from decrappify import TrainingConfig
    >>> plan = planned(TrainingConfig(), Speed(step=0.1, validation=1.0), 60)
    >>> plan.max_steps, plan.validate_every
    (450, 30)
    >>> planned(TrainingConfig(), Speed(step=1.0, validation=1.0), 0.5).max_steps
    10
    """
    n_validations = int(min(max(_SHARE_OF_VALIDATION * seconds / speed.validation, 1), _MOST_VALIDATIONS))
    steps = max(_FEWEST_STEPS, int((seconds - n_validations * speed.validation) / speed.step))
    return replace(config, max_steps=steps, validate_every=math.ceil(steps / n_validations))


def movies_in(folder: Path) -> list[Movie]:
    """Open the movies and images of a folder, or the one movie of its files.

    Raises
    ------
    InputError
        If the folder does not exist, or contains no images.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; choose one that holds good images")
    return open_scenes(folder)


def most_structured(patches: Sequence[Patch]) -> int:
    """Return the index of the patch whose target varies most, to avoid showing an empty region.

    >>> flat, steep = np.zeros((4, 4)), np.arange(16.0).reshape(4, 4)
    >>> most_structured([(flat, flat, flat), (flat, flat, steep)])
    1
    """
    return int(np.argmax([np.std(patch[-1]) for patch in patches]))


class _Stopwatch:
    """Replacement for a progress bar that records the time of each update."""

    def __init__(self) -> None:
        self.ticks: list[float] = []

    def bar(self, **_: Any) -> _Stopwatch:
        return self

    def update(self, n: int = 1) -> None:
        self.ticks.append(time.monotonic())

    def close(self) -> None:
        """Do nothing: there is nothing to close."""


class _Watch:
    """Observer of a run that reports to the task, and stops a run that takes far too long."""

    def __init__(self, task: Task, folder: Path, latest: float) -> None:
        self._task, self._folder, self._latest = task, folder, latest
        self._shown: int | None = None

    def bar(self, *, total: int, desc: str, unit: str, initial: int = 0) -> Bar:
        return self._task.progress(total=total, desc=desc, unit=unit, initial=initial)

    def on_validation(self, step: int, score: Any) -> None:
        if self._shown is None:
            self._shown = most_structured(score.previews)
        self._task.report(Validated(read_log(self._folder / "log.csv"), score.previews[self._shown]))
        if time.monotonic() > self._latest:
            self._task.cancel.set()


def read_log(path: Path) -> tuple[dict[str, float], ...]:
    """Read the log of a run: step, loss, psnr and psnr_source of each validation."""
    names = {"step": "step", "loss": "loss", "psnr": "val_psnr", "psnr_source": "val_psnr_source"}
    with path.open(newline="") as file:
        return tuple({key: float(row[name]) for key, name in names.items()} for row in csv.DictReader(file))


def _open(request: TrainRequest) -> Iterator[Movie]:
    """Iterate over the opened movies, so that those before a damaged one can be closed."""
    if request.source is not None:
        return iter(movies_in(request.source))
    if not request.images:
        raise InputError("no layer is ticked; tick the good images to learn from")
    return (image.movie() for image in request.images)


def _config(request: TrainRequest, movies: list[Movie]) -> TrainingConfig:
    from decrappify import TrainingConfig

    smallest = min(min(movie.shape[3:]) for movie in movies) // request.crappifier.scale
    return TrainingConfig(
        network=request.network,
        n_frames=request.n_frames,
        device=request.device,
        patch_size=max(16, min(_PATCH, smallest) // 16 * 16),
    )


def _free_folder(request: TrainRequest) -> Path:
    names = (request.name if number == 1 else f"{request.name}-{number}" for number in count(1))
    for name in islice(names, _NAMES_TRIED):
        if not (request.folder / name).exists():
            return request.folder / name
    raise OutputExistsError(
        f"{request.folder} already holds {_NAMES_TRIED} models called {request.name!r}; choose another name"
    )


def _card(request: TrainRequest, name: str, movies: list[Movie]) -> dict[str, Any]:
    learned_from = ", ".join(movie.name for movie in movies[:3]) + (" …" if len(movies) > 3 else "")
    preset = request.crappifier.name
    return {"name": name, "summary": f"trained on {learned_from} for {request.minutes:g} minutes, crappifier {preset}"}


def _trained(model: Model, folder: Path, config: TrainingConfig, seconds: float) -> Trained:
    card = model.card
    return Trained(
        model=folder / "model.safetensors",
        steps=card["steps"],
        planned_steps=config.max_steps,
        best_step=card["best_step"],
        psnr=card["validation"]["psnr_db"],
        psnr_source=card["validation"]["psnr_source_db"],
        seconds=seconds,
    )
