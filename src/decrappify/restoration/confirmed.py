"""`confirmed_resolution`: the finest detail of a restoration that independent photons confirm."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from decrappify._common.checks import check_instance, check_whole
from decrappify._common.progress import Cancel
from decrappify.errors import InputError
from decrappify.inference.options import InferenceOptions
from decrappify.metrics.sums.spectrum import SMALLEST_SIDE
from decrappify.movie import Array, Movie
from decrappify.noise.channels import Noise
from decrappify.noise.pixels.variance import MovieSplitter
from decrappify.restoration.job.options import RestorationOptions
from decrappify.restoration.pipeline import restore
from decrappify.trust import ConfirmedResolution, channel_noise
from decrappify.trust.resolution import confirmed_resolution_of

if TYPE_CHECKING:
    from decrappify.model import Model

_PLANES, _FEWEST = 16, 3
_PIXELS = 1 << 25  # of all compared planes of a channel


def confirmed_resolution(
    measured: Any,
    model: Model | str | Path,
    noise: Noise | Sequence[Noise] = None,
    *,
    options: RestorationOptions = RestorationOptions(),
    inference: InferenceOptions = InferenceOptions(),
    seed: int = 0,
    cancel: Cancel | None = None,
) -> list[ConfirmedResolution]:
    """Measure up to which period a restored half of the photons correlates with the other, raw half.

    The photons of up to 16 frames from the middle of the movie (or slices, if the window is along Z) are split at
    random into two halves with independent noise. One is restored, and its Fourier ring correlation with the other
    falls below 1/7 at the confirmed resolution. Detail that the network invents does not correlate, and does not count.
    The halves have more noise than the data, so that the resolution of the complete data is rather better. Fixed
    patterns and hot pixels, which both halves contain, make it too good.

    Parameters
    ----------
    measured : path, Movie or array
        Raw camera data.
    model : Model, str or Path
        The model; scale 1.
    noise : NoiseModel, Calibration, path, or list with one per channel, optional
        Noise of the camera; by default it is calibrated from `measured`.
    options : RestorationOptions
        Window axis, outliers and fidelity; frames and dtype are not used.
    inference : InferenceOptions
        Tiles, device, precision and backend.
    seed : int
        Seed of the split.
    cancel : threading.Event, optional
        When set, the restoration stops within one tile.

    Returns
    -------
    list of ConfirmedResolution
        One per channel.

    Raises
    ------
    InputError
        If the noise is not determined, frames are smaller than 16 pixels, or movie and model do not fit each other.
    Cancelled
        If `cancel` was set.

    Examples
    --------
    >>> import decrappify as dc
    >>> dc.confirmed_resolution("cells.czi", "fluorescence-movie")[0].text()  # doctest: +SKIP
    '3.5 px (0.35 µm)'
    """
    from decrappify.io import open_movie

    check_instance(RestorationOptions, options=options)
    check_instance(InferenceOptions, inference=inference)
    check_whole(0, None, seed=seed)
    movie = open_movie(measured)
    try:
        models = channel_noise(movie, noise)
        part = _middle(movie, along_z=options.window_axis == "Z")
        if min(part.shape[3:]) < SMALLEST_SIDE:
            raise InputError(
                f"{movie.name} has {movie.shape[3:]} pixels (Y, X), expected at least {SMALLEST_SIDE} of each to "
                "measure a resolution"
            )
        splitters = [MovieSplitter.of(movie, c, model) for c, model in enumerate(models)]
        first, second = _halves(part, splitters, seed)
    finally:
        if isinstance(measured, str | os.PathLike):
            movie.close()
    half = Movie.from_array(first, "TCZYX", name=f"half of {movie.name}", channel_names=movie.channel_names)
    settings = replace(options, frames=None, dtype="float32", nan="fill")
    restored = np.asarray(restore(half, model, inference=inference, options=settings, cancel=cancel))
    if restored.shape != first.shape:
        raise InputError(f"model {model!r} changes the shape of frames, expected one of scale 1 that keeps channels")
    size = [each for each in part.pixel_size_um[1:] if each is not None]
    return [
        confirmed_resolution_of(
            *(_planes(stack, c) for stack in (restored, first, second)),
            channel=name,
            pixel_size_um=max(size) if len(size) == 2 else None,
        )
        for c, name in enumerate(movie.channel_names)
    ]


def _middle(movie: Movie, *, along_z: bool) -> Movie:
    """Return at most 16 consecutive frames (or slices) from the middle of the recorded ones, and the middle slice."""
    n_t, _, n_z, height, width = movie.shape
    count = max(_FEWEST, min(_PLANES, _PIXELS // (height * width)))
    around_t, around_z = (slice(max(0, (n - count) // 2), max(0, (n - count) // 2) + count) for n in (n_t, n_z))
    part = movie.select(frames=n_t // 2, slices=around_z) if along_z else movie.select(around_t, slices=n_z // 2)
    if part.missing:
        raise InputError(
            f"planes in the middle of {movie.name} were not recorded; select recorded frames, such as movie[10:30]"
        )
    return part


def _halves(part: Movie, splitters: Sequence[MovieSplitter], seed: int) -> tuple[Array, Array]:
    """Split each plane into two halves (T, C, Z, Y, X) float32, both in the gray levels of the whole."""
    first, second = np.zeros(part.shape, np.float32), np.zeros(part.shape, np.float32)
    for t, c, z in part.planes():
        rng = np.random.default_rng([seed, t, c, z])
        plane = np.nan_to_num(part.frame(t, c, z).astype(np.float64))
        first[t, c, z], second[t, c, z] = splitters[c].split(plane, 0.5, rng)
    return first, second


def _planes(stack: Array, c: int) -> Array:
    return np.asarray(stack[:, c].reshape(-1, *stack.shape[3:]))
