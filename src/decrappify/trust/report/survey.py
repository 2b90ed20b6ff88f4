"""Survey of a trust map: the shares of each plane, and the places with the largest contradictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from decrappify._common.progress import Bar
from decrappify.movie import Array, Movie, Plane
from decrappify.trust.evaluation import Label
from decrappify.trust.maps import MAPS

_PER_PLANE = 50  # contradictions of a plane that are considered
_KEPT = 400  # places in memory
_SAME_PX = 4.0  # contradictions of several frames up to this distance are one place


@dataclass(frozen=True, slots=True)
class PlaneShares:
    """Shares of the labels of one plane, and its median detection limit in photons."""

    plane: Plane
    confirmed: float
    untestable: float
    contradicted: float
    limit: float


@dataclass(slots=True)
class Place:
    """A contradicted place, in one or several frames.

    Attributes
    ----------
    t, z, y, x : int
        Frame, slice and pixel of the largest score.
    score : float
        Largest score: negative where the result is brighter than the data.
    area : int
        Contradicted pixels in that frame.
    n_frames, first, last : int
        Number of frames in which the place is contradicted, the first and the last of them.
    """

    t: int
    z: int
    y: int
    x: int
    score: float
    area: int
    n_frames: int = 1
    first: int = 0
    last: int = 0


@dataclass(frozen=True, slots=True)
class Survey:
    """Shares of all planes of a channel, and its contradicted places with the largest scores first."""

    planes: Sequence[PlaneShares]
    places: Sequence[Place]


def survey(trust: Movie, c: int, bar: Bar) -> Survey:
    """Read the maps of channel `c` of the result plane by plane; `bar` counts them.

    Planes without data are left out.
    """
    planes: list[PlaneShares] = []
    places: list[Place] = []
    first = len(MAPS) * c
    for t in range(trust.shape[0]):
        for z in range(trust.shape[2]):
            if (t, first, z) not in trust.missing:
                labels, score, limit = (trust.frame(t, first + k, z) for k in range(len(MAPS)))
                if labels.any():
                    planes.append(_shares((t, c, z), labels, limit))
                    _merge(places, contradictions(labels, score, t, z))
            bar.update(1)
    return Survey(planes, sorted(places, key=lambda place: -abs(place.score)))


def contradictions(labels: Array, score: Array, t: int = 0, z: int = 0) -> list[Place]:
    """Return the connected contradicted regions of a plane, those with the largest scores first.

    >>> labels, score = np.ones((8, 9)), np.zeros((8, 9))
    >>> labels[2:4, 5:7], score[3, 6] = 3, -7.5
    >>> [(place.y, place.x, place.score, place.area) for place in contradictions(labels, score)]
    [(3, 6, -7.5, 4)]
    """
    from scipy.ndimage import find_objects
    from scipy.ndimage import label as connected

    numbers, n_found = connected(labels == Label.CONTRADICTED, np.ones((3, 3)))
    if not n_found:
        return []
    found = []
    for number, box in enumerate(find_objects(numbers), 1):
        inside = numbers[box] == number
        height = np.where(inside, np.abs(score[box]), -1)
        y, x = np.unravel_index(int(height.argmax()), height.shape)
        peak = (int(y) + box[0].start, int(x) + box[1].start)
        found.append(Place(t, z, *peak, float(score[peak]), int(inside.sum()), first=t, last=t))
    return sorted(found, key=lambda place: -abs(place.score))[:_PER_PLANE]


def _shares(plane: Plane, labels: Array, limit: Array) -> PlaneShares:
    counts = [int(np.count_nonzero(labels == label)) for label in Label]
    confirmed, untestable, contradicted = (count / sum(counts) for count in counts)
    return PlaneShares(plane, confirmed, untestable, contradicted, float(np.median(limit)))


def _merge(places: list[Place], found: Sequence[Place]) -> None:
    """Add the contradictions of a plane to the places, of which the largest are kept."""
    known = np.array([(place.z, place.y, place.x) for place in places], np.float64).reshape(-1, 3)
    for new in found:
        near = np.flatnonzero(_near(known, new))
        if not near.size:
            places.append(new)
            continue
        old = places[int(near[0])]
        if old.last != new.t:
            old.n_frames, old.last = old.n_frames + 1, new.t
        if abs(new.score) > abs(old.score):
            old.t, old.y, old.x, old.score, old.area = new.t, new.y, new.x, new.score, new.area
    if len(places) > _KEPT:
        places.sort(key=lambda place: -abs(place.score))
        del places[_KEPT:]


def _near(known: Array, place: Place) -> Any:
    if not len(known):
        return np.zeros(0, bool)
    distance = np.hypot(known[:, 1] - place.y, known[:, 2] - place.x)
    return (known[:, 0] == place.z) & (distance <= _SAME_PX)
