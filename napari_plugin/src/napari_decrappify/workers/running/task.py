"""Interface between a job in a thread and the GUI: cancellation, progress and reports; without Qt."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from decrappify.errors import Cancelled
from napari_decrappify.workers.running.graphics import keep_triton_out
from napari_decrappify.workers.running.messages import log_error
from napari_decrappify.workers.running.outcome import Failed, Finished, Outcome, Stopped
from napari_decrappify.workers.running.progress import Pace, Step
from napari_decrappify.workers.running.words import control_names

# Function of settings (a frozen dataclass) and a Task; it must not access widgets, layers or the viewer.
Job = Callable[[Any, "Task"], Any]


class Task:
    """Progress and cancellation of one run of a job.

    Attributes
    ----------
    cancel : threading.Event
        Set when the job should stop; pass it to `decrappify`, or call `check_cancel` often.
    """

    def __init__(self) -> None:
        self.cancel = threading.Event()
        self.outcome: Outcome | None = None
        self._step: Step | None = None
        self._seen: Step | None = None
        self._reports: deque[Any] = deque()

    # For the job

    def progress(self, *, total: int, desc: str = "", unit: str = "", initial: int = 0) -> Bar:
        """Create a progress bar; can be passed as the `progress` argument of `decrappify`, like ``tqdm``."""
        bar = Bar(self, Pace(total, desc, unit))
        bar.update(initial)
        return bar

    def report(self, item: Any) -> None:
        """Send an item to the GUI thread, in order; a string is shown in the status line."""
        self._reports.append(item)

    def check_cancel(self) -> None:
        """Raise Cancelled if the run was cancelled."""
        if self.cancel.is_set():
            raise Cancelled("the run was cancelled")

    # For the runner

    def run(self, job: Job, settings: Any) -> None:
        """Run a job and record its outcome; exceptions are captured, not raised."""
        keep_triton_out()  # the window of the viewer may have loaded its driver after the widget was created
        try:
            with control_names():
                self.outcome = Finished(job(settings, self))
        except BaseException as error:  # noqa: BLE001 - any error must be reported to the widget
            self.outcome = Stopped(self._step) if isinstance(error, Cancelled) else Failed(error, log_error(error))

    def set_step(self, step: Step) -> None:
        """Set the progress."""
        self._step = step

    def take_step(self) -> Step | None:
        """Return the progress; None if it has not changed since the last call."""
        before, self._seen = self._seen, self._step
        return None if self._seen is before else self._seen

    def take_report(self) -> Any:
        """Remove and return the first reported item; None if there is none."""
        return self._reports.popleft() if self._reports else None


class Bar:
    """Subset of the tqdm interface used by `decrappify`."""

    def __init__(self, task: Task, pace: Pace) -> None:
        self._task, self._pace = task, pace

    def update(self, n: int = 1) -> None:
        """Add `n` finished pieces."""
        self._task.set_step(self._pace.add(n) if n else self._pace.step())

    def close(self) -> None:
        """Do nothing; part of the tqdm interface."""
