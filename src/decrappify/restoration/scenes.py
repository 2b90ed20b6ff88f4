"""Restoration of every scene of one file, each into a separate output."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decrappify._common.checks import check_instance
from decrappify._common.progress import Cancel, Progress
from decrappify.errors import Cancelled, DecrappifyError, InputError
from decrappify.inference.options import InferenceOptions
from decrappify.movie import Movie
from decrappify.restoration.finished import RunArguments, restore_unless_finished
from decrappify.restoration.job.options import RestorationOptions
from decrappify.restoration.records.scene_record import SceneRecord

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
    model: Model | str | Path | Mapping[str, Any] | Sequence[Any],
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
    model : Model, str or Path, or mapping or list of these
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
    from decrappify.io.integrity.missing_planes import missing_reported
    from decrappify.io.scene_names import scene_outputs

    check_instance(InferenceOptions, inference=inference)
    check_instance(RestorationOptions, options=options)
    loaded = options.models(model)
    folder_as = (opening or {}).get("folder_as", "auto")
    names = scenes(path, folder_as=folder_as)
    outputs = scene_outputs(output, names) if len(names) > 1 else [Path(output)]
    _refuse_inputs(outputs, Path(path), folder_as)
    record, failed = SceneRecord(Path(output)) if len(names) > 1 else None, False
    run = RunArguments(
        inference=inference, options=options, overwrite=overwrite, resume=resume, progress=progress, cancel=cancel
    )
    for number, (name, one) in enumerate(zip(names, outputs, strict=True)):
        try:
            with missing_reported():  # by the run of the scene
                opened = open_movie(path, scene=number, **(opening or {}))
            with opened as movie:
                restored, was_finished = restore_unless_finished(movie, name, loaded, one, run, record=record)
        except Cancelled:
            raise
        except DecrappifyError as error:
            failed = True
            yield SceneOutcome(name, one, error=error)
        else:
            yield SceneOutcome(name, one, restored, was_finished=was_finished)
    if record is not None and not failed:
        record.remove()


def _refuse_inputs(outputs: Sequence[Path], path: Path, folder_as: str) -> None:
    """Raise InputError if an output would replace the input, or a file that is read from the input folder."""
    from decrappify.io.folders.folder import read_folder
    from decrappify.io.recognition.file_format import is_image_folder

    inputs = [path]
    if is_image_folder(path):
        inputs += [file for scene in read_folder(path, folder_as).scenes for file in scene.files]
    files = {file.resolve() for file in inputs}
    for output in outputs:
        if output.exists() and output.resolve() in files:
            raise InputError(f"{output} is one of the input files; choose another name for the output")
