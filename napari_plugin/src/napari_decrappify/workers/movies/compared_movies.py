"""Comparison of movies: matching frames of two layers, and their difference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decrappify import Movie
from decrappify.errors import InputError
from napari_decrappify.layers.image import LayerImage


def watched(movie: Movie, check_cancel: Callable[[], None], on_read: Callable[[int], None]) -> Movie:
    """Return a movie that reports each region read to `on_read`, and calls `check_cancel` before reading."""

    def region(*place: Any) -> NDArray[Any]:
        check_cancel()
        pixels = movie.region(*place)
        on_read(1)
        return pixels

    return movie.map_regions(region)


def subtract(movie: Movie, other: Movie) -> Movie:
    """Return one movie minus another of the same shape, as float32.

    Raises
    ------
    InputError
        If the shapes differ.
    """
    if movie.shape != other.shape:
        raise InputError(
            f"{movie.name!r} has shape {movie.shape}, {other.name!r} has {other.shape} (T, C, Z, Y, X); "
            "choose layers of equal shape"
        )

    def region(*place: Any) -> NDArray[Any]:
        first, second = (each.region(*place).astype(np.float32) for each in (movie, other))
        return np.asarray(first - second)

    return movie.map_regions(region, dtype=np.float32, others=[other])


def matching_frames(restored: LayerImage, other: LayerImage) -> slice | None:
    """Find the frames of `other` at the times of `restored`, from translate and scale of the layers.

    Return None for all frames: if `other` has no more frames than `restored`, or `restored` has no time axis.

    Raises
    ------
    InputError
        If `restored` extends beyond the time range of `other`.
    """
    n_frames, n_other = restored.sizes.get("T", 1), other.sizes.get("T", 1)
    if n_frames >= n_other or "T" not in restored.axes:
        return None
    (start, _), (origin, interval) = (_in_time(image) for image in (restored, other))
    first = round((start - origin) / interval)
    if not 0 <= first <= n_other - n_frames:
        raise InputError(
            f"{restored.name!r} corresponds to frames {first} to {first + n_frames - 1} of {other.name!r}, "
            f"which has frames 0 to {n_other - 1}; choose layers of the same time points"
        )
    return slice(first, first + n_frames)


def _in_time(image: LayerImage) -> tuple[float, float]:
    number = image.axes.index("T")
    return float(image.attributes["translate"][number]), float(image.attributes["scale"][number])
