"""`spread_map`: how far each pixel of a restored movie depends on the noise of this exposure."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decrappify._common.argument_names import argument, setting
from decrappify._common.checks import check_instance, check_whole, short
from decrappify._common.processes.processor import threads_put_back
from decrappify._common.progress import Cancel, Progress, checked_progress
from decrappify.errors import InputError
from decrappify.inference.options import InferenceOptions
from decrappify.limits.reached import limit_errors
from decrappify.movie import Movie
from decrappify.noise.channels import Noise
from decrappify.restoration.spread.draws import SYMMETRIES
from decrappify.trust import channel_noise
from decrappify.trust.maps import beside
from decrappify.trust.pair import opened_pair

if TYPE_CHECKING:
    from decrappify.model import Model

METHODS = ("noise", "symmetry")
_MOST_DRAWS = 1000


def spread_map(
    measured: Any,
    restored: Any,
    model: Model | str | Path,
    noise: Noise | Sequence[Noise] = None,
    output: str | os.PathLike[str] | None = None,
    *,
    method: str = "noise",
    draws: int = 8,
    seed: int = 0,
    inference: InferenceOptions = InferenceOptions(),
    overwrite: bool = False,
    resume: bool = True,
    progress: Progress | bool | None = None,
    cancel: Cancel | None = None,
) -> Movie:
    """Estimate how far each pixel of a result depends on the noise of this exposure, by restoring it repeatedly.

    With ``method="noise"``, movies are drawn from the result with the noise of the camera and restored (parametric
    bootstrap); the spread is the root mean square of their deviations from the result. It contains the error that the
    model makes on a specimen like the result, but not that of structure that the result lacks. With
    ``method="symmetry"``, the measured movie is restored rotated and mirrored; the spread is the standard deviation of
    the results, which is smaller than the error. The time is that of `draws` restorations. Memory does not grow with
    the length of the movie if `output` is set; an interrupted call is resumed by repeating it.

    Parameters
    ----------
    measured : path, Movie or array
        The movie that was restored: raw camera data.
    restored : path, Movie or array
        The result, on the same grid and in the same gray levels. Window axis, outliers and fidelity are those that are
        recorded in it.
    model : Model, str or Path
        The model that restored it.
    noise : NoiseModel, Calibration, path, or list with one per channel, optional
        Noise of the camera; by default it is calibrated from `measured`. Not used by ``method="symmetry"``.
    output : path, optional
        ``.ome.zarr`` or ``.ome.tif``; by default the map is kept in memory.
    method : {"noise", "symmetry"}
        What is varied.
    draws : int
        Number of restorations, from 2; at most 8 symmetries.
    seed : int
        Seed of the drawn noise.
    inference : InferenceOptions
        Tiles, device, precision and backend.
    overwrite, resume, progress, cancel
        As for `decrappify.restore`.

    Returns
    -------
    Movie
        float32 with the shape of the result: spread in gray levels.

    Raises
    ------
    InputError
        If the movies and the model do not fit each other, or the noise is not determined.
    OutputExistsError, OutputError, FormatError
        If the output cannot be written.
    DeviceMemoryError
        If the smallest tile does not fit into memory.
    Cancelled
        If `cancel` was set; finished planes are kept.

    Examples
    --------
    >>> import decrappify as dc
    >>> spread = dc.spread_map("cells.czi", "cells.ome.zarr", "fluorescence-movie")  # doctest: +SKIP
    """
    from decrappify.restoration.spread.run import SpreadRun

    check_draws(draws, method)
    check_whole(0, None, seed=seed)
    check_instance(InferenceOptions, inference=inference)
    inference.check_unused("batch_size", by="spread_map")
    place, bars = None if output is None else Path(output), checked_progress(progress)
    with opened_pair(measured, restored, "spread", place) as pair:
        models = channel_noise(pair.measured, noise) if method == "noise" else None
        with threads_put_back(), limit_errors(f"restoring {pair.measured.name}"):
            run = SpreadRun(pair, model, models, draws=draws, seed=seed)
            return run.compute(place, inference, overwrite=overwrite, resume=resume, progress=bars, cancel=cancel)


def check_draws(draws: int, method: str) -> None:
    """Raise InputError for an unknown method, or a number of restorations that it does not have."""
    if method not in METHODS:
        raise InputError(f"{argument('method')} is {short(method)}, expected 'noise' or 'symmetry'")
    check_whole(2, SYMMETRIES if method == "symmetry" else _MOST_DRAWS, draws=draws)


def open_spread_map(path: str | os.PathLike[str], restored: Any, *, draws: int, method: str) -> Movie:
    """Open the finished spread map of a result.

    Raises
    ------
    InputError
        If the file is not a spread map, or that of another result, method or number of restorations.
    """
    from decrappify.io import open_movie

    movie = open_movie(path)
    entry = movie.provenance.get("spread")
    with open_movie(restored) as result:
        earlier = {name: value for name, value in movie.provenance.items() if name != "spread"}
        fits = isinstance(entry, Mapping) and (entry.get("draws"), entry.get("method")) == (draws, method)
        if not fits or movie.shape != result.shape or earlier != result.provenance:
            raise InputError(
                f"{path} is not the spread of {result.name} by {draws} restorations ({method}); replace it with "
                f"{setting('overwrite', True)}, or move it to another name"
            )
    return movie


def spread_path(output: str | os.PathLike[str]) -> Path:
    """Return the path of the spread map of an output.

    >>> spread_path("out/cells.ome.zarr").as_posix()
    'out/cells_spread.ome.zarr'
    """
    return beside(output, "spread")
