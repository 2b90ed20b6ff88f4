"""Job of the Adapt widget: adapt a model to a layer, and report the comparisons on its held-out frames."""

from __future__ import annotations

import math
import shutil
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from decrappify import AdaptationConfig, RunOptions, adapt
from decrappify.errors import InputError, OutputError, OutputExistsError
from decrappify.training import verdict
from napari_decrappify.layers.image import LayerImage
from napari_decrappify.workers.names import NAMES_TRIED, numbered
from napari_decrappify.workers.running.task import Task

_LATEST = 1.5  # times the time of the adaptation: end of a run that became slower after its speed was measured


@dataclass(frozen=True, kw_only=True)
class AdaptSettings:
    """Values of the widget at the time of the click.

    Attributes
    ----------
    image : LayerImage
        Raw movie.
    model : str or Path
        As for `decrappify.load_model`.
    channel : int or None
        Channel of the layer; None for all.
    minutes : float
        Time of the adaptation.
    noise : Path or None
        Noise model of the camera; None measures the noise in the movie.
    device : str
        As for `decrappify.AdaptationConfig`.
    name : str
        Name of the new model.
    folder : Path
        Parent of the run folder, which has that name, numbered if it exists.
    """

    image: LayerImage
    model: str | Path
    channel: int | None
    minutes: float
    noise: Path | None
    device: str
    name: str
    folder: Path


@dataclass(frozen=True)
class Compared:
    """A comparison with the given model on held-out frames.

    Attributes
    ----------
    step : int
        Step of the adaptation.
    error : float
        Error of the adapted model: 0 is that of the given one, 100 or -100 that of the best Gaussian filter, below 0
        is better.
    uncertainty : float
        Standard error of it.
    gaussian : float
        100, or -100 if the filter is better than the given model.
    is_better : bool
        Whether the adapted model is clearly better.
    """

    step: int
    error: float
    uncertainty: float
    gaussian: float
    is_better: bool

    @classmethod
    def of(cls, step: int, score: Any) -> Compared:
        """Convert an `AdaptationScore`."""
        unit = abs(score.gaussian) or math.nan
        sign = math.copysign(100.0, score.gaussian)
        return cls(step, 100 * score.change / unit, 100 * score.change_error / unit, sign, bool(score.is_better))


@dataclass(frozen=True)
class Adapted:
    """Result of an adaptation.

    Attributes
    ----------
    path : Path or None
        The model file; None if the given model is better, and no file is kept.
    verdict : str
        The result in one line.
    steps : int
        Steps of the run.
    seconds : float
        Time of the run.
    """

    path: Path | None
    verdict: str
    steps: int
    seconds: float


def adapt_model(settings: AdaptSettings, task: Task) -> Adapted:
    """Adapt for `settings.minutes`; a cancelled run ends early with the best model so far."""
    started = time.monotonic()
    folder = free_folder(settings)
    latest = started + _LATEST * settings.minutes * 60

    def on_validation(step: int, score: Any) -> None:
        task.report(Compared.of(step, score))
        if step > 0 and time.monotonic() > latest:
            task.cancel.set()

    task.report("measuring the noise, and the speed …")
    with closing(settings.image.movie()) as movie:
        try:
            model = adapt(
                settings.model,
                movie if settings.channel is None else movie.select(channels=settings.channel),
                noise=settings.noise,
                minutes=settings.minutes,
                config=AdaptationConfig(minutes=settings.minutes, device=settings.device),
                output=folder,
                run=RunOptions(
                    card={"name": folder.name},
                    progress=task.progress,
                    cancel=task.cancel,
                    on_validation=on_validation,
                ),
            )
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)  # of this run, without a model
            raise
    entry = model.card["adapted"]
    is_kept = entry["kept"] == "adapted"
    if not is_kept:
        shutil.rmtree(folder, ignore_errors=True)
    path = folder / "model.safetensors" if is_kept else None
    return Adapted(path, verdict(entry), int(entry["steps"]), time.monotonic() - started)


def reject_model(path: Path) -> None:
    """Delete the run folder of an adapted model.

    Raises
    ------
    InputError
        If the folder is not that of a run of `adapt_model`.
    OutputError
        If it cannot be deleted.
    """
    folder = path.parent
    if path.name != "model.safetensors" or not (folder / "log.csv").is_file():
        raise InputError(f"{folder} is not the folder of an adaptation; delete it yourself")
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise OutputError(f"cannot delete {folder} ({error.strerror}); delete it yourself") from error


def free_folder(settings: AdaptSettings) -> Path:
    """Return the first run folder of the name that does not exist; raises OutputExistsError if there is none."""
    for name in numbered(settings.name):
        if not (settings.folder / name).exists():
            return settings.folder / name
    raise OutputExistsError(
        f"{settings.folder} already contains {NAMES_TRIED} models with the name {settings.name!r}; choose another name"
    )
