"""Noise of each channel of a movie, from what a user passes as noise."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from decrappify._common.argument_names import setting
from decrappify._common.counting import counted
from decrappify._common.progress import Check, with_check
from decrappify.errors import InputError
from decrappify.movie import Movie
from decrappify.noise.calibration import Calibration, measure_calibration
from decrappify.noise.model import NoiseModel

Noise = NoiseModel | Calibration | str | os.PathLike[str] | None


def noise_of_channels(movie: Movie, noise: Noise | Sequence[Noise], check: Check | None = None) -> list[NoiseModel]:
    """Return the noise model of each channel.

    Parameters
    ----------
    movie : Movie
        Raw movie.
    noise : NoiseModel, Calibration, path, None, or a list with one per channel
        One that is not in a list is used for all channels; None measures the noise of a channel in the movie.
    check : callable, optional
        Called before each channel, and between the parts of a measurement; it may raise an exception to stop.

    Raises
    ------
    InputError
        If `noise` is something else, or has another number of entries than the movie channels.
    """
    n_channels = movie.shape[1]
    each = list(noise) if isinstance(noise, list | tuple) else [noise] * n_channels
    if len(each) != n_channels:
        raise InputError(
            f"noise has {counted(len(each), 'entry', 'entries')}, expected {n_channels}, "
            f"one per channel of {movie.name}"
        )
    return [_model(movie, one, channel, check) for channel, one in enumerate(with_check(each, check))]


def noise_source(noise: Noise, model: NoiseModel) -> str:
    """Return in words where a noise model is from, given what was passed for it.

    >>> noise_source("camera.toml", NoiseModel(source="cells.tif: 10 pixels of 1 region"))
    'camera.toml (cells.tif: 10 pixels of 1 region)'
    >>> noise_source(None, NoiseModel(source="cells.tif: 10 pixels of 1 region"))
    'the movie itself (cells.tif: 10 pixels of 1 region)'
    """
    what = "the movie itself" if noise is None else "a noise model"
    if isinstance(noise, str | os.PathLike):
        what = os.fspath(noise)
    return f"{what} ({model.source})" if model.source else what


def channel_name(movie: Movie, channel: int) -> str:
    """Return the name of a movie, and of a channel if there are several."""
    return movie.name if movie.shape[1] == 1 else f"channel {movie.channel_names[channel]} of {movie.name}"


def _model(movie: Movie, noise: Any, channel: int, check: Check | None) -> NoiseModel:
    if noise is None:
        try:
            return measure_calibration(movie.select(channels=channel), None, None, None, check).noise
        except InputError as error:
            camera = setting("noise", "camera.toml")
            raise InputError(str(error), advice=f"or pass {camera}, a file of calibrate for the camera") from error
    if isinstance(noise, Calibration):
        return noise.noise
    if isinstance(noise, NoiseModel):
        return noise
    if isinstance(noise, str | os.PathLike):
        return NoiseModel.load(Path(noise))
    raise InputError(
        f"noise has type {type(noise).__name__}, expected a NoiseModel, a Calibration, the path of a .toml file, or "
        "None to calibrate the movie"
    )
