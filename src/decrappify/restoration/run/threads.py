"""Three concurrent stages: a reader thread, work in the calling thread, and a writer thread; queues are bounded."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

logger = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")

_LAST_READ_S = 60  # a failed run does not wait longer for a read that hangs, such as on a network share


def run_overlapped(
    produce: Iterable[Item],
    work: Callable[[Item], Result],
    consume: Callable[[Result], None],
    *,
    depth: int = 1,
    ended: threading.Event | None = None,
) -> None:
    """Run ``consume(work(item))`` for every item: `produce` in one thread, `work` in this one, `consume` in another.

    Results reach `consume` in order. An item is produced only when there is space for it, so that at most `depth` of
    them exist besides the one that is worked on; each may be as large as the frames of a window. If any stage fails (or
    is interrupted), all finished items are still consumed, and its error is raised here after the threads have ended; a
    read that hangs is abandoned after 60 s. If the system cannot start a thread, all three stages run in this one, one
    after the other.

    Parameters
    ----------
    produce : iterable
        Iterated in the reader thread.
    work, consume : callable
        Functions of this thread and of the writer thread.
    depth : int
        Largest number of items waiting between two stages.
    ended : threading.Event, optional
        Set at the end for any reason, for a `produce` that waits for new data.
    """
    items: _Channel[Item] = _Channel(depth)
    results: _Channel[Result] = _Channel(depth)
    writer = _Stage(lambda: _drain(results, consume), "decrappify-restore-writer")
    reader = _Stage(lambda: _feed(produce, items), "decrappify-restore-reader")
    items.sender, results.receiver = reader, writer
    if not _start_both(writer, reader, results):
        for item in produce:
            consume(work(item))
        return
    finished = False
    try:
        for item in items:
            if not results.put(work(item)):
                break
        finished = True
    finally:
        if ended is not None:
            ended.set()
        items.abandon()
        results.close()
        writer.join()
        reader.join(_LAST_READ_S if not finished or writer.error is not None else None)
        if reader.is_alive():
            logger.warning("reading the input timed out; the read was canceled")
    for stage in (writer, reader):
        if stage.error is not None:
            raise stage.error


def _start_both(writer: _Stage, reader: _Stage, results: _Channel[Result]) -> bool:
    """Start both threads, or none: nothing may be read before there is a consumer."""
    if not _started(writer):
        return False
    if not _started(reader):
        results.close()
        writer.join()
        return False
    return True


def _started(stage: _Stage) -> bool:
    try:
        stage.start()
    except (RuntimeError, MemoryError) as error:
        logger.warning(
            "%s: reading, restoring and writing do not run concurrently, which is slower", error or "out of memory"
        )
        return False
    return True


class _Stage(threading.Thread):
    """A thread that stores the error with which it ends."""

    def __init__(self, run: Callable[[], None], name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._run_stage = run
        self.error: BaseException | None = None

    def run(self) -> None:
        """Run the stage."""
        try:
            self._run_stage()
        except BaseException as error:  # noqa: BLE001  # raised again in the calling thread
            self.error = error


def _feed(produce: Iterable[Item], items: _Channel[Item]) -> None:
    try:
        source = iter(produce)
        while items.wait_for_space():
            try:
                item = next(source)
            except StopIteration:
                break
            items.put(item)
            del item  # it would be kept until the next one is complete
    finally:
        items.close()


def _drain(results: _Channel[Result], consume: Callable[[Result], None]) -> None:
    try:
        for result in results:
            consume(result)
    finally:
        results.abandon()


class _Channel(Generic[Item]):
    """A bounded queue of one sender and one receiver; either can end without blocking the other.

    Attributes
    ----------
    sender, receiver : Thread or None
        Set if that side is a thread; the other side does not wait for a thread that has ended for any reason.
    """

    sender: threading.Thread | None = None
    receiver: threading.Thread | None = None

    def __init__(self, depth: int) -> None:
        self._waiting: deque[Item] = deque()
        self._depth = depth
        self._closed = self._abandoned = False
        self._changed = threading.Condition()

    def put(self, item: Item) -> bool:
        """Add one item, waiting for free space; return False if the receiver has ended."""
        with self._changed:
            if self.wait_for_space():
                self._waiting.append(item)
                self._changed.notify_all()
            return not self._abandoned

    def wait_for_space(self) -> bool:
        """Wait until an item can be added; return False if the receiver has ended."""
        with self._changed:
            while len(self._waiting) >= self._depth and not self._abandoned:
                self._wait()
                self._abandoned = self._abandoned or _has_ended(self.receiver)
            return not self._abandoned

    def close(self) -> None:
        """Mark the end of the items."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def abandon(self) -> None:
        """Stop receiving; waiting items are discarded."""
        with self._changed:
            self._abandoned = True
            self._waiting.clear()
            self._changed.notify_all()

    def __iter__(self) -> Iterator[Item]:
        while True:
            with self._changed:
                while not self._waiting and not self._closed:
                    self._closed = _has_ended(self.sender)
                    self._wait()
                if not self._waiting:
                    return
                item = self._waiting.popleft()
                self._changed.notify_all()
            yield item
            del item  # it would be kept while waiting for the next one

    def _wait(self) -> None:
        self._changed.wait(timeout=0.2)  # without a timeout Windows does not deliver Ctrl-C


def _has_ended(thread: threading.Thread | None) -> bool:
    return thread is not None and not thread.is_alive()
