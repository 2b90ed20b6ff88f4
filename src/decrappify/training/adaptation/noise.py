"""Noise of the movies to adapt to: given, or calibrated for each channel, and checked for the split."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from decrappify._common.counting import counted
from decrappify.errors import InputError
from decrappify.movie import Movie
from decrappify.noise import Calibration, NoiseModel, calibrate
from decrappify.noise.splitting import NoiseSplitter

log = logging.getLogger(__name__)
report = logging.getLogger("decrappify.training.supervised.report")  # shown by the command line

_LARGEST_ERROR = 0.1  # of the gain, relative; beyond it, the split parts are noticeably dependent
_LARGEST_REACH = 0.3  # correlation at lag 2 that the kernel does not explain
NoiseOf = list[list[NoiseModel]]


def noise_of(movies: Sequence[Movie], given: Any) -> NoiseOf:
    """Return a noise model for each channel of each movie.

    Parameters
    ----------
    movies : sequence of Movie
        Noisy movies.
    given : NoiseModel, Calibration, path, a list of one per channel, or None
        Noise of all movies; None measures it for each channel of each movie.

    Raises
    ------
    InputError
        If the number of noise models is not 1 or that of the channels, or noise is not determined.
    """
    if given is None:
        return [[_measured(movie, channel) for channel in range(movie.shape[1])] for movie in movies]
    models = [_noise_model(one) for one in (given if isinstance(given, list | tuple) else [given])]
    found = []
    for movie in movies:
        if len(models) not in (1, movie.shape[1]):
            raise InputError(
                f"noise has {counted(len(models), 'entry', 'entries')}, expected 1 or {movie.shape[1]}, the number of "
                f"channels of {movie.name}"
            )
        found.append(models * (movie.shape[1] // len(models)))
    return found


def splitters_of(movies: Sequence[Movie], noise: NoiseOf) -> list[list[NoiseSplitter]]:
    """Return a splitter for each channel of each movie, and log how its noise is split."""
    splitters = []
    for movie, models in zip(movies, noise, strict=True):
        row = []
        for channel, model in enumerate(models):
            name = movie.name if len(models) == 1 else f"{movie.name}, channel {movie.channel_names[channel]}"
            row.append(NoiseSplitter.of(model))
            report.info("%s: %s", name, in_words(model, row[-1]))
            for problem in doubts(model):
                log.warning("%s: %s", name, problem)
        splitters.append(row)
    return splitters


def in_words(noise: NoiseModel, splitter: NoiseSplitter) -> str:
    """Return one line on the noise and the split.

    Examples
    --------
    >>> from decrappify.noise import Estimate
    >>> noise = NoiseModel(gain=Estimate(2.1, 0.05), intercept=Estimate(-180.0))
    >>> in_words(noise, NoiseSplitter.of(noise))
    'gain 2.1 ± 0.05 gray levels per photoelectron, independent noise; split by photon thinning'
    """
    if not splitter.gain:
        level = f"noise of {splitter.intercept**0.5:.3g} gray levels"
    else:
        level = f"gain {noise.gain.text()} gray levels per photoelectron"
    if splitter.is_correlated:
        return f"{level}, correlated between neighbors; split by adding noise of the same correlation"
    how = "photon thinning" if splitter.gain else "adding noise"
    return f"{level}, independent noise; split by {how}"


def doubts(noise: NoiseModel) -> list[str]:
    """Return the reasons why the two parts may not be independent."""
    found = []
    gain = noise.gain
    if gain.value is None:
        found.append(f"the gain is not determined ({gain.note}); noise is taken as equal at all gray levels")
    elif gain.error is not None and gain.error > _LARGEST_ERROR * gain.value:
        found.append(f"the gain is uncertain ({gain.text()}); calibrate on a longer movie of the same camera")
    elif not gain.valid:
        found.append(f"the gain may be wrong ({gain.note})")
    for name, lags in (("Y", noise.correlation_y), ("X", noise.correlation_x)):
        near, far = lags[1].value or 0.0, lags[2].value or 0.0
        if far > near**4 + _LARGEST_REACH:
            found.append(f"the noise is correlated over more than two pixels along {name}, which the split ignores")
    return found


def _measured(movie: Movie, channel: int) -> NoiseModel:
    return calibrate(movie.select(channels=channel)).noise


def _noise_model(given: Any) -> NoiseModel:
    if isinstance(given, NoiseModel):
        return given
    if isinstance(given, Calibration):
        return given.noise
    if isinstance(given, str | Path):
        return NoiseModel.load(given)
    raise InputError(f"noise is a {type(given).__name__}, expected a NoiseModel, a Calibration or a path to its file")
