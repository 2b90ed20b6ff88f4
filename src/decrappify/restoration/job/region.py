"""Regions of a result that can be restored separately, with the same pixels: ranges of frames and slices, or parts."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise, product

from decrappify._common.planes.rounding import round_up
from decrappify.io.store.planes.rectangles import Rectangle

_LONGEST, _SHORT, _PER_WORKER = 64, 8, 8


@dataclass(frozen=True, slots=True)
class Region:
    """Planes of the output of all channels, for a range of frames and slices.

    Attributes
    ----------
    frames, slices : range
        Indices of the output.
    rectangle : Rectangle or None
        The only part of these planes that is in the region; None for whole planes.
    """

    frames: range
    slices: range
    rectangle: Rectangle | None = None

    def __contains__(self, place: tuple[int, int]) -> bool:
        """Return whether a frame and slice (t, z) of the output are in the region."""
        return place[0] in self.frames and place[1] in self.slices

    @property
    def name(self) -> str:
        """Name of the region as a file name.

        >>> Region(range(0, 8), range(2, 3)).name
        'frames-0-8-slices-2-3'
        >>> Region(range(0, 1), range(0, 1), Rectangle(0, 512, 512, 700)).name
        'frames-0-1-slices-0-1-rows-0-512-columns-512-700'
        """
        t, z = self.frames, self.slices
        name = f"frames-{t.start}-{t.stop}-slices-{z.start}-{z.stop}"
        if self.rectangle is None:
            return name
        top, bottom, left, right = self.rectangle
        return f"{name}-rows-{top}-{bottom}-columns-{left}-{right}"

    @property
    def description(self) -> str:
        """Name of the region in messages.

        >>> Region(range(0, 8), range(2, 3)).description
        'frames 0 to 7'
        >>> Region(range(3, 4), range(0, 1), Rectangle(0, 512, 512, 700)).description
        'rows 0 to 511, columns 512 to 699 of frame 3'
        """
        if self.rectangle is None:
            return f"frames {self.frames.start} to {self.frames.stop - 1}"
        top, bottom, left, right = self.rectangle
        return f"rows {top} to {bottom - 1}, columns {left} to {right - 1} of frame {self.frames.start}"

    def overlaps(self, other: Region) -> bool:
        """Return whether a pixel is in both regions.

        >>> one = Region(range(0, 8), range(0, 1))
        >>> one.overlaps(Region(range(7, 9), range(0, 1))), one.overlaps(Region(range(8, 9), range(0, 1)))
        (True, False)
        """
        share_planes = all(
            max(a.start, b.start) < min(a.stop, b.stop)
            for a, b in ((self.frames, other.frames), (self.slices, other.slices))
        )
        one, two = self.rectangle, other.rectangle
        return share_planes and (one is None or two is None or one.overlaps(two))

    def planes(self) -> list[Region]:
        """Return the single planes (frame and slice, of all channels) as regions."""
        return [Region(range(t, t + 1), range(z, z + 1), self.rectangle) for t, z in product(self.frames, self.slices)]


def divided(n_frames: int, n_slices: int, n_workers: int, *, window_axis: str = "T") -> list[Region]:
    """Divide an output into regions for several workers, long along the axis of the windows.

    A worker reads the frames of the windows at both ends of a region in addition to it, so that regions have several
    frames; but there are enough of them that all workers end at about the same time.

    Parameters
    ----------
    n_frames, n_slices : int
        Extent of the output.
    n_workers : int
        Number of workers.
    window_axis : {"T", "Z"}
        Axis of the windows.

    Examples
    --------
    >>> [region.name for region in divided(20, 1, 2)]
    ['frames-0-5-slices-0-1', 'frames-5-10-slices-0-1', 'frames-10-15-slices-0-1', 'frames-15-20-slices-0-1']
    """
    total = n_frames * n_slices
    size = max(-(-total // (_PER_WORKER * n_workers)), min(_SHORT, -(-total // (2 * n_workers))))
    size = max(1, min(size, _LONGEST))
    along, across = (n_frames, n_slices) if window_axis == "T" else (n_slices, n_frames)
    beside = max(1, min(across, size // along))
    pieces = -(-along // size)
    blocks = -(-across // beside)
    if pieces * blocks > n_workers and pieces > 1:  # as many for every worker
        pieces = min(along, max(1, round_up(pieces * blocks, n_workers) // blocks))
    ranges = _even(along, pieces), _even(across, blocks)
    if window_axis == "T":
        return [Region(t, z) for z, t in product(ranges[1], ranges[0])]
    return [Region(t, z) for t, z in product(ranges[1], ranges[0])]


def part_of(n_frames: int, n_slices: int, number: int, count: int) -> Region | None:
    """Return part `number`, from 1, of `count` parts of an output: frames, or slices if there are more of them.

    None if there are fewer frames or slices than parts and this part is empty.

    >>> part_of(10, 1, 3, 3).name, part_of(1, 5, 1, 2).name, part_of(2, 1, 1, 3)
    ('frames-6-10-slices-0-1', 'frames-0-1-slices-0-2', None)
    """
    frames, slices = range(n_frames), range(n_slices)
    along = frames if n_frames >= n_slices else slices
    taken = along[(number - 1) * len(along) // count : number * len(along) // count]
    if not taken:
        return None
    return Region(taken, slices) if along is frames else Region(frames, taken)


def _even(length: int, pieces: int) -> list[range]:
    bounds = [length * number // pieces for number in range(pieces + 1)]
    return [range(start, stop) for start, stop in pairwise(bounds)]
