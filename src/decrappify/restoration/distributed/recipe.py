"""Arguments of a restoration for workers: the movie and the models by their paths, and the options of the call."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from decrappify._common.plugins import VARIABLE
from decrappify._version import RELEASE
from decrappify.errors import InputError
from decrappify.inference.options import InferenceOptions
from decrappify.io.opening.record import Opening, opening_of, opening_of_path
from decrappify.movie import Movie
from decrappify.restoration.job.options import RestorationOptions
from decrappify.restoration.records.resuming import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Arguments of a restoration, for other processes with the same files.

    Attributes
    ----------
    movie : Opening
        The input.
    model : str, mapping or list
        Names and absolute paths of models, in the form in which `restore` accepts them.
    output : Path
        Absolute path of the output.
    inference, options
        As for `restore`.
    settings : mapping
        Settings of the run; a worker that finds other ones has another input or model.
    n_sharing : int
        Number of workers on one machine.
    plugins : str
        Plugin files, as in the environment variable ``DECRAPPIFY_PLUGINS``.
    release : str
        Release of this package.
    key : str
        Random name of this call, for which a worker keeps the opened movie and network.
    """

    movie: Opening
    model: Any
    output: Path
    inference: InferenceOptions
    options: RestorationOptions
    settings: Settings
    n_sharing: int = 1
    plugins: str = field(default_factory=lambda: os.environ.get(VARIABLE, ""))
    release: str = RELEASE
    key: str = field(default_factory=lambda: secrets.token_hex(8))


def portable_movie(movie: Any) -> Opening:
    """Return how workers open a movie.

    Raises
    ------
    InputError
        If it is not a path, and not a movie as opened from one.
    """
    if isinstance(movie, str | os.PathLike):
        return opening_of_path(movie)
    found = opening_of(movie) if isinstance(movie, Movie) else None
    if found is None:
        what = f"the movie {movie.name}, changed after opening" if isinstance(movie, Movie) else type(movie).__name__
        raise InputError(
            f"workers open the movie from its path, found {what}; pass a path, or open_movie(path, ...) unchanged"
        )
    return found


def portable_model(model: Any) -> Any:
    """Return a model, or a mapping or list of models, as names of shipped models and absolute paths.

    Raises
    ------
    InputError
        If one is neither a name nor a path.

    Examples
    --------
    >>> portable_model({"GFP": ["em-denoise"]})
    {'GFP': ['em-denoise']}
    """
    from decrappify.model import shipped_models

    if isinstance(model, Mapping):
        return {channel: portable_model(one) for channel, one in model.items()}
    if isinstance(model, list | tuple):
        return [portable_model(one) for one in model]
    if not isinstance(model, str | os.PathLike):
        raise InputError(
            f"workers load the model from its file, found a {type(model).__name__}; save it with model.save(path), and "
            "pass the path"
        )
    name = os.fspath(model)
    return name if name in shipped_models() else os.path.abspath(name)  # noqa: PTH100 - as typed
