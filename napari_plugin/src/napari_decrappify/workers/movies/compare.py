"""Jobs of the Compare widget: scorecard and difference of layers."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from decrappify import Movie
from decrappify.errors import InputError
from decrappify.metrics import score_movie
from napari_decrappify.layers.image import LayerImage
from napari_decrappify.workers.movies.compared_movies import matching_frames, subtract, watched
from napari_decrappify.workers.running.task import Task

_SAMPLED_FRAMES = 5  # for the contrast limits of a difference


@dataclass(frozen=True, kw_only=True)
class CompareSettings:
    """Values of the widget at the time of the click.

    Attributes
    ----------
    restored : LayerImage
        The layer to score.
    reference : LayerImage or None
        The reference.
    source : LayerImage or None
        The degraded input of the restoration.
    position : dict of str to int
        Channel ``C`` and slice ``Z``, for layers with several.
    """

    restored: LayerImage
    reference: LayerImage | None
    source: LayerImage | None
    position: dict[str, int]


@dataclass(frozen=True)
class Compared:
    """Metrics as table rows (metric, value, interpretation), and the number of frames they were computed from."""

    settings: CompareSettings
    rows: list[tuple[str, str, str]]
    n_frames: int
    data_range: float
    values: dict[str, Any]


@dataclass(frozen=True)
class Difference:
    """Restored minus reference as a lazy float32 movie, and the gray level of its contrast limits."""

    settings: CompareSettings
    movie: Movie
    limit: float


def compute_scorecard(settings: CompareSettings, task: Task) -> Compared:
    """Score the restored layer, one frame at a time."""
    others = {"reference": settings.reference, "source": settings.source}
    with ExitStack() as stack:
        n_frames = settings.restored.sizes.get("T", 1)
        counted = sum(image is not None for image in others.values()) + 2  # the reference is read twice
        bar = task.progress(total=counted * n_frames, desc="comparing", unit="frame")

        def opened(image: LayerImage) -> Movie:
            movie = stack.enter_context(_plane_of(image, settings))
            return watched(movie, task.check_cancel, bar.update)

        movies: dict[str, Any] = {role: opened(image) for role, image in others.items() if image is not None}
        card = score_movie(opened(settings.restored), **movies)
    return Compared(settings, card.rows(), card.n_frames, card.data_range, card.to_dict())


def compute_difference(settings: CompareSettings, task: Task) -> Difference:
    """Compute the difference from the reference or, without one, from the input."""
    other = settings.reference or settings.source
    if other is None:
        raise InputError("no layer to subtract; choose a reference or an input")
    with ExitStack() as stack:
        movies = [_frames_of(image, settings) for image in (settings.restored, other)]
        for movie in movies:
            stack.callback(movie.close)
        difference = subtract(*movies)
        n_frames = len(difference)
        bar = task.progress(total=min(n_frames, _SAMPLED_FRAMES), desc="measuring the difference", unit="frame")
        largest = []
        for t in np.unique(np.linspace(0, n_frames - 1, _SAMPLED_FRAMES).round().astype(int)):
            task.check_cancel()
            plane = np.abs(difference.frame(int(t), 0, difference.shape[2] // 2))
            largest.append(float(np.percentile(plane[np.isfinite(plane)], 99.5)) if np.isfinite(plane).any() else 0.0)
            bar.update()
        stack.pop_all()  # the layer continues to read from them
    return Difference(settings, difference, max(largest) or 1.0)


def _frames_of(image: LayerImage, settings: CompareSettings) -> Movie:
    """Open one channel of a layer with all slices and the frames of the restored layer."""
    movie = image.movie()
    n_channels = movie.shape[1]
    channel = min(settings.position.get("C", 0), n_channels - 1)
    frames = None if image is settings.restored else matching_frames(settings.restored, image)
    return movie.select(frames=frames, channels=channel)


def _plane_of(image: LayerImage, settings: CompareSettings) -> Movie:
    """Open one channel and one slice of a layer."""
    movie = _frames_of(image, settings)
    return movie.select(slices=min(settings.position.get("Z", 0), movie.shape[2] - 1))
