"""Progress of a run and estimate of the remaining time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

_REMEMBERED = 30


@dataclass(frozen=True, slots=True)
class Step:
    """Progress of a run.

    Attributes
    ----------
    done, total : int
        Number of finished pieces and of all pieces; total is 0 if unknown.
    description, unit : str
        Description of the run, and name of a piece.
    seconds_left : float or None
        Remaining time; None until two pieces are finished.

    Examples
    --------
    >>> Step(3, 10, "restoring cells", "plane", 75.0).text()
    'restoring cells: plane 3 of 10, 1:15 left'
    """

    done: int
    total: int
    description: str
    unit: str
    seconds_left: float | None = None

    def text(self) -> str:
        """Return the step as a short string."""
        left = "" if self.seconds_left is None else f", {clock(self.seconds_left)} left"
        return f"{self.description}: {self.count()}{left}"

    def count(self) -> str:
        """Return the number of finished pieces as a string."""
        return f"{self.unit} {self.done}" + (f" of {self.total}" if self.total else "")


class Pace:
    """Counter of finished pieces that estimates the remaining time from the latest ones.

    Parameters
    ----------
    total : int
        Number of pieces.
    description, unit : str
        As for `Step`.
    now : callable
        Function that returns the seconds of a monotonic clock.
    """

    def __init__(self, total: int, description: str, unit: str, *, now: Callable[[], float] = time.monotonic) -> None:
        self._total, self._description, self._unit, self._now = total, description, unit, now
        self._done = 0
        # The start is excluded: pieces finished before a run was resumed would make it appear very fast.
        self._latest: deque[tuple[float, int]] = deque(maxlen=_REMEMBERED)

    def add(self, count: int = 1) -> Step:
        """Count finished pieces."""
        self._done += count
        self._latest.append((self._now(), self._done))
        return self.step()

    def step(self) -> Step:
        """Return the current progress."""
        (first, done_first), (last, done_last) = (
            (self._latest[0], self._latest[-1]) if self._latest else ((0.0, 0), (0.0, 0))
        )
        left = None
        if done_last > done_first:
            left = (self._total - self._done) * (last - first) / (done_last - done_first)
        return Step(self._done, self._total, self._description, self._unit, left)


def clock(seconds: float) -> str:
    """Format seconds as minutes and seconds, or hours.

    >>> clock(4.2), clock(75), clock(3 * 3600 + 125)
    ('0:04', '1:15', '3:02:05')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
