"""Status lines of a run, one per minute, and the timer of its checkpoints."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping

log = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 60.0
_ESTIMATE_AFTER = 3.0, 5  # seconds and steps after the first step, in which torch initializes
_SHORT = 10.0  # seconds; the time of a shorter run is not announced


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
    """Log of the expected time after the first steps, then one line per minute: step, losses, validation, time left.

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
        self._start: tuple[int, float] | None = None  # after the first step
        self._is_estimated = False
        self.validation = ""
        self.is_silent = False

    def at(self, number: int, numbers: Callable[[], Mapping[str, float]] = dict) -> None:
        """Log the state after step `number` if a minute has passed; only then `numbers` is called."""
        if self.is_silent:
            return
        if not self._is_estimated:
            self._estimate(number)
        if not self._timer.is_due():
            return
        self._timer.restart()
        parts = [f"{self._unit} {number} of {self._total}"]
        parts += [f"{name} {value:.4g}" for name, value in numbers().items()]
        parts += [self.validation] if self.validation else []
        log.info("%s: %s, %s left", self._what, ", ".join(parts), self._time_left(number))

    def _estimate(self, number: int) -> None:
        if self._start is None:
            self._start = number, self._now()
            return
        done, seconds = number - self._start[0], self._now() - self._start[1]
        if seconds < _ESTIMATE_AFTER[0] or done < _ESTIMATE_AFTER[1]:
            return
        self._is_estimated = True
        each = seconds / done
        if (self._total - number) * each > _SHORT:
            total = f"{self._total:,} {self._unit}s take about {duration(each * (self._total - self._first))}"
            log.info("%s: %s (%.2g s per %s)", self._what, total, each, self._unit)

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
