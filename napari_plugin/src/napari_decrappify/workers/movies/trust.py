"""Jobs that compute the trust map of a result, after its restoration or of a finished one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from decrappify import Movie, load_model, open_movie, trust_map
from decrappify.errors import Cancelled, DecrappifyError, InputError
from decrappify.noise import NoiseModel
from decrappify.trust import channel_noise, open_trust_map, trust_path
from napari_decrappify.layers.files.scenes import movie_of
from napari_decrappify.layers.image import LayerImage
from napari_decrappify.layers.results.trust import TrustRecord
from napari_decrappify.workers.movies.restore import Restored, RestoreSettings
from napari_decrappify.workers.running.messages import one_line
from napari_decrappify.workers.running.task import Task

_LATER = "the widget Trust computes it from the result"


@dataclass(frozen=True, kw_only=True)
class TrustSettings:
    """Values of the widget at the time of the click.

    Attributes
    ----------
    measured : tuple of LayerImage
        The layer that was restored, or those of its channels.
    restored : Path
        The result on disk.
    channel : int or None
        Channel of `measured` that was restored; None for all.
    noise : Path or None
        Noise model of the camera; None measures the noise in the movie.
    """

    measured: tuple[LayerImage, ...]
    restored: Path
    channel: int | None = None
    noise: Path | None = None


@dataclass(frozen=True)
class Trusted:
    """A finished trust map, and how long it took."""

    record: TrustRecord
    seconds: float


@dataclass(frozen=True)
class TrustedRestored(Restored):
    """Result of a restoration with its trust map, or the reason why there is none."""

    trust: TrustRecord | None = None
    note: str = ""


def map_trust(settings: TrustSettings, task: Task) -> Trusted:
    """Open the finished trust map of a result, or compute it next to the result; an unfinished map is resumed."""
    started = time.monotonic()
    path = trust_path(settings.restored)
    with ExitStack() as stack:
        movies = [stack.enter_context(closing(image.movie())) for image in settings.measured]
        measured = _channel_of(movie_of(settings.measured, movies), settings.channel)
        if path.exists():
            task.report("opening the trust map …")
            found = open_trust_map(path, measured, settings.restored)
            return Trusted(_record(found.movie, path), time.monotonic() - started)
        task.report("measuring the noise …")
        noise = channel_noise(measured, settings.noise)
        record = _computed(measured, settings.restored, noise, task)
        return Trusted(record, time.monotonic() - started)


def with_trust(
    job: Callable[[RestoreSettings, Task], Restored], noise_file: Path | None = None
) -> Callable[[RestoreSettings, Task], TrustedRestored]:
    """Return a job that restores, and then computes the trust map of the result.

    The noise is measured before the restoration, so that a movie that cannot be tested is reported at once. If the map
    is cancelled or fails, the restored movie is complete.
    """

    def run(settings: RestoreSettings, task: Task) -> TrustedRestored:
        scale = max(load_model(model).scale for model in {settings.model, *settings.models.values()})
        if scale != 1:
            raise InputError(
                f"{settings.model_name} has scale {scale}, and trust maps need a model of scale 1; untick Trust map"
            )
        with settings.opened(task) as movie:
            measured = _channel_of(movie, settings.channel)
            task.report("measuring the noise …")
            noise = _noise_of(measured, noise_file)
            task.check_cancel()
            restored = job(settings, task)
            record, note = _attempted(measured, restored.store.output, noise, task)
        return TrustedRestored(
            restored.store, restored.provenance, restored.seconds, restored.warnings, trust=record, note=note
        )

    return run


def _noise_of(measured: Movie, noise_file: Path | None) -> list[NoiseModel]:
    try:
        return channel_noise(measured, noise_file)
    except InputError as error:
        raise InputError(f"no trust map: {one_line(error)}; untick Trust map to restore without it") from error


def _attempted(
    measured: Movie, output: Path, noise: Sequence[NoiseModel], task: Task
) -> tuple[TrustRecord | None, str]:
    try:
        return _computed(measured, output, noise, task), ""
    except Cancelled:
        return None, f"the trust map was cancelled; {_LATER}"
    except (DecrappifyError, OSError) as error:
        return None, f"no trust map: {one_line(error)}"


def _computed(measured: Movie, restored: Path, noise: Sequence[NoiseModel], task: Task) -> TrustRecord:
    path = trust_path(restored)
    with open_movie(restored) as result:
        found = trust_map(measured, result, noise, path, progress=task.progress, cancel=task.cancel)
    return _record(found.movie, path)


def _record(movie: Movie, path: Path) -> TrustRecord:
    with closing(movie):
        record = TrustRecord.of(movie, path)
    if record is None:
        raise InputError(f"{path} is not a trust map; move it to another folder")
    return record


def _channel_of(movie: Movie, channel: int | None) -> Movie:
    return movie if channel is None else movie.select(channels=channel)
