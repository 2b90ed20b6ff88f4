"""Runner of jobs in a thread; progress, reports and outcome are signals in the GUI thread.

A thread and a queue read by a timer are used instead of napari's generator workers, which suppress RuntimeError (and so
torch's out-of-memory errors), so that a widget would remain busy indefinitely. Signals are emitted at most five times a
second, since each repaints the window, which is slow without a graphics card.
"""

from __future__ import annotations

import threading
from typing import Any

from qtpy.QtCore import QCoreApplication, QEvent, QObject, QTimer, Signal

from napari_decrappify.workers.running.task import Job, Task

_POLL_MS = 200
_CLOSING_S = 30.0


class Runner(QObject):
    """Runner of one job at a time, for all widgets and jobs.

    Each run emits `started` first and `ended` once, at its end. When the parent widget is removed from the window, the
    run is cancelled; when it is destroyed or the application quits, the runner also waits for the end of the run.

    Parameters
    ----------
    parent : QObject
        The widget that starts the jobs.
    """

    started = Signal()
    progressed = Signal(object)  # Step
    reported = Signal(object)  # item passed to Task.report
    ended = Signal(object)  # Outcome

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._task: Task | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(_POLL_MS)
        self._timer.timeout.connect(self._poll)
        self._running = running = _Running()  # not a Qt object, so that it outlives the widget
        parent.installEventFilter(self)

        def stop(*_: object) -> None:
            running.stop()

        parent.destroyed.connect(stop)
        application = QCoreApplication.instance()
        if application is not None:
            # This also keeps a reference to the function: Python may collect the widget before Qt destroys it, and
            # calling a collected function, which has lost its closure, crashes the process.
            application.aboutToQuit.connect(stop)

    @property
    def is_running(self) -> bool:
        """Return whether a run has not yet signaled its end."""
        return self._task is not None

    def start(self, job: Job, settings: Any) -> None:
        """Start ``job(settings, task)`` in a thread; `settings` contains all that it requires of the widgets."""
        if self.is_running:
            raise RuntimeError("a run is already in progress")
        self._task = Task()
        self._running.start(self._task, job, settings)
        self._timer.start()
        self.started.emit()

    def cancel(self) -> None:
        """Request the job to stop; `ended` is emitted with its outcome."""
        if self._task is not None:
            self._task.cancel.set()

    def stop(self) -> None:
        """Cancel the run and wait for its end, for a widget that closes; no further signal is emitted."""
        self._timer.stop()
        self._running.stop()
        self._task = None

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Cancel when napari closes the parent's dock, which neither closes nor destroys the widget in it."""
        is_change = event is not None and event.type() == QEvent.Type.ParentChange
        if is_change and watched is not None and watched.parent() is None:
            self.cancel()
        return False

    def _poll(self) -> None:
        task = self._task
        if task is None:
            return
        outcome = task.outcome  # read first, so that no report is missed
        step = task.take_step()
        if step is not None:
            self.progressed.emit(step)
        while self._task is task and (item := task.take_report()) is not None:
            self.reported.emit(item)
        if outcome is None or self._task is not task:
            return
        self._timer.stop()
        self._running.stop()
        self._task = None
        self.ended.emit(outcome)


class _Running:
    """Thread and task of a run, independent of objects that Qt destroys."""

    def __init__(self) -> None:
        self._task: Task | None = None
        self._thread: threading.Thread | None = None

    def start(self, task: Task, job: Job, settings: Any) -> None:
        self._task = task
        self._thread = threading.Thread(target=task.run, args=(job, settings), name="decrappify-run", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        if self._task is not None and self._thread is not None:
            self._task.cancel.set()
            self._thread.join(_CLOSING_S)
        self._task = self._thread = None
