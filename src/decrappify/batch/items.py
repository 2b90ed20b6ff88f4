"""Outputs of a run: each scene of each input, with its model and size, from the metadata of the files."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from decrappify._common.checks import reason
from decrappify.batch.inputs import Source
from decrappify.batch.naming import NameTemplate, check_collisions
from decrappify.errors import DecrappifyError, InputError
from decrappify.movie import Movie, Shape5
from decrappify.restoration.job.channel_models import ModelChoice
from decrappify.restoration.job.job import Job
from decrappify.restoration.job.options import RestorationOptions

if TYPE_CHECKING:
    from decrappify.model import Model

ALL_SCENES = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One output to write.

    Attributes
    ----------
    source : Path
        The input.
    scene : int, str or None
        Argument of `open_movie`.
    scene_name : str
        Name of the scene; empty if the input could not be opened.
    is_one_of_many : bool
        Whether the input has several scenes.
    output : Path or None
        The output; None if its name could not be determined.
    shape : tuple of int or None
        (T, C, Z, Y, X) of the output.
    channels : tuple of str
        Names of the channels of the input.
    dtype : str
        Data type of the output.
    model : str
        Name of the model, or of those of the channels.
    error : DecrappifyError or None
        The error that prevents the restoration.
    """

    source: Path
    scene: int | str | None = None
    scene_name: str = ""
    is_one_of_many: bool = False
    output: Path | None = None
    shape: Shape5 | None = None
    channels: tuple[str, ...] = ()
    dtype: str = ""
    model: str = ""
    error: DecrappifyError | None = None

    @property
    def n_bytes(self) -> int:
        """Size of the output without compression."""
        return 0 if self.shape is None else int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """Scene and other arguments with which inputs are opened.

    Attributes
    ----------
    scene : int, str or None
        Scene of each input, ``"all"`` for every one; by default the first.
    arguments : mapping
        Further arguments of `open_movie`.
    """

    scene: int | str | None = None
    arguments: Mapping[str, Any]

    def names(self, source: Path) -> tuple[list[int | str | None], list[str], bool]:
        """Return the scenes to open, their names, and whether the input has several scenes."""
        from decrappify.io import scenes
        from decrappify.io.scene_names import scene_index

        names = scenes(source, folder_as=self._of(source).get("folder_as", "auto"))
        if self.scene == ALL_SCENES:
            return list(range(len(names))), names, len(names) > 1
        if self.scene is None:
            return [None], names[:1], len(names) > 1
        try:
            return [self.scene], [names[scene_index(self.scene, names, source.name)]], len(names) > 1
        except InputError:
            if not isinstance(self.scene, str) or "," not in self.scene:  # an index of a CZI file, such as "A1, H 3"
                raise
            return [self.scene], [self.scene], True

    def open(self, source: Path, scene: int | str | None) -> Movie:
        """Open one scene; missing planes are reported by the run."""
        from decrappify.io import open_movie
        from decrappify.io.integrity.missing_planes import missing_reported

        with missing_reported():
            return open_movie(source, scene=scene, **self._of(source))

    def _of(self, source: Path) -> dict[str, Any]:
        """Return the arguments for one input; the content of folders applies to folders only."""
        from decrappify.io.recognition.file_format import is_image_folder

        arguments = dict(self.arguments)
        if not is_image_folder(source):
            arguments.pop("folder_as", None)
        return arguments


def find_items(
    sources: Sequence[Source],
    model: Model | ModelChoice,
    template: NameTemplate,
    folder: Path,
    opening: Opening,
    options: RestorationOptions,
) -> Iterator[Item]:
    """Yield the outputs of each source; errors of a source or scene are part of its item.

    Parameters
    ----------
    sources : sequence of Source
        The inputs.
    model : Model or ModelChoice
        Models for the channels.
    template : NameTemplate
        Names of the outputs.
    folder : Path
        Folder of the outputs.
    opening : Opening
        Scenes, and further arguments of `open_movie`.
    options : RestorationOptions
        As for `restore`.
    """
    for source in sources:
        if source.error is not None:
            yield Item(source=source.path, error=source.error)
            continue
        try:
            with item_errors():
                scenes, names, are_many = opening.names(source.path)
                outputs = template.outputs(source, names)
        except DecrappifyError as error:
            (output,) = template.outputs(source, ["scene 0"])
            yield Item(source=source.path, output=folder / output, error=error)
            continue
        for scene, name, output in zip(scenes, names, outputs, strict=True):
            item = Item(
                source=source.path, scene=scene, scene_name=name, is_one_of_many=are_many, output=folder / output
            )
            yield _with_size(item, model, opening, options)


def check_outputs(items: Sequence[Item], template: NameTemplate) -> None:
    """Raise InputError if two items have one output."""
    check_collisions(((item.output, Source(item.source)) for item in items if item.output is not None), template)


def matching_choice(model: Model | ModelChoice, movie: Movie) -> Model | ModelChoice:
    """Return the models for the channels of a movie; other files may have the other channels."""
    return model.matching(movie.channel_names) if isinstance(model, ModelChoice) else model


@contextmanager
def item_errors() -> Iterator[None]:
    """Convert all errors of one input, also those of readers, to errors of this package."""
    from decrappify.limits.reached import raise_if_limit

    try:
        yield
    except DecrappifyError:
        raise
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise InputError(f"{error.strerror or error}{where}; check the file and its permissions") from error
    except Exception as error:
        raise_if_limit(error, "reading the input")
        raise InputError(f"unexpected {type(error).__name__}: {reason(error)}; please report it") from error


def _with_size(item: Item, model: Model | ModelChoice, opening: Opening, options: RestorationOptions) -> Item:
    """Add shape, dtype and model, or the error that prevents the restoration; no pixels are read."""
    try:
        with warnings.catch_warnings(), item_errors():
            warnings.simplefilter("ignore")  # issued again by the run
            with opening.open(item.source, item.scene) as movie:
                item = replace(item, channels=movie.channel_names)
                job = Job(movie, matching_choice(model, movie), replace(options, missing="blank"))
                return replace(item, shape=job.shape, dtype=job.dtype.name, model=job.model_name)
    except DecrappifyError as error:
        return replace(item, error=error)
