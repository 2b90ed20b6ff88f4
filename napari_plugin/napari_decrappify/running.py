"""Work in a thread, watched from the GUI: progress, messages, cancelling, and every error as one readable line.

A thread and a mailbox that a timer empties, rather than napari's generator workers: those swallow RuntimeError (and so
torch's out-of-memory errors), which leaves a widget busy for ever. Signals come five times a second at most, as each
repaints the window, which is dear where a canvas is drawn without a graphics card.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QCoreApplication, QEvent, QObject, QTimer, Signal

from napari_decrappify.graphics import keep_triton_out
from napari_decrappify.task import Task

_POLL_MS = 200
_CLOSING_S = 30.0


class Runner(QObject):
    """Runs one piece of work at a time and tells by signals, in the GUI thread, how it goes.

    Every run ends with exactly one of `succeeded`, `failed` and `cancelled`, then `finished`. When the parent widget is
    taken out of the window, the work is cancelled; when it is destroyed or the application quits, it is waited for too.

    Parameters
    ----------
    parent : QObject
        The widget whose work this is.
    """

    started = Signal()
    progressed = Signal(object)  # Step
    reported = Signal(object)  # what the work handed to task.report
    succeeded = Signal(object)  # what the work returned
    failed = Signal(str)
    cancelled = Signal(str)
    finished = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._task: Task | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(_POLL_MS)
        self._timer.timeout.connect(self._poll)
        self._running = running = _Running()  # no Qt object: it outlives the widget
        parent.installEventFilter(self)
        parent.destroyed.connect(lambda *_: running.stop())
        application = QCoreApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(lambda: running.stop())

    @property
    def is_running(self) -> bool:
        """Whether a run has not told its end yet."""
        return self._task is not None

    def start(self, work: Callable[[Task], Any]) -> None:
        """Start `work` in a thread; it gets a `Task`. Read all widget values before, it must not."""
        if self.is_running:
            raise RuntimeError("a run is already in progress")
        self._task = Task()
        self._running.start(self._task, work)
        self._timer.start()
        self.started.emit()

    def cancel(self) -> None:
        """Ask the work to stop; `cancelled` (or its result, if it was quicker) follows."""
        if self._task is not None:
            self._task.cancel.set()

    def stop(self) -> None:
        """Cancel and wait; for a widget that closes. No signal follows."""
        self._timer.stop()
        self._running.stop()
        self._task = None

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Cancel when napari closes the parent's dock: it neither closes nor destroys the widget in it."""
        is_change = event is not None and event.type() == QEvent.Type.ParentChange
        if is_change and watched is not None and watched.parent() is None:
            self.cancel()
        return False

    def _poll(self) -> None:
        task = self._task
        if task is None:
            return
        outcome = task.outcome  # looked at first, so that nothing reported before the end is missed
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
    """The thread and its task, apart from anything that Qt destroys."""

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
    """Import what restores in a thread of its own, so that the first click need not wait for it."""
    keep_triton_out()

    def load() -> None:
        from decrappify.restoration import Preview  # noqa: F401

    threading.Thread(target=load, name="decrappify-warm-up", daemon=True).start()
