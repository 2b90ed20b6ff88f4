"""Check on the data that the noise of two split parts is independent."""

from __future__ import annotations

import numpy as np

from decrappify._common.argument_names import argument
from decrappify.domain import measure_features, sampled_regions, unexpected_correlation
from decrappify.errors import InputError
from decrappify.metrics.resolution import finest_correlation
from decrappify.metrics.sums.spectrum import SMALLEST_SIDE
from decrappify.movie import Array, Movie
from decrappify.noise import NoiseModel
from decrappify.noise.channels import channel_name
from decrappify.noise.pixels.splitting import NoiseSplitter
from decrappify.noise.pixels.variance import MovieSplitter

_FRAMES, _SIDE = 12, 512  # of the central slice
_LARGEST = 0.12  # correlation of the noise of two parts; that of a gain that is 20 % off is .1


def check_independence(movie: Movie, channel: int, noise: NoiseModel, splitter: MovieSplitter, seed: int) -> None:
    """Raise InputError if the two parts share noise, which a network would learn as structure.

    Parts of the same frame are compared with parts of successive frames, whose noise is independent in any case: the
    correlation in the finest detail has to be equal. Of single images, the correlation of the noise of neighboring
    pixels is compared with that of the noise model.
    """
    rows, columns = (slice(max(0, (n - _SIDE) // 2), (n + _SIDE) // 2) for n in movie.shape[3:])
    frames = _central_frames(movie, channel, rows, columns)
    if min(frames.shape[1:]) < SMALLEST_SIDE:
        return
    if len(frames) > 1:
        shared = shared_noise(frames, splitter.terms, np.random.default_rng(seed), splitter.part(rows, columns))
        if abs(shared) > _LARGEST:
            strength = (1 + shared) / (1 - shared)
            raise InputError(
                f"{channel_name(movie, channel)}: split into two parts, the noise of both correlates by {shared:.2f}, "
                f"as its variance is about {strength:.2g} times that of the noise model; pass the noise of the camera, "
                f"calibrated on a longer or brighter movie, as {argument('noise')}"
            )
        return
    expected = noise.neighbor_correlation
    features = measure_features(sampled_regions(movie.select(channels=channel)))
    found = unexpected_correlation(features, expected)
    if found is not None:
        raise InputError(
            f"{channel_name(movie, channel)}: the noise of neighboring pixels correlates by about {found:.2f}, that of "
            f"the noise model by {expected:.2f}; calibrate a movie of the same camera and pass its noise as "
            f"{argument('noise')}"
        )


def shared_noise(
    frames: Array, splitter: NoiseSplitter, rng: np.random.Generator, excess: Array | None = None
) -> float:
    """Return the correlation, in the finest detail, of the noise of two parts of the same frame.

    Parameters
    ----------
    frames : array (T, Y, X)
        Successive frames.
    splitter : NoiseSplitter
    rng : numpy.random.Generator
    excess : array (Y, X), optional
        Variance of the pixels beyond that of their gray level.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> frames = 100 + 2.0 * rng.poisson(30, (8, 64, 64))
    >>> right, wrong = (NoiseSplitter(gain, gain * -100) for gain in (2.0, 1.0))
    >>> round(shared_noise(frames, right, rng), 1), round(shared_noise(frames, wrong, rng), 1)
    (0.0, 0.3)
    """
    one, two = splitter.split(frames, 0.5, rng, excess)
    return finest_correlation(one, two) - finest_correlation(one[:-1], two[1:])


def _central_frames(movie: Movie, channel: int, rows: slice, columns: slice) -> Array:
    """Return a part of recorded frames (T, Y, X) from the middle of a movie, without those that contain NaN."""
    n_t, _, n_z, *_ = movie.shape
    count = min(n_t, _FRAMES)
    first = (n_t - count) // 2
    recorded = [t for t in range(first, first + count) if (t, channel, n_z // 2) not in movie.missing]
    planes = [movie.region(t, channel, n_z // 2, rows, columns).astype(np.float64) for t in recorded]
    finite = [plane for plane in planes if np.isfinite(plane).all()]
    return np.stack(finite) if finite else np.empty((0, 0, 0))
