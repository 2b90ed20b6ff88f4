"""Windows of a growing movie in the order of its frames, each as soon as its frames are complete."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from decrappify.io.growing.arrivals import AcquisitionEnded
from decrappify.movie import Array
from decrappify.restoration.follow.lost import LostPlanes
from decrappify.restoration.frames.reading import Frame, FrameReader
from decrappify.restoration.frames.sliding import SlidingWindow, Window
from decrappify.restoration.job.job import Job, Target
from decrappify.restoration.measurement.channels import Channel

P = TypeVar("P")

_KEPT_SERIES = 4  # channels times slices whose frames are kept between time points; of more, they are read again


def arriving_windows(
    job: Job,
    channels: Sequence[Channel],
    load: Callable[[Array], P],
    is_done: Callable[[Target], bool],
    lost: LostPlanes,
) -> Iterator[tuple[Target, Window[P]]]:
    """Yield the windows of complete frames that no later frame can change; wait for frames.

    The last windows of the acquisition, which the edge rule completes, are not yielded.

    Parameters
    ----------
    job : Job
        On a movie of `decrappify.io.growing.open.growing_movie`.
    channels, load, is_done
        As for `Job.windows`.
    lost : LostPlanes
        Planes assumed missing; its arrivals are those of that movie.
    """
    along_t = job.window_axis == "T"
    places = [
        (number, z)
        for number in range(len(job.groups))
        if not job.is_constant(number, channels)
        for z in (range(job.shape[2]) if along_t else [-1])
    ]
    kept: dict[tuple[int, int], SlidingWindow[P]] = {}

    def window_of(t: int, number: int, z: int) -> SlidingWindow[P]:
        if along_t and (number, z) in kept:
            return kept[number, z]
        made = _sliding_window(job, channels, load, lost, t, number, z)
        if along_t and len(places) <= _KEPT_SERIES:
            kept[number, z] = made
        return made

    try:
        for t in range(job.shape[0]):
            for number, z in places:
                slices = [z] if along_t else range(job.shape[2])
                targets = [Target(t, each, number) for each in slices]
                if all(map(is_done, targets)):
                    continue
                lost.arrivals.wait_for(t)
                window = window_of(t, number, z)
                for target in targets:
                    is_recorded = not _is_lost(job, lost, t, target.z, number)
                    if is_recorded and not is_done(target):
                        yield target, window.at(t if along_t else target.z)
    except AcquisitionEnded:
        return


def _sliding_window(
    job: Job, channels: Sequence[Channel], load: Callable[[Array], P], lost: LostPlanes, t: int, number: int, z: int
) -> SlidingWindow[P]:
    """Return the windows of a channel group along T (of slice `z`) or Z (of frame `t`)."""
    along_t, group, n_frames = job.window_axis == "T", job.groups[number], job.model_of(number).n_frames
    compares = job.outliers == "replace" and along_t and n_frames > 1
    reader = FrameReader(job.movie, channels, nan=job.nan, compares=compares)

    def place(i: int) -> tuple[int, int]:
        return (i, z) if along_t else (t, i)

    def read(i: int) -> Frame:
        return reader.read(*place(i), group)

    def is_recorded(i: int) -> bool:
        lost.arrivals.wait_for(place(i)[0])
        return not _is_lost(job, lost, *place(i), number)

    length = job.shape[0] if along_t else job.shape[2]
    return SlidingWindow(length, n_frames, read=read, load=load, is_recorded=is_recorded)


def _is_lost(job: Job, lost: LostPlanes, t: int, z: int, number: int) -> bool:
    return any(lost.contains(t, c, z) for c in job.groups[number])
