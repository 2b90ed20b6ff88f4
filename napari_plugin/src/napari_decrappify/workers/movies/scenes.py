"""Job of the Scenes widget: list the scenes of a file, with thumbnails."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from decrappify import Movie, open_movie
from decrappify.errors import DecrappifyError
from napari_decrappify.layers.files.listing import SceneListing
from napari_decrappify.workers.running.messages import one_line
from napari_decrappify.workers.running.task import Task

THUMBNAIL = 48  # pixels
_MOST_PIXELS = 4096 * 4096  # of a plane that is read for a thumbnail


@dataclass(frozen=True)
class ScenePreview:
    """Number of a scene, its size as text, and its thumbnail (Y, X) of uint8; None if it would be slow to read."""

    number: int
    text: str
    thumbnail: NDArray[np.uint8] | None


def list_scenes(path: Path, task: Task) -> SceneListing:
    """List the scenes; reports the listing first, then a `ScenePreview` of each."""
    task.report("reading the scenes …")
    listing = SceneListing.of(path)
    task.report(listing)
    bar = task.progress(total=len(listing.names), desc="reading thumbnails", unit="scene")
    for number in range(len(listing.names)):
        task.check_cancel()
        task.report(_preview(listing, number))
        bar.update()
    return listing


def _preview(listing: SceneListing, number: int) -> ScenePreview:
    scene: int | str = listing.label(number) if listing.further else number
    try:
        with closing(open_movie(listing.path, scene=scene)) as movie:
            return ScenePreview(number, _size_text(movie), _thumbnail(movie))
    except (DecrappifyError, OSError) as error:  # the other scenes of a damaged file can be opened
        return ScenePreview(number, one_line(error), None)


def _size_text(movie: Movie) -> str:
    counts = zip(movie.shape[:3], ("frames", "channels", "slices"), strict=True)
    parts = [f"{count} {name}" for count, name in counts if count > 1]
    return ", ".join([*parts, f"{movie.shape[3]} × {movie.shape[4]} pixels"])


def _thumbnail(movie: Movie) -> NDArray[np.uint8] | None:
    n_t, _, n_z, height, width = movie.shape
    if height * width > _MOST_PIXELS:
        return None
    step = -(-max(height, width) // THUMBNAIL)
    plane = np.nan_to_num(movie.frame(n_t // 2, 0, n_z // 2)[::step, ::step].astype(np.float32))
    low, high = np.percentile(plane, (0.5, 99.5))
    shares = (plane - low) / max(float(high - low), 1e-12)
    pixels: NDArray[np.uint8] = np.ascontiguousarray(np.rint(np.clip(shares, 0, 1) * 255).astype(np.uint8))
    return pixels
