"""Restoration of every scene of one file, each into a separate output."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decrappify._common.argument_names import setting
from decrappify._common.checks import check_instance
from decrappify._common.progress import Cancel, Progress
from decrappify.errors import Cancelled, DecrappifyError, InputError, OutputExistsError
from decrappify.inference.options import InferenceOptions
from decrappify.movie import Movie
from decrappify.restoration.job import Job
from decrappify.restoration.options import RestorationOptions
from decrappify.restoration.pipeline import restore
from decrappify.restoration.records.input_record import InputRecord
from decrappify.restoration.records.resuming import run_key, settings_of
from decrappify.restoration.records.scene_record import SceneRecord
from decrappify.restoration.results import open_result

if TYPE_CHECKING:
    from decrappify.model import Model


@dataclass(frozen=True, slots=True)
class SceneOutcome:
    """The result of one scene.

    Attributes
    ----------
    scene : str
        Name of the scene.
    output : Path
        Output of the scene.
    movie : Movie or None
        The restored movie; None after an error.
    error : DecrappifyError or None
        The error that prevented the restoration of the scene.
    was_finished : bool
        Whether an earlier run with the same input, model and options had restored it.
    """

    scene: str
    output: Path
    movie: Movie | None = None
    error: DecrappifyError | None = None
    was_finished: bool = False


def restore_scenes(
    path: str | os.PathLike[str],
    model: Model | str | Path,
    output: str | os.PathLike[str],
    *,
    opening: Mapping[str, Any] | None = None,
    inference: InferenceOptions = InferenceOptions(),
    options: RestorationOptions = RestorationOptions(),
    overwrite: bool = False,
    resume: bool = True,
    progress: Progress | bool | None = None,
    cancel: Cancel | None = None,
) -> Iterator[SceneOutcome]:
    """Restore every scene of a file, one after the other; an error in one scene does not stop the others.

    Scenes that an earlier call finished are kept; with `overwrite`, only if that call was stopped before all were
    restored. As for a single output, ``resume=False`` with `overwrite` restores all again.

    Parameters
    ----------
    path : path
        A file with one or more scenes, see `decrappify.scenes`.
    model : Model, str or Path
        As for `restore`.
    output : path
        Pattern of the outputs: ``cells.ome.zarr`` becomes ``cells_A1.ome.zarr`` for a scene named A1. The output of a
        file with one scene is `output` itself.
    opening : mapping, optional
        Arguments of `open_movie`, such as ``channel``.
    inference, options
        As for `restore`.
    overwrite : bool
        Whether to replace existing outputs, except those of an unfinished call with the same input, model and options.
    resume, progress, cancel
        As for `restore`.

    Yields
    ------
    SceneOutcome
        In the order of the scenes.

    Raises
    ------
    MissingFileError, FormatError, ModelFileError
        If the file or the model cannot be opened.
    InputError
        If an output is the input.
    Cancelled
        If `cancel` was set.
    """
    from decrappify.io import open_movie, scenes
    from decrappify.io.missing_planes import missing_reported
    from decrappify.io.scene_names import scene_outputs

    check_instance(InferenceOptions, inference=inference)
    check_instance(RestorationOptions, options=options)
    loaded = options.model(model)
    folder_as = (opening or {}).get("folder_as", "auto")
    names = scenes(path, folder_as=folder_as)
    outputs = scene_outputs(output, names) if len(names) > 1 else [Path(output)]
    _refuse_inputs(outputs, Path(path), folder_as)
    record, failed = SceneRecord(Path(output)) if len(names) > 1 else None, False
    run = _Run(inference, options, overwrite, resume, progress, cancel)
    for number, (name, one) in enumerate(zip(names, outputs, strict=True)):
        try:
            with missing_reported():  # by the run of the scene
                opened = open_movie(path, scene=number, **(opening or {}))
            with opened as movie:
                outcome = _scene_outcome(movie, name, loaded, one, run, record)
        except Cancelled:
            raise
        except DecrappifyError as error:
            failed = True
            yield SceneOutcome(name, one, error=error)
        else:
            yield outcome
    if record is not None and not failed:
        record.remove()


def _refuse_inputs(outputs: Sequence[Path], path: Path, folder_as: str) -> None:
    """Raise InputError if an output would replace the input, or a file that is read from the input folder."""
    from decrappify.io.folders.folder import read_folder
    from decrappify.io.recognition import is_image_folder

    inputs = [path]
    if is_image_folder(path):
        inputs += [file for scene in read_folder(path, folder_as).scenes for file in scene.files]
    files = {file.resolve() for file in inputs}
    for output in outputs:
        if output.exists() and output.resolve() in files:
            raise InputError(f"{output} is one of the input files; choose another name for the output")


@dataclass(frozen=True, slots=True)
class _Run:
    """Arguments of `restore` that are the same for every scene."""

    inference: InferenceOptions
    options: RestorationOptions
    overwrite: bool
    resume: bool
    progress: Progress | bool | None
    cancel: Cancel | None


def _scene_outcome(
    movie: Movie, name: str, model: Model, output: Path, run: _Run, record: SceneRecord | None
) -> SceneOutcome:
    job = Job(movie, model, run.options)
    key = _run_key(job, run.inference)
    finished = None
    if not run.overwrite:
        finished = _finished(output, name, key, job)
    elif record is not None and run.resume and record.contains(output, key):
        with suppress(OutputExistsError):
            finished = _finished(output, name, key, job)
    if finished is not None:
        return SceneOutcome(name, output, finished, was_finished=True)
    of_scene = {"scene": name, "scene_run": key, "scene_version": _version(movie)}
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
    if record is not None:
        record.add(output, key)
    return SceneOutcome(name, output, restored)


def _run_key(job: Job, inference: InferenceOptions) -> str:
    """Return a digest of all values that determine the output of a scene, except its pixels."""
    movie = job.movie
    spacing = [movie.pixel_size_um, movie.frame_interval_s, sorted(movie.unitless_spacing.items())]
    network = {"precision": inference.precision, "backend": inference.backend}
    return run_key(settings_of(job) | network | {"spacing": spacing, "nan_pixels": job.nan})


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


def _finished(output: Path, scene: str, run: str, job: Job) -> Movie | None:
    """Return the output of an earlier equal run of the same scene; raise OutputExistsError for any other output."""
    from decrappify.io.store.locks import lock_path
    from decrappify.io.store.working_paths import working_path

    if not output.exists() or working_path(output).exists() or lock_path(output).exists():
        return None
    why = "contains no record of its run, so that it cannot be recognized"
    with suppress(DecrappifyError), open_result(output) as found:
        if "scene_run" in found.provenance:
            why = "is not the result of this scene, model and options"
        is_same_run = (found.provenance.get("scene"), found.provenance.get("scene_run")) == (scene, run)
        if is_same_run and _has_same_pixels(found, job):
            return open_result(output)
    raise OutputExistsError(
        f"{output} already exists and {why}; choose another name, or replace it with {setting('overwrite', True)}"
    )
