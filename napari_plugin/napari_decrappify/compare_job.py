"""Worker of the Compare widget: the scorecard of two or three layers, and their difference."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decrappify import Movie
from decrappify.errors import InputError
from decrappify.metrics import score_movie
from napari_decrappify.layers import LayerImage
from napari_decrappify.task import Cancelled, Task

_SAMPLED_FRAMES = 5  # for the contrast of a difference


@dataclass(frozen=True, kw_only=True)
class CompareRequest:
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
    """The metrics as table rows (metric, value, interpretation), and the frames they were computed from."""

    request: CompareRequest
    rows: list[tuple[str, str, str]]
    n_frames: int
    data_range: float
    values: dict[str, Any]


@dataclass(frozen=True)
class Difference:
    """Restored minus reference as a lazy float32 movie, and a gray level for its contrast."""

    request: CompareRequest
    movie: Movie
    limit: float


def run_scorecard(task: Task, request: CompareRequest) -> Compared:
    """Score the restored layer, one frame at a time."""
    others = {"reference": request.reference, "source": request.source}
    with ExitStack() as stack:
        n_frames = request.restored.sizes.get("T", 1)
        counted = sum(image is not None for image in others.values()) + 2  # the reference is read twice
        bar = task.progress(total=counted * n_frames, desc="comparing", unit="frame")

        def opened(image: LayerImage) -> Movie:
            movie = stack.enter_context(_plane_of(image, request))
            return watched(movie, task.cancel, bar.update)

        movies: dict[str, Any] = {role: opened(image) for role, image in others.items() if image is not None}
        card = score_movie(opened(request.restored), **movies)
    return Compared(request, card.rows(), card.n_frames, card.data_range, card.to_dict())


def run_difference(task: Task, request: CompareRequest) -> Difference:
    """Compute the difference to the reference, or to the input without a reference."""
    other = request.reference or request.source
    if other is None:
        raise InputError("there is nothing to subtract; choose a reference or an input")
    with ExitStack() as stack:
        movies = [_frames_of(image, request) for image in (request.restored, other)]
        for movie in movies:
            stack.callback(movie.close)
        difference = subtract(*movies)
        n_frames = len(difference)
        bar = task.progress(total=min(n_frames, _SAMPLED_FRAMES), desc="measuring the difference", unit="frame")
        largest = []
        for t in np.unique(np.linspace(0, n_frames - 1, _SAMPLED_FRAMES).round().astype(int)):
            if task.cancel.is_set():
                raise Cancelled("cancelled; no layer was added")
            plane = np.abs(difference.frame(int(t), 0, difference.shape[2] // 2))
            largest.append(float(np.percentile(plane[np.isfinite(plane)], 99.5)) if np.isfinite(plane).any() else 0.0)
            bar.update()
        stack.pop_all()  # the layer continues to read from them
    return Difference(request, difference, max(largest) or 1.0)


def watched(movie: Movie, cancel: threading.Event, on_read: Callable[[int], None]) -> Movie:
    """Return a movie whose regions are counted when read, until the run is cancelled."""

    def region(t: int, c: int, z: int, rows: slice, columns: slice) -> NDArray[Any]:
        if cancel.is_set():
            raise Cancelled("cancelled; there is no new table")
        pixels = movie.region(t, c, z, rows, columns)
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
            "only images of one size can be compared"
        )

    def region(*place: Any) -> NDArray[Any]:
        first, second = (each.region(*place).astype(np.float32) for each in (movie, other))
        return np.asarray(first - second)

    return movie.map_regions(region, dtype=np.float32, others=[other])


def matching_frames(restored: LayerImage, other: LayerImage) -> slice | None:
    """Find the frames of `other` at the times of `restored`, from the positions of the layers in time.

    None means all of them: the layers have equal numbers of frames, or no common time axis.

    Raises
    ------
    InputError
        If `restored` extends beyond `other`.
    """
    n_frames, n_other = restored.sizes.get("T", 1), other.sizes.get("T", 1)
    if n_frames >= n_other or "T" not in restored.axes:
        return None
    (start, _), (origin, interval) = (_in_time(image) for image in (restored, other))
    first = round((start - origin) / interval)
    if not 0 <= first <= n_other - n_frames:
        raise InputError(
            f"{restored.name!r} lies at frames {first} to {first + n_frames - 1} of {other.name!r}, which has frames 0 "
            f"to {n_other - 1}; choose layers of the same moments"
        )
    return slice(first, first + n_frames)


def _in_time(image: LayerImage) -> tuple[float, float]:
    number = image.axes.index("T")
    return float(image.attributes["translate"][number]), float(image.attributes["scale"][number])


def _frames_of(image: LayerImage, request: CompareRequest) -> Movie:
    """Open one channel of a layer with all slices and the frames of the restored layer."""
    movie = image.movie()
    n_channels = movie.shape[1]
    channel = min(request.position.get("C", 0), n_channels - 1)
    frames = None if image is request.restored else matching_frames(request.restored, image)
    return movie.select(frames=frames, channels=channel)


def _plane_of(image: LayerImage, request: CompareRequest) -> Movie:
    """Open one channel and one slice of a layer."""
    movie = _frames_of(image, request)
    return movie.select(slices=min(request.position.get("Z", 0), movie.shape[2] - 1))
