"""Planes that did not arrive although later frames did, assumed to be missing until the acquisition has ended."""

from __future__ import annotations

from collections.abc import Iterable

from decrappify.io.growing.arrivals import Arrivals
from decrappify.movie import Plane


class LostPlanes:
    """Planes assumed missing, in the channels of the opened movie.

    Parameters
    ----------
    arrivals : Arrivals
        Complete frames of the input.
    channel : int or None
        The channel of the input that is opened, if not all.

    Attributes
    ----------
    arrivals : Arrivals
        The argument.
    earlier : set of (t, c, z)
        Those that an interrupted run assumed missing.
    """

    def __init__(self, arrivals: Arrivals, channel: int | None) -> None:
        self.arrivals, self._channel = arrivals, channel
        self.earlier: set[Plane] = set()

    def planes(self) -> set[Plane]:
        """Return the planes."""
        found = set(self.arrivals.missing)
        return found if self._channel is None else {(t, 0, z) for t, c, z in found if c == self._channel}

    def contains(self, t: int, c: int, z: int) -> bool:
        """Return whether a plane is assumed missing."""
        return (t, c if self._channel is None else self._channel, z) in self.arrivals.missing

    def recorded(self) -> list[list[int]]:
        """Return the planes, with those of the interrupted run, for the state of this run."""
        return [list(plane) for plane in sorted(self.planes() | self.earlier)]

    def mistaken(self, missing: Iterable[Plane]) -> set[Plane]:
        """Return the planes for which the assumption differs from the planes that are missing in the end."""
        differing = (self.planes() | self.earlier) ^ set(missing)
        return {plane for plane in differing if plane[0] < self.arrivals.complete}
