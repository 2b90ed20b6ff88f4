"""Planes that were never recorded: detection, omission of their frames, and substitutes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from decrappify._common.argument_names import setting
from decrappify.errors import InputError
from decrappify.movie import Movie, Plane

WAYS = ("blank", "drop", "nearest")


def check_missing(missing: str) -> str:
    """Return `missing` if it is a valid treatment of planes that were never recorded; raise InputError otherwise."""
    if missing not in WAYS:
        raise InputError(f"{setting('missing', missing)} is not known, expected 'blank', 'drop' or 'nearest'")
    return missing


def with_empty_planes(movie: Movie) -> frozenset[Plane]:
    """Return the missing planes of a movie and those with only NaN; reads every plane of a float movie."""
    if movie.dtype.kind != "f":
        return movie.missing
    empty = {place for place in movie.planes() if place not in movie.missing and np.isnan(movie.frame(*place)).all()}
    return movie.missing | empty


def complete_frames(frames: Sequence[int], missing: frozenset[Plane], name: str) -> Sequence[int]:
    """Return the frames for which every plane was recorded.

    Raises
    ------
    InputError
        If there are none.
    """
    incomplete = {t for t, _, _ in missing}
    kept = [t for t in frames if t not in incomplete]
    if not kept:
        raise InputError(
            f"{name} has no frame with all planes recorded; pass {setting('missing', 'blank')} or "
            f"{setting('missing', 'nearest')}"
        )
    return kept if len(kept) < len(frames) else frames


def interval_of(frames: Sequence[int], movie: Movie, unitless_spacing: Mapping[str, float]) -> dict[str, Any]:
    """Return the metadata of a part of a movie that depend on the distance of its frames.

    Parameters
    ----------
    frames : sequence of int
        Frames of the part.
    movie : Movie
        The whole movie.
    unitless_spacing : mapping of str to float
        Spacing of the part, of which ``"T"`` is replaced.

    Examples
    --------
    >>> movie = Movie.from_array(np.zeros((5, 8, 8)), frame_interval_s=2.0)
    >>> interval_of([0, 2, 4], movie, {}), interval_of([0, 1, 4], movie, {})["frame_interval_s"]
    ({'frame_interval_s': 4.0, 'unitless_spacing': {}}, None)
    """
    factor = interval_factor(frames)
    interval, unitless = movie.frame_interval_s, movie.unitless_spacing.get("T")
    spacing = {axis: value for axis, value in unitless_spacing.items() if axis != "T"}
    if factor is not None and unitless is not None:
        spacing["T"] = unitless * factor
    return {
        "frame_interval_s": None if factor is None or interval is None else interval * factor,
        "unitless_spacing": spacing,
    }


def interval_factor(frames: Sequence[int]) -> float | None:
    """Return the distance of evenly spaced frames, None if they are spaced unevenly.

    >>> interval_factor([0, 1, 2]), interval_factor([0, 2, 4]), interval_factor([0, 1, 3])
    (1, 2, None)
    """
    steps = {abs(after - before) for before, after in pairwise(frames)}
    return steps.pop() if len(steps) == 1 else None if steps else 1


def nearest_frame(t: int, frames: Sequence[int], is_recorded: Sequence[bool]) -> int | None:
    """Return the recorded frame of `frames` that is nearest to `t`, the earlier of two; None if there is none.

    >>> nearest_frame(3, [1, 2, 3, 4], [True, False, False, True])
    4
    """
    recorded = [frame for frame, there in zip(frames, is_recorded, strict=True) if there]
    return min(recorded, key=lambda frame: (abs(frame - t), frame), default=None)


def described(planes: Sequence[Plane], limit: int = 6) -> str:
    """Return the first planes as text.

    >>> described([(3, 0, 1), (4, 0, 1)])
    '(t, c, z) = (3, 0, 1), (4, 0, 1)'
    """
    shown = ", ".join(str(tuple(place)) for place in planes[:limit])
    more = f" and {len(planes) - limit} more" if len(planes) > limit else ""
    return f"(t, c, z) = {shown}{more}"
