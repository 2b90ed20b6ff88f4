"""Runner of work in a thread with progress, messages, cancellation, and one-line errors in the GUI.

A thread and a queue read by a timer are used instead of napari's generator workers: those suppress RuntimeError (and so
torch's out-of-memory errors), which leaves a widget busy indefinitely. Signals are emitted at most five times a second,
since each repaints the window, which is slow without a graphics card.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QCoreApplication, QEvent, QObject, QTimer, Signal

from napari_decrappify.workers.graphics import keep_triton_out
from napari_decrappify.workers.task import Task

_POLL_MS = 200
_CLOSING_S = 30.0


class Runner(QObject):
    """Runner of one piece of work at a time, with signals in the GUI thread.

    Every run ends with exactly one of `succeeded`, `failed` and `cancelled`, then `finished`. When the parent widget is
    removed from the window, the work is cancelled; when it is destroyed or the application quits, the end of the work
    is also awaited.

    Parameters
    ----------
    parent : QObject
        The widget that starts the work.
    """

    started = Signal()
    progressed = Signal(object)  # Step
    reported = Signal(object)  # item passed to task.report
    succeeded = Signal(object)  # return value of the work
    failed = Signal(str)
    cancelled = Signal(str)
    finished = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._task: Task | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(_POLL_MS)
        self._timer.timeout.connect(self._poll)
        self._running = running = _Running()  # not a Qt object: it outlives the widget
        parent.installEventFilter(self)
        parent.destroyed.connect(lambda *_: running.stop())
        application = QCoreApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(lambda: running.stop())

    @property
    def is_running(self) -> bool:
        """Return whether a run has not yet signaled its end."""
        return self._task is not None

    def start(self, work: Callable[[Task], Any]) -> None:
        """Start `work` in a thread with a `Task`; it must not access widgets, so read their values before."""
        if self.is_running:
            raise RuntimeError("a run is already in progress")
        self._task = Task()
        self._running.start(self._task, work)
        self._timer.start()
        self.started.emit()

    def cancel(self) -> None:
        """Request the work to stop; `cancelled`, or its result if it was faster, follows."""
        if self._task is not None:
            self._task.cancel.set()

    def stop(self) -> None:
        """Cancel and wait; for a widget that closes. No signal follows."""
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
        outcome = task.outcome  # read first, so that no report before the end is missed
        step, task.step = task.step, None
        if step is not None:
            self.progressed.emit(step)
        while task.reports and self._task is task:
            self.reported.emit(task.reports.popleft())
        if outcome is None or self._task is not task:
            return
        self._timer.stop()
        self._running.stop()
        self._task = None
        kind, value = outcome
        getattr(self, kind).emit(value)
        self.finished.emit()


class _Running:
    """The thread and its task, independent of objects that Qt destroys."""

    def __init__(self) -> None:
        self._task: Task | None = None
        self._thread: threading.Thread | None = None

    def start(self, task: Task, work: Callable[[Task], Any]) -> None:
        self._task = task
        self._thread = threading.Thread(target=task.run, args=(work,), name="decrappify-run", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        if self._task is not None and self._thread is not None:
            self._task.cancel.set()
            self._thread.join(_CLOSING_S)
        self._task = self._thread = None


def warm_up() -> None:
    """Import the restoration modules in a separate thread, so that the first click does not wait for them."""
    keep_triton_out()

    def load() -> None:
        from decrappify.restoration import Preview  # noqa: F401

    threading.Thread(target=load, name="decrappify-warm-up", daemon=True).start()
