"""Regions of a movie on which a model is tested, spread over frames, slices and the field of view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from decrappify._common.planes.sampling import spaced_windows
from decrappify.movie import Array, Movie
from decrappify.normalization import sampled_planes
from decrappify.restoration.frames.reading import FrameReader
from decrappify.restoration.measurement.channels import Channel
from decrappify.windows import recorded_window

SIDE = 256  # pixels
_REGIONS, _PLANES = 16, 8
_MARGIN = 16  # pixels next to a cut that are not compared: there, filters lack their surroundings
_SEARCHED = 8  # frames before and after a constant one, among which another one is chosen
_STEP = 0.618  # golden ratio: successive places are far apart


@dataclass(frozen=True, slots=True)
class Region:
    """Rows and columns of frame `t` and slice `z`; those of `inner` are compared, relative to the region."""

    t: int
    z: int
    rows: slice
    columns: slice
    inner: tuple[slice, slice]


def sample_regions(movie: Movie, reach: int = 0) -> list[Region]:
    """Return at most 16 regions of at most 256 x 256 pixels of a movie with one channel.

    Constant regions, as of a closed shutter, contain no photons to compare: another frame nearby is used, or none. If
    all are constant, they are returned.

    Parameters
    ----------
    movie : Movie
        (T, 1, Z, Y, X).
    reach : int
        Frames before and after the one of a region that must not be constant, either, if there are such regions.

    Examples
    --------
    >>> movie = Movie.from_array(np.zeros((40, 600, 300)))
    >>> regions = sample_regions(movie)
    >>> len(regions), len({region.t for region in regions}), regions[0].inner
    (16, 8, (slice(0, 240, None), slice(0, 240, None)))
    """
    shape = movie.shape[3], movie.shape[4]
    places = spaced_windows(shape, SIDE, (max(1, shape[0] // SIDE), max(1, shape[1] // SIDE)))
    planes = sampled_planes(movie, 0, max(_PLANES, _REGIONS // len(places)))
    per_plane = min(len(places), -(-_REGIONS // len(planes)))
    stride = _coprime(round(_STEP * len(places)), len(places))
    regions, constant = [], []
    for number, (t, z) in enumerate(planes):
        for k in range(per_plane):
            rows, columns = places[(number * per_plane + k) * stride % len(places)]
            inner = _inner(rows, shape[0]), _inner(columns, shape[1])
            region = Region(t, z, rows, columns, inner)
            used = _not_constant(movie, region, reach)
            regions += [] if used is None or used in regions else [used]
            constant += [region] if used is None else []
    if reach and not regions:
        return sample_regions(movie)
    return regions or constant


def _not_constant(movie: Movie, region: Region, reach: int) -> Region | None:
    """Return the region in its frame, or in one nearby, in which it is not constant; None if there is none."""

    def differs(t: int) -> bool:
        if not 0 <= t < movie.shape[0] or (t, 0, region.z) in movie.missing:
            return False
        pixels = movie.region(t, 0, region.z, region.rows, region.columns)
        return bool(pixels.min() != pixels.max())  # NaN differs, and is refused later

    def is_usable(t: int) -> bool:
        around = range(max(0, t - reach), min(movie.shape[0], t + reach + 1))
        return differs(t) and all((s, 0, region.z) in movie.missing or differs(s) for s in around if s != t)

    for distance in range(_SEARCHED + 1):
        for t in dict.fromkeys((region.t + distance, region.t - distance)):
            if is_usable(t):
                return replace(region, t=t)
    return None


def read_window(
    movie: Movie, channel: Channel, region: Region, n_frames: int
) -> tuple[Sequence[int], dict[int, Array]]:
    """Read the frames around a region's frame.

    Returns
    -------
    indices : sequence of int
        The window of `n_frames` frames, in which frames may be repeated.
    frames : dict of int to array (Y, X)
        Gray levels, float64, of each frame, with hot pixels replaced as in a restoration.
    """
    reader = FrameReader(movie, [channel], nan="error", compares=False, part=(region.rows, region.columns))
    indices = recorded_window(region.t, movie.shape[0], n_frames, lambda i: (i, 0, region.z) not in movie.missing)
    units = channel.normalization
    frames = {}
    for t in sorted(set(indices)):
        values = reader.read(t, region.z, (0,)).values
        assert values is not None  # NaN raises
        frames[t] = values[0].astype(np.float64) * units.scale + units.offset
    return indices, frames


def _inner(part: slice, length: int) -> slice:
    first = _MARGIN if part.start > 0 else 0
    return slice(first, part.stop - part.start - (_MARGIN if part.stop < length else 0))


def _coprime(step: int, count: int) -> int:
    """Return the first step from `step` on with which all of `count` places are visited."""
    step = max(1, step)
    while np.gcd(step, count) != 1:
        step += 1
    return step
