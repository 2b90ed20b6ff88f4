"""Parser of a user's selection of frames to restore."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from decrappify._common.argument_names import setting
from decrappify._common.counting import counted
from decrappify.errors import InputError
from decrappify.movie import Movie
from decrappify.movie.indexing import slice_text


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
    return slice_text(frames)


def check_slices_are_not_meant(frames: str, movie: Movie) -> None:
    """Raise InputError if a selection of no frame of a movie with several slices was meant to select slices.

    Parameters
    ----------
    frames : str
        The selection as text.
    movie : Movie
        The movie.
    """
    if movie.shape[2] > 1:
        raise InputError(
            f"{setting('frames', frames)} selects no frame of {movie.name}, which has "
            f"{counted(movie.shape[0], 'frame')} and {movie.shape[2]} slices: frames are time points; omit it to "
            "restore all slices, or select slices in Python with open_movie(...).select(slices=...)"
        )


def spelled(frames: Sequence[int]) -> list[int]:
    """Return start, stop and step of frames; the frames themselves if some were omitted.

    It is part of the key of a run, so that a change would make unfinished runs impossible to resume.
    """
    return [frames.start, frames.stop, frames.step] if isinstance(frames, range) else list(frames)


def from_spelled(values: Sequence[int]) -> Sequence[int]:
    """Return the frames of `spelled`; three increasing numbers are frames, as ranges of that form are rare.

    >>> from_spelled([0, 9, 1]), from_spelled([0, 4, 5])
    (range(0, 9), [0, 4, 5])
    """
    is_range = len(values) == 3 and values[2] and (values[2] < 0 or sorted(set(values)) != list(values))
    return range(*values) if is_range else values


def as_text(frames: Sequence[int]) -> str:
    """Return frames in the form in which the user selects them; of a list, successive frames as one range.

    >>> as_text(range(0, 9)), as_text(range(8, -1, -2)), as_text(range(7, 8)), as_text([0, 1, 2, 5, 8, 9])
    ('0:9', '8::-2', '7', '0:3, 5, 8:10')
    """
    if isinstance(frames, range) and len(frames) != 1:
        stop, step = "" if frames.stop < 0 else frames.stop, "" if frames.step == 1 else f":{frames.step}"
        return f"{frames.start}:{stop}{step}"
    runs: list[tuple[int, int]] = []
    for frame in frames:
        if runs and runs[-1][1] == frame:
            runs[-1] = (runs[-1][0], frame + 1)
        else:
            runs.append((frame, frame + 1))
    return ", ".join(str(start) if stop - start == 1 else f"{start}:{stop}" for start, stop in runs)
