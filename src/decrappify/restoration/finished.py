"""Recognition of outputs that an earlier call finished with the same input, model and options."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from decrappify._common.argument_names import setting
from decrappify._common.progress import Cancel, Progress
from decrappify.errors import DecrappifyError, OutputExistsError
from decrappify.inference.options import InferenceOptions
from decrappify.movie import Movie
from decrappify.restoration.job.job import Job
from decrappify.restoration.job.options import RestorationOptions
from decrappify.restoration.outputs.results import open_result
from decrappify.restoration.pipeline import restore
from decrappify.restoration.records.complete import has_form
from decrappify.restoration.records.input_record import InputRecord
from decrappify.restoration.records.resuming import run_key, settings_of

if TYPE_CHECKING:
    from decrappify.model import Model
    from decrappify.restoration.job.channel_models import ModelChoice
    from decrappify.restoration.records.output_record import OutputRecord


class Record(Protocol):
    """The outputs restored by an unfinished call."""

    def contains(self, output: Path, run: str) -> bool:
        """Return whether the unfinished call has written this output in the run with this key."""

    def add(self, output: Path, run: str) -> None:
        """Record an output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunArguments:
    """Arguments of `restore` that are the same for all outputs of a call."""

    inference: InferenceOptions = InferenceOptions()
    options: RestorationOptions = RestorationOptions()
    overwrite: bool = False
    resume: bool = True
    progress: Progress | bool | None = None
    cancel: Cancel | None = None


def restore_unless_finished(
    movie: Movie,
    scene: str,
    model: Model | ModelChoice,
    output: Path,
    run: RunArguments,
    *,
    record: Record | None = None,
    known: OutputRecord | None = None,
) -> tuple[Movie, bool]:
    """Restore a scene, or open the output of an earlier run with the same input, model and options.

    Parameters
    ----------
    movie : Movie
        The opened scene.
    scene : str
        Its name, which is recorded in the output.
    model : Model or ModelChoice
        As for `restore`.
    output : Path
        The output.
    run : RunArguments
        Arguments of `restore`.
    record : Record, optional
        Outputs that the unfinished call with ``overwrite`` has replaced, and which are kept.
    known : OutputRecord, optional
        Earlier outputs in formats that contain no record of their run.

    Returns
    -------
    movie : Movie
        The output, opened.
    was_finished : bool
        Whether it is that of an earlier run.

    Raises
    ------
    OutputExistsError
        If another output exists, and ``overwrite`` is False.
    """
    job = Job(movie, model, run.options)
    key = scene_run_key(job, run.inference)
    finished = None
    if not run.overwrite:
        finished = finished_output(output, scene, key, job, known)
    elif record is not None and run.resume and record.contains(output, key):
        with suppress(OutputExistsError):
            finished = finished_output(output, scene, key, job, known)
    if finished is not None:
        return finished, True
    version = _version(movie)
    of_scene = {"scene": scene, "scene_run": key, "scene_version": version}
    try:
        restored = restore(
            movie.replace(provenance=movie.provenance | of_scene),
            model,
            output,
            inference=run.inference,
            options=run.options,
            overwrite=run.overwrite,
            resume=run.resume,
            progress=run.progress,
            cancel=run.cancel,
        )
    except OutputExistsError:
        if run.overwrite:
            raise
        finished = finished_output(output, scene, key, job, known)  # by another process, meanwhile
        if finished is None:
            raise
        return finished, True
    if record is not None:
        record.add(output, key)
    if known is not None and restored.provenance.get("scene_run") != key:
        known.add(output, key, version)
    return restored, False


def scene_run_key(job: Job, inference: InferenceOptions) -> str:
    """Return a digest of all values that determine the output of a scene, except its pixels."""
    movie = job.movie
    spacing = [movie.pixel_size_um, movie.frame_interval_s, sorted(movie.unitless_spacing.items())]
    network = {"precision": inference.precision, "backend": inference.backend}
    return run_key(settings_of(job) | network | {"spacing": spacing, "nan_pixels": job.nan})


def finished_output(output: Path, scene: str, run: str, job: Job, known: OutputRecord | None = None) -> Movie | None:
    """Return the output of an earlier equal run of the same scene; None if it does not exist or is unfinished.

    Raises
    ------
    OutputExistsError
        If the output is another one.
    """
    from decrappify.io.store.locks import lock_path
    from decrappify.io.store.working_paths import working_path

    if not output.exists() or working_path(output).exists() or lock_path(output).exists():
        return None
    why = "contains no record of its run, so that it cannot be recognized"
    with suppress(DecrappifyError), open_result(output) as found:
        if "scene_run" in found.provenance:
            why = "is not the result of this scene, model and options"
        is_same_run = (found.provenance.get("scene"), found.provenance.get("scene_run")) == (scene, run)
        if is_same_run and has_form(found, job, output) and _has_same_pixels(found, job):
            return open_result(output)
        if known is not None and known.contains(output, run, _version(job.movie)):
            return open_result(output)
    raise OutputExistsError(
        f"{output} already exists and {why}; choose another name, or replace it with {setting('overwrite', True)}"
    )


def _version(movie: Movie) -> str | None:
    """Return a digest of the versions of all planes, which detects changes of the files; None without versions."""
    digest = blake2b(digest_size=8)
    for plane in movie.planes():
        version = movie.version(*plane)
        if version is None:
            return None
        digest.update(version.encode())
    return digest.hexdigest()


def _has_same_pixels(found: Movie, job: Job) -> bool:
    """Return whether an output was restored from this input, which is read if its files were changed or copied."""
    version = _version(job.movie)
    if version is not None and found.provenance.get("scene_version") == version:
        return True
    inputs = InputRecord(job.movie)
    for plane in job.input_planes():
        inputs.movie.frame(*plane)
    recorded = found.provenance.get("restoration", {}).get("input_crc32")
    return recorded is not None and recorded == inputs.checksum(job.input_planes())
