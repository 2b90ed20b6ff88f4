"""Parser of a user's selection of frames to restore."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from decrappify._common.argument_names import setting
from decrappify.errors import InputError


def parse_frames(frames: slice | int | str | None) -> slice:
    """Return a selection of frames as a slice.

    >>> parse_frames("10:50"), parse_frames("7"), parse_frames(None)
    (slice(10, 50, None), slice(7, 8, None), slice(None, None, None))
    """
    if frames is None:
        return slice(None)
    bounds: list[Any] = [None, None, 0]
    if isinstance(frames, slice):
        bounds = [frames.start, frames.stop, frames.step]
    elif isinstance(frames, str):
        with suppress(ValueError):
            bounds = [int(part) if part.strip() else None for part in frames.split(":")]
    else:
        bounds = [frames]
    whole = [isinstance(bound, int) and not isinstance(bound, bool) for bound in bounds]
    if len(bounds) == 1 and whole[0]:
        return slice(bounds[0], bounds[0] + 1 or None)
    known = all(is_whole or bound is None for is_whole, bound in zip(whole, bounds, strict=True))
    if not known or len(bounds) not in (2, 3) or bounds[2:] == [0]:
        raise InputError(
            f"{setting('frames', frames)} is not valid, expected 'start:stop' such as '10:50', or one frame such as '7'"
        )
    return slice(*bounds)


def beyond_movie(frames: slice, count: int) -> str:
    """Return frames as text if they extend beyond a movie of `count` frames, an empty string otherwise.

    >>> beyond_movie(slice(25, 60), 30), beyond_movie(slice(25, 30), 30), beyond_movie(slice(-3, None, 2), 30)
    ('25:60', '', '')
    """
    bounds = [bound for bound in (frames.start, frames.stop) if bound is not None]
    if all(-count <= bound <= count for bound in bounds):
        return ""
    parts = (frames.start, frames.stop) if frames.step is None else (frames.start, frames.stop, frames.step)
    return ":".join("" if part is None else str(part) for part in parts)


def spelled(frames: Sequence[int]) -> list[int]:
    """Return start, stop and step of frames; the frames themselves if some were omitted."""
    return [frames.start, frames.stop, frames.step] if isinstance(frames, range) else list(frames)
