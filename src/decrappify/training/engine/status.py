"""Status lines of a run, one per minute, and the timer of its checkpoints."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping

log = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 60.0


class Timer:
    """Timer that checks whether a time has passed since creation or the last restart.

    Parameters
    ----------
    seconds : float
        Time in seconds; 0 is always due.
    now : callable
        Clock in seconds.
    """

    def __init__(self, seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._now = seconds, now
        self._started = now()

    def is_due(self) -> bool:
        """Return whether the time has passed."""
        return self._now() - self._started >= self._seconds

    def restart(self) -> None:
        """Restart the timer."""
        self._started = self._now()


class StatusLog:
    """Log of one line per minute: step, losses, last validation, time left.

    The lines go to the logger ``decrappify.training.engine.status`` at level INFO, for runs without a terminal.

    Parameters
    ----------
    what : str
        The run or its phase.
    total, first : int
        Steps of the run, and those that are already done.
    unit : str
        Unit of the count.
    now : callable
        Clock in seconds.

    Attributes
    ----------
    validation : str
        Result of the last validation, part of each line.
    is_silent : bool
        Whether nothing is logged: True on all processes except the first.
    """

    def __init__(
        self, what: str, total: int, first: int = 0, unit: str = "step", *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._what, self._total, self._first, self._unit, self._now = what, total, first, unit, now
        self._began = now()
        self._timer = Timer(SECONDS_BETWEEN_LINES, now)
        self.validation = ""
        self.is_silent = False

    def at(self, number: int, numbers: Callable[[], Mapping[str, float]] = dict) -> None:
        """Log the state after step `number` if a minute has passed; only then `numbers` is called."""
        if self.is_silent or not self._timer.is_due():
            return
        self._timer.restart()
        parts = [f"{self._unit} {number} of {self._total}"]
        parts += [f"{name} {value:.4g}" for name, value in numbers().items()]
        parts += [self.validation] if self.validation else []
        log.info("%s: %s, %s left", self._what, ", ".join(parts), self._time_left(number))

    def _time_left(self, number: int) -> str:
        done = max(1, number - self._first)
        return duration((self._now() - self._began) / done * (self._total - number))


def duration(seconds: float) -> str:
    """Return a duration as text.

    >>> [duration(seconds) for seconds in (0, 59, 61, 3599, 3661, 100_000)]
    ['0 s', '59 s', '1 min', '59 min', '1 h 1 min', '27 h 46 min']
    """
    minutes = int(seconds // 60)
    if minutes == 0:
        return f"{int(seconds)} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
