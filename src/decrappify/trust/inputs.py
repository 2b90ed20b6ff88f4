"""Inputs of a trust map: the measured frames of a restored movie, and the noise of each channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from decrappify._common.counting import counted
from decrappify.errors import InputError
from decrappify.movie import Array, Movie
from decrappify.noise import NoiseModel
from decrappify.noise.channels import Noise, channel_name, noise_of_channels
from decrappify.noise.pixels.splitting import NoiseSplitter
from decrappify.noise.pixels.variance import excess_variance
from decrappify.trust.camera import PlaneNoise, plane_noise


def channel_noise(measured: Movie, noise: Noise | Sequence[Noise]) -> list[NoiseModel]:
    """Return the noise model of each channel; those that are None are calibrated from the movie.

    Raises
    ------
    InputError
        If the gain of a channel is not determined, or `noise` has another number of entries than the movie channels.
    """
    given = noise if isinstance(noise, list | tuple) else [noise] * measured.shape[1]
    models = noise_of_channels(measured, noise)
    for c, (one, model) in enumerate(zip(given, models, strict=True)):
        plane_noise(model, channel_name(measured, c), measured_here=one is None)
    return models


def terms_of(measured: Movie, models: Sequence[NoiseModel]) -> list[PlaneNoise]:
    """Return the noise of each channel as the maps need it, with the differences between pixels."""
    terms = [plane_noise(model, channel_name(measured, c)) for c, model in enumerate(models)]
    return [
        replace(one, excess=excess_variance(measured, c, NoiseSplitter.of(model)))
        for c, (one, model) in enumerate(zip(terms, models, strict=True))
    ]


def frames_of(restored: Movie, measured: Movie) -> list[int]:
    """Return the measured frame of each restored one, from the record of the restoration in the movie.

    Raises
    ------
    InputError
        If the movies do not fit each other.
    """
    _check_fit(restored, measured)
    n_restored, n_measured = restored.shape[0], measured.shape[0]
    recorded = parse_selection(str(restored.provenance.get("restoration", {}).get("frames", "")), n_measured)
    if len(recorded) == n_restored and all(0 <= t < n_measured for t in recorded):
        return recorded
    if n_restored == n_measured:
        return list(range(n_restored))
    raise InputError(
        f"{restored.name} has {counted(n_restored, 'frame')} and {measured.name} {n_measured}, expected the movie from "
        "which it was restored"
    )


def _check_fit(restored: Movie, measured: Movie) -> None:
    if restored.shape[3:] != measured.shape[3:]:
        raise InputError(
            f"{restored.name} has {restored.shape[3:]} pixels (Y, X), expected those of {measured.name}, "
            f"{measured.shape[3:]}, from which a model of scale 1 restored it"
        )
    if restored.shape[1:3] != measured.shape[1:3]:
        raise InputError(
            f"{restored.name} has {restored.shape[1:3]} channels and slices, expected those of {measured.name}, "
            f"{measured.shape[1:3]}, from which a model that keeps channels restored it"
        )


def parse_selection(text: str, count: int) -> list[int]:
    """Return the frames of a recorded selection; empty for a text that is none.

    >>> parse_selection("0:3, 5, 8:10", 12), parse_selection("4::-2", 12), parse_selection("", 12)
    ([0, 1, 2, 5, 8, 9], [4, 2, 0], [])
    """
    frames: list[int] = []
    for part in text.split(","):
        try:
            bounds = [int(word) if word.strip() else None for word in part.split(":")]
        except ValueError:
            return []
        if len(bounds) == 1 and bounds[0] is not None:
            frames.append(bounds[0])
        elif len(bounds) in (2, 3) and bounds[2:] != [0]:
            frames += range(count)[slice(*bounds)]
    return frames


def excluded_pixels(restored: Movie, c: int) -> Array | None:
    """Return the hot and dead pixels that the restoration replaced in all planes, (Y, X); None without any."""
    recorded = restored.provenance.get("restoration", {}).get("static_outliers", {})
    places = recorded.get(str(c), []) if isinstance(recorded, dict) else []
    if not places:
        return None
    found = np.zeros(restored.shape[3:], bool)
    found[tuple(np.transpose(np.asarray(places, int)))] = True
    return found
