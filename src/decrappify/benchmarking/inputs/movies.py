"""Movies computed frame by frame from other movies, so that no baseline needs a whole movie in memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter, gaussian_filter1d, zoom

from decrappify.io import open_movie, save_movie
from decrappify.limits.memory import available_memory
from decrappify.movie import Array, ArraySource, Movie, Plane

_SHARE_OF_MEMORY = 8


def mapped(movie: Movie, function: Callable[[Array], Array], scale: int = 1) -> Movie:
    """Apply `function` to each plane (Y, X); its result may be `scale` times finer."""
    shape = (*movie.shape[:3], movie.shape[3] * scale, movie.shape[4] * scale)
    return movie.map_planes(
        lambda t, c, z: function(movie.frame(t, c, z).astype(np.float64)), shape=shape, dtype=np.float64
    )


def upsampled(movie: Movie, scale: int) -> Movie:
    """Enlarge `scale` times by bicubic interpolation without a shift: the area of each pixel is subdivided."""
    return movie if scale == 1 else mapped(movie, lambda frame: enlarged(frame, scale), scale)


def enlarged(frame: Array, scale: int) -> Array:
    """Enlarge a (Y, X) frame as `upsampled`."""
    return frame if scale == 1 else np.asarray(zoom(frame, scale, order=3, mode="nearest", grid_mode=True))


def repeated(still: Movie, n_frames: int) -> Movie:
    """Repeat a movie of one frame `n_frames` times."""
    if still.shape[0] == n_frames:
        return still
    return still.map_planes(lambda t, c, z: still.frame(0, c, z), shape=(n_frames, *still.shape[1:]))


def gaussian_filtered(movie: Movie, sigma_space: float, sigma_time: float) -> Movie:
    """Filter a movie like `scipy.ndimage.gaussian_filter` in space and time, with one window of frames in memory."""
    smooth: dict[Plane, Array] = {}
    n_frames = movie.shape[0]

    def compute(t: int, c: int, z: int) -> Array:
        unit = np.zeros(n_frames)
        unit[t] = 1
        # With reflected ends the filter is a symmetric matrix, so filtering a unit vector yields its row.
        weights = gaussian_filter1d(unit, sigma_time) if sigma_time > 0 else unit
        needed = {(int(k), c, z) for k in np.flatnonzero(weights)}
        for gone in set(smooth) - needed:
            del smooth[gone]
        for plane in sorted(needed - set(smooth)):
            smooth[plane] = gaussian_filter(movie.frame(*plane).astype(np.float64), sigma_space)
        return np.asarray(sum(weights[plane[0]] * smooth[plane] for plane in sorted(needed)))

    return movie.map_planes(compute, dtype=np.float64)


def memory_budget() -> int:
    """Return the bytes that one movie may use: an eighth of the free memory."""
    return available_memory() // _SHARE_OF_MEMORY


def kept(movie: Movie, path: Path) -> Movie:
    """Compute a movie once as float32: in memory if it fits, else in a store at `path` (``.ome.zarr``)."""
    if 4 * int(np.prod(movie.shape, dtype=np.int64)) > memory_budget():
        return open_movie(save_movie(movie, path, dtype=np.float32))
    whole = np.empty(movie.shape, np.float32)
    for t, c, z in movie.planes():
        whole[t, c, z] = movie.frame(t, c, z)
    return movie.derived(ArraySource(whole, "TCZYX"))
