"""Restoration of every scene of one file, each into an output of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decrappify.errors import DecrappifyError, InputError, OutputExistsError
from decrappify.movie import Movie
from decrappify.restoration.job import Job
from decrappify.restoration.pipeline import restore
from decrappify.restoration.restorer import RestorationCancelled

if TYPE_CHECKING:
    from decrappify.model import Model

_JOB_OPTIONS = ("frames", "dtype", "window_axis", "nan", "missing", "outliers")  # arguments of `restore` and of `Job`


@dataclass(frozen=True, slots=True)
class SceneOutcome:
    """The result of one scene.

    Attributes
    ----------
    scene : str
        Name of the scene.
    output : Path
        Its output.
    movie : Movie or None
        The restored movie; None after an error.
    error : DecrappifyError or None
        Why the scene was not restored.
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
    overwrite: bool = False,
    **options: Any,
) -> Iterator[SceneOutcome]:
    """Restore every scene of a file, one after the other; a scene that cannot be restored does not stop the others.

    Scenes that an earlier, interrupted call finished are kept.

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
    overwrite : bool
        Replace existing outputs.
    **options
        Arguments of `restore`.

    Yields
    ------
    SceneOutcome
        In the order of the scenes.

    Raises
    ------
    MissingFileError, FormatError, ModelFileError
        If the file or the model cannot be opened.
    InputError
        If an output is the input itself.
    RestorationCancelled
        If ``cancel`` was set.
    """
    from decrappify.io import scenes
    from decrappify.io.scenes import scene_outputs
    from decrappify.model import load_model

    loaded = load_model(model)
    folder_as = (opening or {}).get("folder_as", "auto")
    names = scenes(path, folder_as=folder_as)
    outputs = scene_outputs(output, names) if len(names) > 1 else [Path(output)]
    _refuse_inputs(outputs, Path(path), folder_as)
    for number, (name, one) in enumerate(zip(names, outputs, strict=True)):
        try:
            outcome = _scene_outcome(path, number, name, loaded, one, dict(opening or {}), overwrite, options)
        except RestorationCancelled:
            raise
        except DecrappifyError as error:
            yield SceneOutcome(name, one, error=error)
        else:
            yield outcome


def _refuse_inputs(outputs: Sequence[Path], path: Path, folder_as: str) -> None:
    """Raise InputError if an output would replace the input, or a file that is read of the input folder."""
    from decrappify.io.folder import is_image_folder, read_folder

    inputs = [path]
    if is_image_folder(path):
        inputs += [file for scene in read_folder(path, folder_as).scenes for file in scene.files]
    files = {file.resolve() for file in inputs}
    for output in outputs:
        if output.exists() and output.resolve() in files:
            raise InputError(f"{output} is one of the input files; choose another name for the output")


def _scene_outcome(
    path: str | os.PathLike[str],
    number: int,
    name: str,
    model: Model,
    output: Path,
    opening: dict[str, Any],
    overwrite: bool,
    options: dict[str, Any],
) -> SceneOutcome:
    from decrappify.io import open_movie

    with open_movie(path, scene=number, **opening) as movie:
        run = _run_key(movie, model, options)
        finished = None if overwrite else _finished(output, name, run)
        if finished is not None:
            return SceneOutcome(name, output, finished, was_finished=True)
        movie.provenance |= {"scene": name, "scene_run": run}
        return SceneOutcome(name, output, restore(movie, model, output, overwrite=overwrite, **options))


def _run_key(movie: Movie, model: Model, options: Mapping[str, Any]) -> str:
    """Return a digest of all that decides the output of a scene: pixels, model and options."""
    job = Job(movie, model, **{name: options[name] for name in _JOB_OPTIONS if name in options})
    spacing = [movie.pixel_size_um, movie.frame_interval_s, sorted(movie.unitless_spacing.items())]
    precision, backend = options.get("precision", "auto"), options.get("backend", "auto")
    return job.run_key(None, precision, backend, {"spacing": spacing})


def _finished(output: Path, scene: str, run: str) -> Movie | None:
    """Return the output of an earlier equal run of the same scene; raise if something else is in its place."""
    from decrappify.io import open_movie
    from decrappify.io.locks import lock_path
    from decrappify.io.working_folder import working_path

    if not output.exists() or working_path(output).exists() or lock_path(output).exists():
        return None
    with suppress(DecrappifyError), open_movie(output) as found:
        if (found.provenance.get("scene"), found.provenance.get("scene_run")) == (scene, run):
            return open_movie(output)
    raise OutputExistsError(
        f"{output} already exists and is not the result of this scene, model and options; choose another name, or "
        "replace it with overwrite=True (--overwrite)"
    )
