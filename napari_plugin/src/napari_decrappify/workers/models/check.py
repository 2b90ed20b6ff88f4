"""Jobs before a restoration: the check of a model on a layer, and the estimate of time and disk space."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from decrappify import Movie, check, load_model
from decrappify.errors import InputError
from napari_decrappify.layers.files.channels import channel_names
from napari_decrappify.workers.movies.restore import RestoreSettings, window_axis
from napari_decrappify.workers.names import safe_name
from napari_decrappify.workers.running.task import Task

if TYPE_CHECKING:
    from decrappify import InferenceOptions, MovieCheck
    from decrappify.batch import RunEstimate

# What to do after each verdict, in words of the widgets.
ADVICE = {
    "better": "Restore with this model.",
    "similar": "A Gaussian filter is as good here; the widget Adapt improves the model on this movie.",
    "worse": "Do not use this model for these data; choose another one, or adapt or train one.",
    "untested": "This is not a statement on the model; compare its preview with the raw data.",
}


@dataclass(frozen=True)
class Checked:
    """Result of a check, and how long it took."""

    check: MovieCheck
    seconds: float

    @property
    def advice(self) -> str:
        """Sentence that states what to do."""
        return ADVICE[self.check.verdict]


@dataclass(frozen=True, kw_only=True)
class CheckSettings:
    """Settings of the run that is checked, and the noise model of the camera; None measures the noise in the movie."""

    run: RestoreSettings
    noise: Path | None = None


def check_model(checked: CheckSettings, task: Task) -> Checked:
    """Check the model on the chosen channel of the layer."""
    settings = checked.run
    started = time.monotonic()
    task.report("loading the model …")
    model = load_model(settings.models.get(channel_names(settings.images)[0], settings.model))
    with closing(settings.image.movie()) as movie:
        measured = _selected(movie, settings)
        task.report("measuring the noise …")
        found = check(
            measured,
            model,
            checked.noise,
            window_axis=window_axis(measured, model),
            inference=_inference(settings),
            progress=task.progress,
            cancel=task.cancel,
        )
    return Checked(found, time.monotonic() - started)


def estimate_run(settings: RestoreSettings, task: Task) -> RunEstimate:
    """Estimate the time of a restoration, and its size on disk; nothing is written."""
    from decrappify import RestorationOptions
    from decrappify.batch import estimate_restoration

    task.report("measuring the speed …")
    models = [load_model(model) for model in {settings.model, *settings.models.values()}]
    with settings.opened(task) as movie:
        frames = slice(settings.first, settings.stop)
        return estimate_restoration(
            movie if settings.channel is None else movie.select(channels=settings.channel),
            settings.all_models,
            settings.folder / f"{safe_name(settings.image.name)}.ome.zarr",
            inference=_inference(settings),
            options=RestorationOptions(frames=frames, window_axis=window_axis(movie, *models)),
        )


def _selected(movie: Movie, settings: RestoreSettings) -> Movie:
    """Return the selected frames of one channel."""
    if movie.shape[1] > 1 and settings.channel is None:
        raise InputError(
            f"{settings.image.name} has {movie.shape[1]} channels, each with other noise and structures; choose one "
            "as channel to check it"
        )
    return movie.select(frames=slice(settings.first, settings.stop), channels=settings.channel)


def _inference(settings: RestoreSettings) -> InferenceOptions:
    from decrappify import InferenceOptions

    return InferenceOptions(device=settings.device)
