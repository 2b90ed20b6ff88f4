"""Warnings about missing planes, and their one-line descriptions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import groupby
from typing import NamedTuple

from decrappify._common.caller_warning import warn_caller
from decrappify._common.counting import counted
from decrappify.movie import Plane

_LISTED = 4  # groups of planes named in a message
_NUMBERS = 8  # numbers named of each group


class MissingPlanesWarning(UserWarning):
    """A warning that names the missing planes of a movie."""


class MissingNote(NamedTuple):
    """A note on missing planes.

    Attributes
    ----------
    message : str
        All of it, as one line.
    other : str
        The part on other things than missing planes, as one line; empty if there is none.
    """

    message: str
    other: str = ""


_notes: ContextVar[list[MissingNote] | None] = ContextVar("_notes", default=None)


def warn_of_missing(message: str, other: str = "") -> None:
    """Issue a `MissingPlanesWarning`, or add it to the notes of `missing_notes`; arguments as for `MissingNote`."""
    notes = _notes.get()
    if notes is None:
        warn_caller(message, MissingPlanesWarning)
    else:
        notes.append(MissingNote(message, other))


@contextmanager
def missing_reported() -> Iterator[None]:
    """Reduce the warnings of `warn_of_missing` to other things, for callers that report missing planes themselves."""
    with missing_notes() as notes:
        yield
    for note in notes:
        if note.other:
            warn_caller(note.other)


@contextmanager
def missing_notes() -> Iterator[list[MissingNote]]:
    """Collect the warnings of `warn_of_missing` in this thread."""
    notes: list[MissingNote] = []
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
        f"{len(missing)} of {counted(total, 'plane')} {verb} not recorded ({list_planes(missing, shape)})"
        f"{', the recording was stopped early' if early else ''}"
    )


def list_planes(planes: Iterable[Plane], shape: tuple[int, int, int], *, complete: bool = False) -> str:
    """Return a list of planes as text, planes of one frame together and equal frames together.

    Parameters
    ----------
    planes : iterable of (t, c, z)
        The planes.
    shape : tuple of int
        Number of frames, channels and slices.
    complete : bool
        Whether to list all of them, as for a record; a message lists the first ones.

    Examples
    --------
    >>> list_planes([(0, 0, 1), (0, 1, 1), (1, 0, 1), (1, 1, 1), (4, 0, 0)], (5, 2, 2))
    'frames 0, 1: slice 1; frame 4: channel 0, slice 0'
    >>> list_planes([(t, 0, t) for t in range(5)], (5, 1, 5))
    'frame 0: slice 0; frame 1: slice 1; frame 2: slice 2; frame 3: slice 3; and 1 more group'
    >>> list_planes([(2 * t, 0, 0) for t in range(10)], (20, 1, 1), complete=True)
    'frames 0, 2, 4, 6, 8, 10, 12, 14, 16, 18'
    """
    by_part: dict[str, list[int]] = {}
    for t, group in groupby(sorted(planes), key=lambda plane: plane[0]):
        by_part.setdefault(_parts([(c, z) for _, c, z in group], shape[1:], complete), []).append(t)
    groups = []
    for part, frames in by_part.items():
        where = _numbers("frame", frames, complete) if shape[0] > 1 or not part else ""
        groups.append(": ".join(filter(None, (where, part))))
    more = 0 if complete else len(groups) - _LISTED
    text = "; ".join(groups[: None if complete else _LISTED])
    return f"{text}; and {counted(more, 'more group')}" if more > 0 else text


def _parts(planes: list[tuple[int, int]], sizes: tuple[int, int], complete: bool) -> str:
    n_channels, n_slices = sizes
    if len(planes) == n_channels * n_slices:
        return ""
    by_slices: dict[tuple[int, ...], list[int]] = {}
    for c, group in groupby(planes, key=lambda plane: plane[0]):
        by_slices.setdefault(tuple(z for _, z in group), []).append(c)
    parts = []
    for slices, channels in by_slices.items():
        names = []
        if len(channels) < n_channels:
            names.append(_numbers("channel", channels, complete))
        if len(slices) < n_slices:
            names.append(_numbers("slice", slices, complete))
        parts.append(", ".join(names))
    return " and ".join(parts)


def _numbers(what: str, numbers: Collection[int], complete: bool) -> str:
    listed = list(numbers)
    if len(listed) == 1:
        return f"{what} {listed[0]}"
    if 2 < len(listed) == listed[-1] - listed[0] + 1 and listed == list(range(listed[0], listed[-1] + 1)):
        return f"{what}s {listed[0]} to {listed[-1]}"
    shown = len(listed) if complete else _NUMBERS
    more = f" and {len(listed) - shown} more" if len(listed) > shown else ""
    return f"{what}s {', '.join(map(str, listed[:shown]))}{more}"


def _stopped_early(missing: Collection[Plane], shape: tuple[int, int, int]) -> bool:
    """Return whether only planes of the last frame (of a single frame: the last slice) are missing."""
    axis = 0 if shape[0] > 1 else 2
    return shape[axis] > 1 and {plane[axis] for plane in missing} == {shape[axis] - 1}
