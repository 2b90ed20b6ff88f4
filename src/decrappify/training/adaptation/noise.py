"""Splitters of the noise of the movies to adapt to, with a line on each, and warnings."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from decrappify._common.argument_names import setting
from decrappify._common.progress import Check, with_check
from decrappify.errors import InputError
from decrappify.movie import Movie
from decrappify.noise import NoiseModel
from decrappify.noise.channels import channel_name
from decrappify.noise.measurement.measure import HIDDEN_BY_MOTION
from decrappify.noise.pixels.splitting import axes_beyond_kernel
from decrappify.noise.pixels.variance import MovieSplitter
from decrappify.training.adaptation.independence import check_independence

log = logging.getLogger(__name__)
report = logging.getLogger("decrappify.training.adaptation")  # shown by the command line

_LARGEST_ERROR = 0.1  # of the gain, relative; a wrong gain leaves dependent parts


def splitters_of(
    movies: Sequence[Movie], noise: Sequence[list[NoiseModel]], seed: int = 0, check: Check | None = None
) -> list[list[MovieSplitter]]:
    """Return a splitter for each channel of each movie, and log how its noise is split.

    `check` is called before each channel; it may raise an exception to stop.

    Raises
    ------
    InputError
        If the noise is not determined, or the parts would share noise.
    """
    splitters = []
    for movie, models in zip(movies, noise, strict=True):
        row = []
        for channel, model in enumerate(with_check(models, check)):
            name = channel_name(movie, channel)
            _check_is_known(name, model)
            row.append(MovieSplitter.of(movie, channel, model))
            report.info("%s: %s", name, in_words(model, row[-1]))
            for problem in doubts(model):
                log.warning("%s: %s", name, problem)
            check_independence(movie, channel, model, row[-1], seed)
        splitters.append(row)
    return splitters


def _check_is_known(name: str, noise: NoiseModel) -> None:
    """Raise InputError if the noise is that of filtered data, or if neither gain nor correlation is determined."""
    if noise.gain.value is None and not noise.is_raw:
        problem = noise.gain.note  # ends with the advice to pass the raw movie
    elif noise.gain.value is None and noise.correlation_y[1].note == HIDDEN_BY_MOTION:
        problem = (
            f"neither the gain nor the correlation of the noise is determined ({noise.gain.note}); pass a longer or "
            "brighter raw movie"
        )
    else:
        return
    camera = setting("noise", "camera.toml")
    raise InputError(f"{name}: {problem}, or {camera}, a file of calibrate for a raw movie of this camera")


def in_words(noise: NoiseModel, splitter: MovieSplitter) -> str:
    """Return one line on the noise and the split.

    Examples
    --------
    >>> from decrappify.noise import Estimate
    >>> from decrappify.noise.pixels.splitting import NoiseSplitter
    >>> noise = NoiseModel(gain=Estimate(2.1, 0.05), intercept=Estimate(-180.0))
    >>> in_words(noise, MovieSplitter(NoiseSplitter.of(noise)))
    'gain 2.1 ± 0.05 gray levels per photoelectron, independent noise; split by photon thinning'
    """
    terms = splitter.terms
    if not terms.gain:
        level = f"noise of {terms.intercept**0.5:.3g} gray levels"
    else:
        level = f"gain {noise.gain.text()} gray levels per photoelectron"
    if terms.is_correlated:
        return f"{level}, correlated between neighbors; split by adding noise of the same correlation"
    hidden = noise.correlation_y[1].note == HIDDEN_BY_MOTION
    kind = "noise that is assumed to be independent (motion hides its correlation)" if hidden else "independent noise"
    kind += "" if splitter.excess is None else ", measured for each pixel"
    how = "photon thinning" if terms.gain else "adding noise"
    return f"{level}, {kind}; split by {how}"


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
    found += [
        f"the noise is correlated over more than two pixels along {name}, which the split ignores"
        for name in axes_beyond_kernel(noise)
    ]
    return found
