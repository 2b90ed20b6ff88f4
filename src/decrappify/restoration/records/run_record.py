"""Validation of the record of an unfinished run, which may have been edited or damaged."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from decrappify._common.checks import short
from decrappify.restoration.measurement.channels import Channel
from decrappify.restoration.records.notes import merged, summary

if TYPE_CHECKING:
    from decrappify.io.store.planes.journal import Journal
    from decrappify.movie import Plane
    from decrappify.restoration.job.job import Job

_KINDS: dict[str, type | tuple[type, ...]] = {
    "channels": list,
    "settings": Mapping,
    "asked": Mapping,
    "read": list,
    "rectangles": list,
    "provenance": Mapping,
    "tile_size": int,
    "tile_overlap": int,
    "precision": str,
    "backend": str,
    "device": str,
}


def flaw_of_state(state: Mapping[str, Any]) -> str | None:
    """Describe an entry of the state of a run that has an invalid type; return None if all are valid."""
    for name, kind in _KINDS.items():
        value = state.get(name)
        if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
            return f"its {name} is {short(value)}"
    if not isinstance((state.get("provenance") or {}).get("restoration", {}), Mapping):
        return f"its provenance is {short(state['provenance'])}"
    return None


def flaw_of(journal: Journal, job: Job) -> str | None:
    """Describe content of a journal that a run of this job cannot have recorded; return None if it is valid."""
    flaw = flaw_of_state(journal.state)
    if flaw is not None:
        return flaw
    if not all(_is_of(job, plane) for plane in (*journal.done, *journal.notes, *journal.rectangles)):
        return "it lists planes that the output does not have"
    if not all(_is_rectangle(job, sides) for sides in journal.state.get("rectangles", ())):
        return "its rectangles are not in the output"
    if not all(isinstance(note.get("read", []), list) for note in journal.notes.values()):
        return "its list of planes that were read is not valid"
    try:
        channels = [Channel.from_dict(values) for values in journal.state.get("channels") or ()]
        is_measured = all(_is_measured(channel, job) for channel in channels) and len(channels) in (
            0,
            job.movie.shape[1],
        )
        summary(journal.notes, job)
        summary({plane: merged(found.values()) for plane, found in journal.rectangles.items()}, job)
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, ArithmeticError):
        is_measured = False
    return None if is_measured else "its measurements are incomplete"


def _is_of(job: Job, plane: Plane) -> bool:
    places = zip(plane, job.shape, strict=False)
    return all(isinstance(index, int) and 0 <= index < n for index, n in places)


def _is_rectangle(job: Job, sides: Any) -> bool:
    if not isinstance(sides, list) or len(sides) != 4 or not all(isinstance(side, int) for side in sides):
        return False
    top, bottom, left, right = sides
    return bool(0 <= top < bottom <= job.shape[3] and 0 <= left < right <= job.shape[4])


def _is_measured(channel: Channel, job: Job) -> bool:
    limits = channel.limits
    numbers: list[Any] = [channel.normalization.offset, channel.normalization.scale]
    numbers += [] if channel.constant is None else [channel.constant]
    numbers += [] if limits is None else [limits.zero, limits.high, limits.low, limits.bright, limits.dark]
    are_numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in numbers)
    if not are_numbers or not all(map(math.isfinite, numbers)) or channel.normalization.scale <= 0:
        return False
    height, width = job.movie.shape[3:]
    return limits is None or all(0 <= y < height and 0 <= x < width for y, x in limits.static)
