"""What work in a thread is given: a way to be cancelled, to say how far it is, to hand over what it finds. No Qt."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from decrappify.errors import DecrappifyError
from napari_decrappify.messages import log_error
from napari_decrappify.pace import Pace, Step


class Cancelled(DecrappifyError):
    """Raised by work that stops because it was asked to; its text says what is kept."""


class Task:
    """What a piece of work may do from its own thread; it must not touch widgets, layers or the viewer.

    Attributes
    ----------
    cancel : threading.Event
        Set when the work should stop; pass it on to `decrappify`, or look at it often.
    """

    def __init__(self) -> None:
        self.cancel = threading.Event()
        self.step: Step | None = None
        self.reports: deque[Any] = deque()
        self.outcome: tuple[str, Any] | None = None

    def progress(self, *, total: int, desc: str = "", unit: str = "") -> Bar:
        """Stand in for ``tqdm`` as the `progress` argument of `decrappify`."""
        return Bar(self, Pace(total, desc, unit))

    def report(self, item: Any) -> None:
        """Hand something to the GUI thread, which gets it in order by the signal `reported`."""
        self.reports.append(item)

    def run(self, work: Callable[[Task], Any]) -> None:
        """Do the work and keep how it ended; no error leaves."""
        try:
            self.outcome = ("succeeded", work(self))
        except BaseException as error:  # noqa: BLE001 - whatever it is, the widget must hear of it
            self.outcome = ("cancelled", str(error)) if _is_cancellation(error) else ("failed", log_error(error))


class Bar:
    """The part of a tqdm bar that `decrappify` uses."""

    def __init__(self, task: Task, pace: Pace) -> None:
        self._task, self._pace = task, pace
        task.step = pace.step()

    def update(self, n: int = 1) -> None:
        """Count `n` finished pieces."""
        self._task.step = self._pace.add(n)

    def close(self) -> None:
        """Nothing to close."""


def _is_cancellation(error: BaseException) -> bool:
    from decrappify.restoration import RestorationCancelled

    return isinstance(error, Cancelled | RestorationCancelled)
