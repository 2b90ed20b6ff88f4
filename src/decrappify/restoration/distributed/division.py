"""Division of large frames into rectangles for several workers, if there are fewer frames than workers can share.

Every rectangle is computed from the tiles of the whole frame, so that its pixels do not depend on the division. A tile
on the border of two rectangles is computed for both: the rectangles are chosen so that the worker with most tiles has
as few as possible. Their borders are those of the chunks of the output, as two workers must not write one chunk.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import product, takewhile
from typing import Any, NamedTuple

from decrappify.io.formats.omezarr.writing.pyramid import CHUNK
from decrappify.io.store.planes.rectangles import Rectangle
from decrappify.movie import Plane
from decrappify.restoration.frames.reading import LARGEST_WHOLE, Repairs
from decrappify.restoration.job.job import Job
from decrappify.restoration.job.region import Region, divided
from decrappify.restoration.measurement.channels import Channel
from decrappify.restoration.tiling.grid import Span, TileGrid, touching

RECTANGLES = "rectangles"  # in the state of a run
_PLANES_PER_WORKER = 2  # from this number on, frames are not divided
_WORTHWHILE = 0.8  # of the time of a whole frame


def rectangles_of(job: Job, grid: TileGrid, begun: Mapping[str, Any], n_workers: int) -> list[Rectangle]:
    """Return the rectangles into which some frames of a run are divided; empty if no frames are.

    Parameters
    ----------
    job : Job
        The run.
    grid : TileGrid
        Tiles of a frame.
    begun : mapping
        State of the interrupted run, with its rectangles if some of them are finished.
    n_workers : int
        Number of workers.
    """
    recorded = recorded_rectangles(begun)
    if recorded or CHUNK % job.scale:
        return recorded
    n_shared = _n_divided(job.shape[0] * job.shape[2], n_workers)
    return best_rectangles(grid, n_shared, n_workers) if n_shared else []


def recorded_rectangles(state: Mapping[str, Any]) -> list[Rectangle]:
    """Return the rectangles recorded in the state of a run.

    >>> recorded_rectangles({"rectangles": [[0, 512, 0, 600]]})
    [Rectangle(top=0, bottom=512, left=0, right=600)]
    """
    return [Rectangle(*sides) for sides in state.get(RECTANGLES, ())]


def best_rectangles(grid: TileGrid, n_frames: int, n_workers: int) -> list[Rectangle]:
    """Return the division of a frame with which several workers restore some frames in the shortest time.

    Of equal ones, the one with the fewest rectangles, and of these the one with the fewest columns: rows of an image
    are often stored together. Empty if a division saves less than a fifth.

    Parameters
    ----------
    grid : TileGrid
        Tiles of the frame.
    n_frames, n_workers : int
        Number of frames, at most that of the workers.

    Examples
    --------
    >>> grid = TileGrid(frame_shape=(4000, 1000), tile_size=1024, overlap=96, multiple=8, margin=40)
    >>> best_rectangles(grid, 1, 2)
    [Rectangle(top=0, bottom=2048, left=0, right=1000), Rectangle(top=2048, bottom=4000, left=0, right=1000)]
    """
    height, width = (size * grid.scale for size in grid.frame_shape)

    def cost(division: tuple[_Ranges, _Ranges]) -> tuple[int, int, int]:
        rows, columns = division
        count = len(rows.ranges) * len(columns.ranges)
        rounds = -(-n_frames * count // n_workers)
        return rounds * rows.most * columns.most, count, len(columns.ranges)

    best = min(product(_divisions(grid.rows, height), _divisions(grid.columns, width)), key=cost)
    if cost(best)[0] > _WORTHWHILE * len(grid):
        return []
    return [Rectangle(*down, *across) for down, across in product(best[0].ranges, best[1].ranges)]


def divided_regions(
    job: Job, rectangles: Sequence[Rectangle], begun: Collection[tuple[int, int]], n_workers: int
) -> list[Region]:
    """Return the regions of a run: as many whole frames as all workers can share, and the rectangles of the others.

    Parameters
    ----------
    job : Job
        The run.
    rectangles : sequence of Rectangle
        As returned by `rectangles_of`.
    begun : collection of (t, z)
        Frames and slices of which rectangles are finished; they are divided in any case.
    n_workers : int
        Number of workers.
    """
    n_t, _, n_z = job.shape[:3]
    regions = divided(n_t, n_z, n_workers, window_axis=job.window_axis)
    if not rectangles:
        return regions
    planes = [plane for region in regions for plane in region.planes()]
    n_shared = _n_divided(len(planes), n_workers)
    shared = {_place(plane) for plane in planes[len(planes) - n_shared :]} | set(begun)
    found: list[Region] = []
    for region in regions:
        if not any(_place(plane) in shared for plane in region.planes()):
            found.append(region)
            continue
        for plane in region.planes():
            parts = rectangles if _place(plane) in shared else [None]
            found += [Region(plane.frames, plane.slices, part) for part in parts]
    return found


def repairs_of(job: Job, channels: Sequence[Channel], regions: Iterable[Region]) -> dict[Plane, Repairs]:
    """Read the very large frames of which regions are rectangles, and their windows, and return what was found in them.

    Workers then read only the rectangles; smaller frames are read as a whole by each worker. The input is thereby
    recorded, as the checksum of a plane needs all its pixels.
    """
    if job.movie.shape[3] * job.movie.shape[4] <= LARGEST_WHOLE:
        return {}
    found = {}
    planes = {_place(region) for region in regions if region.rectangle is not None}
    for group in range(len(job.groups)):
        reader = job.reader(group, channels)
        for t, z in sorted(_with_windows(job, planes, job.model_of(group).n_frames // 2)):
            for c in job.groups[group]:
                if (t, c, z) in job.lost:
                    continue
                if job.is_constant(group, channels):
                    job.movie.frame(t, c, z)
                    continue
                repairs = reader.repairs(t, c, z)
                if repairs is not None:
                    found[t, c, z] = repairs
    return found


def _n_divided(n_planes: int, n_workers: int) -> int:
    """Return the number of planes that remain if every worker restores as many whole ones."""
    return 0 if n_planes >= _PLANES_PER_WORKER * n_workers else n_planes % n_workers


def _place(region: Region) -> tuple[int, int]:
    return region.frames.start, region.slices.start


def _with_windows(job: Job, planes: Iterable[tuple[int, int]], half: int) -> set[tuple[int, int]]:
    """Return frames and slices of the input around those of the output."""
    n_t, _, n_z = job.movie.shape[:3]
    found = set()
    for i, z in planes:
        t = job.frames[i]
        for step in range(-half, half + 1):
            at, slice_ = (t + step, z) if job.window_axis == "T" else (t, z + step)
            if 0 <= at < n_t and 0 <= slice_ < n_z:
                found.add((at, slice_))
    return found


class _Ranges(NamedTuple):
    """Division of an axis into ranges, and the number of tiles of the one that has most."""

    ranges: list[tuple[int, int]]
    most: int


def _divisions(spans: tuple[Span, ...], length: int) -> list[_Ranges]:
    """Return the divisions of an axis with the fewest ranges for each largest number of tiles."""
    found = (_longest_ranges(spans, length, most) for most in range(1, len(spans) + 1))
    return [_Ranges(ranges, most) for most, ranges in enumerate(found, start=1) if ranges is not None]


def _longest_ranges(spans: tuple[Span, ...], length: int, most: int) -> list[tuple[int, int]] | None:
    """Return the longest ranges with at most that many tiles each, one after the other; None if a chunk has more.

    Their borders are multiples of the chunk's side, or the ends of the axis.
    """
    found: list[tuple[int, int]] = []
    start = 0
    while start < length:
        ends = (min(end, length) for end in range(start + CHUNK, length + CHUNK, CHUNK))
        fitting = list(takewhile(lambda end: len(touching(spans, slice(start, end))) <= most, ends))  # noqa: B023
        if not fitting:
            return None
        found.append((start, fitting[-1]))
        start = fitting[-1]
    return found
