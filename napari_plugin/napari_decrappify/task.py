"""Task interface of work in a thread: cancellation, progress and reports; without Qt."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from decrappify.errors import Cancelled
from napari_decrappify.messages import log_error
from napari_decrappify.pace import Pace, Step


class Task:
    """Interface of work to the GUI from its own thread, where widgets, layers and the viewer must not be accessed.

    Attributes
    ----------
    cancel : threading.Event
        Set when the work should stop; pass it to `decrappify`, or check it often.
    """

    def __init__(self) -> None:
        self.cancel = threading.Event()
        self.step: Step | None = None
        self.reports: deque[Any] = deque()
        self.outcome: tuple[str, Any] | None = None

    def progress(self, *, total: int, desc: str = "", unit: str = "", initial: int = 0) -> Bar:
        """Create a bar; usable instead of ``tqdm`` as the `progress` argument of `decrappify`."""
        bar = Bar(self, Pace(total, desc, unit))
        if initial:
            bar.update(initial)
        return bar

    def report(self, item: Any) -> None:
        """Send an item to the GUI thread, in order, by the signal `reported`."""
        self.reports.append(item)

    def run(self, work: Callable[[Task], Any]) -> None:
        """Run the work and record its outcome; exceptions are captured, not raised."""
        try:
            self.outcome = ("succeeded", work(self))
        except BaseException as error:  # noqa: BLE001 - any error must be reported to the widget
            self.outcome = ("cancelled", str(error)) if isinstance(error, Cancelled) else ("failed", log_error(error))


class Bar:
    """Subset of the tqdm interface used by `decrappify`."""

    def __init__(self, task: Task, pace: Pace) -> None:
        self._task, self._pace = task, pace
        task.step = pace.step()

    def update(self, n: int = 1) -> None:
        """Count `n` finished pieces."""
        self._task.step = self._pace.add(n)

    def close(self) -> None:
        """Do nothing: there is nothing to close."""
