"""Warnings about missing planes, and their one-line descriptions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import groupby

from decrappify._common.caller_warning import warn_caller
from decrappify.movie import Plane

_LISTED = 4  # groups of planes named in a message


class MissingPlanesWarning(UserWarning):
    """A warning that names the missing planes of a movie."""


_notes: ContextVar[list[str] | None] = ContextVar("_notes", default=None)


def warn_of_missing(message: str) -> None:
    """Issue a `MissingPlanesWarning`, or add it to the notes of `missing_notes`."""
    notes = _notes.get()
    if notes is None:
        warn_caller(message, MissingPlanesWarning)
    else:
        notes.append(message)


@contextmanager
def missing_notes() -> Iterator[list[str]]:
    """Collect the warnings of `warn_of_missing` in this thread, for callers that report missing planes themselves."""
    notes: list[str] = []
    token = _notes.set(notes)
    try:
        yield notes
    finally:
        _notes.reset(token)


def describe_missing(missing: Collection[Plane], shape: tuple[int, int, int]) -> str:
    """Return the number and positions of planes that were not recorded.

    Parameters
    ----------
    missing : collection of (t, c, z)
        At least one plane.
    shape : tuple of int
        Number of frames, channels and slices.

    Examples
    --------
    >>> describe_missing({(9, 1, 0), (9, 2, 0)}, (10, 3, 1))
    '2 of 30 planes were not recorded (frame 9: channels 1, 2), the recording was stopped early'
    >>> describe_missing({(1, 0, 0), (1, 0, 1)}, (3, 1, 2))
    '2 of 6 planes were not recorded (frame 1)'
    """
    early = _stopped_early(missing, shape)
    total = shape[0] * shape[1] * shape[2]
    verb = "was" if len(missing) == 1 else "were"
    return (
        f"{len(missing)} of {total} planes {verb} not recorded ({list_planes(missing, shape)})"
        f"{', the recording was stopped early' if early else ''}"
    )


def list_planes(planes: Iterable[Plane], shape: tuple[int, int, int]) -> str:
    """Return a list of planes as text, planes of one frame together and equal frames together.

    >>> list_planes([(0, 0, 1), (0, 1, 1), (1, 0, 1), (1, 1, 1), (4, 0, 0)], (5, 2, 2))
    'frames 0, 1: slice 1; frame 4: channel 0, slice 0'
    """
    by_part: dict[str, list[int]] = {}
    for t, group in groupby(sorted(planes), key=lambda plane: plane[0]):
        by_part.setdefault(_parts([(c, z) for _, c, z in group], shape[1], shape[2]), []).append(t)
    groups = []
    for part, frames in by_part.items():
        where = _numbers("frame", frames) if shape[0] > 1 or not part else ""
        groups.append(": ".join(filter(None, (where, part))))
    more = len(groups) - _LISTED
    return "; ".join(groups[:_LISTED]) + (f"; and {more} more groups" if more > 0 else "")


def _parts(planes: list[tuple[int, int]], n_channels: int, n_slices: int) -> str:
    if len(planes) == n_channels * n_slices:
        return ""
    by_slices: dict[tuple[int, ...], list[int]] = {}
    for c, group in groupby(planes, key=lambda plane: plane[0]):
        by_slices.setdefault(tuple(z for _, z in group), []).append(c)
    parts = []
    for slices, channels in by_slices.items():
        names = []
        if len(channels) < n_channels:
            names.append(_numbers("channel", channels))
        if len(slices) < n_slices:
            names.append(_numbers("slice", slices))
        parts.append(", ".join(names))
    return " and ".join(parts)


def _numbers(what: str, numbers: Collection[int]) -> str:
    listed = list(numbers)
    if len(listed) == 1:
        return f"{what} {listed[0]}"
    if 2 < len(listed) == listed[-1] - listed[0] + 1 and listed == list(range(listed[0], listed[-1] + 1)):
        return f"{what}s {listed[0]} to {listed[-1]}"
    more = f" and {len(listed) - 8} more" if len(listed) > 8 else ""
    return f"{what}s {', '.join(map(str, listed[:8]))}{more}"


def _stopped_early(missing: Collection[Plane], shape: tuple[int, int, int]) -> bool:
    """Return whether only planes of the last frame (of a single frame: the last slice) are missing."""
    axis = 0 if shape[0] > 1 else 2
    return shape[axis] > 1 and {plane[axis] for plane in missing} == {shape[axis] - 1}
