"""Restoration of every scene of one file, each into an output of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decrappify.errors import DecrappifyError, OutputExistsError
from decrappify.movie import Movie
from decrappify.restoration.pipeline import restore
from decrappify.restoration.restorer import RestorationCancelled

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
        Its output.
    movie : Movie or None
        The restored movie; None after an error.
    error : DecrappifyError or None
        Why the scene was not restored.
    was_finished : bool
        Whether an earlier run of the same model had restored it.
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
    RestorationCancelled
        If ``cancel`` was set.
    """
    from decrappify.io import scenes
    from decrappify.io.scenes import scene_outputs
    from decrappify.model import load_model

    loaded = load_model(model)
    names = scenes(path, folder_as=(opening or {}).get("folder_as", "auto"))
    outputs = scene_outputs(output, names) if len(names) > 1 else [Path(output)]
    for number, (name, one) in enumerate(zip(names, outputs, strict=True)):
        try:
            finished = None if overwrite else _finished(one, name, loaded)
            if finished is not None:
                yield SceneOutcome(name, one, finished, was_finished=True)
                continue
            restored = _restore_scene(path, number, name, loaded, one, dict(opening or {}), overwrite, options)
        except RestorationCancelled:
            raise
        except DecrappifyError as error:
            yield SceneOutcome(name, one, error=error)
        else:
            yield SceneOutcome(name, one, restored)


def _restore_scene(
    path: str | os.PathLike[str],
    number: int,
    name: str,
    model: Model,
    output: Path,
    opening: dict[str, Any],
    overwrite: bool,
    options: dict[str, Any],
) -> Movie:
    from decrappify.io import open_movie

    with open_movie(path, scene=number, **opening) as movie:
        movie.provenance["scene"] = name
        restored: Movie = restore(movie, model, output, overwrite=overwrite, **options)
        return restored


def _finished(output: Path, scene: str, model: Model) -> Movie | None:
    """Return the output of an earlier run of the same scene and model; raise if something else is in its place."""
    from decrappify.io import open_movie
    from decrappify.io.outputs import partial_path

    if not output.exists() or partial_path(output).exists():
        return None
    found = open_movie(output)
    run = found.provenance.get("restoration", {})
    if found.provenance.get("scene") == scene and run.get("model_sha256") == model.sha256:
        return found
    found.close()
    raise OutputExistsError(
        f"{output} already exists and is not the result of this scene and model; choose another name, or replace it "
        "with overwrite=True (--overwrite)"
    )
