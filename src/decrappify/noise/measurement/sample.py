"""Regions of consecutive frames, sampled evenly from a movie of any size in bounded memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from decrappify._common.nan_advice import WITHOUT_NAN
from decrappify._common.planes.sampling import evenly_spaced, spaced_windows
from decrappify.errors import InputError
from decrappify.movie import Movie

Array = NDArray[Any]
PIXELS = 6_000_000  # of all regions together
_SIDE = 256  # of a region, if the whole plane is too large
_RUN, _RUNS = 8, 3  # consecutive frames, if the movie is long
_WHOLE_RUN = 24
_SLICES = 3
IMAGES, _IMAGE_SIDE = 16, 1024  # of the good images


def sample_regions(movie: Movie, at_most: int = PIXELS) -> list[Array]:
    """Read regions of consecutive frames (T, Y, X) of a movie with one channel.

    Parameters
    ----------
    movie : Movie
        (T, 1, Z, Y, X); planes that were never recorded are left out.
    at_most : int
        Pixels of all regions together.

    Returns
    -------
    list of arrays (T, Y, X)
        In the dtype of the movie.
    """
    n_t, _, n_z, rows, columns = movie.shape
    runs = [range(n_t)] if n_t <= _WHOLE_RUN else [range(s, s + _RUN) for s in evenly_spaced(n_t - _RUN + 1, _RUNS)]
    planes = [(run, z) for run in runs for z in evenly_spaced(n_z, _SLICES).tolist()]
    planes = [(run, z) for run, z in planes if not any((t, 0, z) in movie.missing for t in run)]
    if not planes:
        raise InputError(f"{movie.name} has no consecutive recorded frames to calibrate from; pass another movie")
    budget = at_most // len(planes)
    found = []
    for run, z in planes:
        windows = _windows(rows, columns, budget // len(run))
        blocks: list[list[Array]] = [[] for _ in windows]
        for t in run:  # plane by plane: the regions of one plane are read from the same chunks
            for block, (y, x) in zip(blocks, windows, strict=True):
                block.append(movie.region(t, 0, z, y, x))
        found += [np.stack(block) for block in blocks]
    _check_values(found, movie.name)
    return found


def _windows(rows: int, columns: int, pixels: int) -> list[tuple[slice, slice]]:
    """Return evenly spaced windows of a plane with at most `pixels` in total, at even rows; at least one."""
    if rows * columns <= pixels:
        return [(slice(0, rows), slice(0, columns))]
    side = min(_SIDE, max(64, int(pixels**0.5)))
    number = max(1, pixels // (min(side, rows) * min(side, columns)))
    down = min(max(1, int(number**0.5)), rows - min(side, rows) + 1)
    across = max(1, number // down)
    return spaced_windows((rows, columns), side, (down, across), ends=(down > 1, across > 1), even=True)


def sample_images(movie: Movie, at_most: int = IMAGES, side: int = _IMAGE_SIDE) -> list[Array]:
    """Read evenly spaced planes of a movie with one channel.

    Parameters
    ----------
    movie : Movie
        (T, 1, Z, Y, X); planes that were never recorded are left out.
    at_most : int
        Number of planes.
    side : int
        Largest number of pixels along Y and X; the middle of larger planes is read.

    Returns
    -------
    list of float32 arrays (1, Y, X)
    """
    planes = [(t, z) for t in range(movie.shape[0]) for z in range(movie.shape[2]) if (t, 0, z) not in movie.missing]
    rows, columns = (slice((size - min(size, side)) // 2, (size + min(size, side)) // 2) for size in movie.shape[3:])
    chosen = [planes[k] for k in evenly_spaced(len(planes), at_most)] if planes else []
    images = [movie.region(t, 0, z, rows, columns).astype(np.float32)[None] for t, z in chosen]
    if not all(np.isfinite(one).all() for one in images):
        raise InputError(f"{movie.name} contains NaN or infinity in the sampled frames; {WITHOUT_NAN}")
    return [one for one in images if one.min() < one.max()]


def _check_values(regions: list[Array], name: str) -> None:
    if any(region.dtype.kind == "f" and not np.isfinite(region).all() for region in regions):
        raise InputError(f"{name} contains NaN or infinity in the sampled frames; {WITHOUT_NAN}")
    if all(region.min() == region.max() for region in regions):
        raise InputError(f"every sampled pixel of {name} is {regions[0].flat[0]:g}, expected a movie with noise")
