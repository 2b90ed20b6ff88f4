"""Three stages at once: a reader thread, work in the calling thread, a writer thread, with bounded queues between."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def run_overlapped(
    produce: Iterable[Item], work: Callable[[Item], Result], consume: Callable[[Result], None], *, depth: int = 2
) -> None:
    """Run ``consume(work(item))`` for every item: `produce` in one thread, `work` in this one, `consume` in another.

    Results reach `consume` in order. When any stage fails (or is interrupted), what was finished before is still
    consumed, that error is raised here, and no thread is left running.

    Parameters
    ----------
    produce : iterable
        Iterated in the reader thread.
    work, consume : callable
        The steps in this thread and in the writer thread.
    depth : int
        Items waiting between two stages at most.
    """
    items: _Channel[Item] = _Channel(depth)
    results: _Channel[Result] = _Channel(depth)
    with ThreadPoolExecutor(2, thread_name_prefix="decrappify-restore") as pool:
        reading = pool.submit(_feed, produce, items)
        writing = pool.submit(_drain, results, consume)
        try:
            for item in items:
                if not results.put(work(item)):
                    break
        finally:
            items.abandon()
            results.close()
    writing.result()
    reading.result()


def _feed(produce: Iterable[Item], items: _Channel[Item]) -> None:
    try:
        for item in produce:
            if not items.put(item):
                break
    finally:
        items.close()


def _drain(results: _Channel[Result], consume: Callable[[Result], None]) -> None:
    try:
        for result in results:
            consume(result)
    finally:
        results.abandon()


class _Channel(Generic[Item]):
    """A bounded queue of one sender and one receiver that either can leave without the other waiting for ever."""

    def __init__(self, depth: int) -> None:
        self._waiting: deque[Item] = deque()
        self._depth = depth
        self._closed = self._abandoned = False
        self._changed = threading.Condition()

    def put(self, item: Item) -> bool:
        """Hand over one item, waiting for room; False if the receiver has left."""
        with self._changed:
            while len(self._waiting) >= self._depth and not self._abandoned:
                self._wait()
            if not self._abandoned:
                self._waiting.append(item)
                self._changed.notify_all()
            return not self._abandoned

    def close(self) -> None:
        """No more items will come."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def abandon(self) -> None:
        """No more items are wanted; those waiting are dropped."""
        with self._changed:
            self._abandoned = True
            self._waiting.clear()
            self._changed.notify_all()

    def __iter__(self) -> Iterator[Item]:
        while True:
            with self._changed:
                while not self._waiting and not self._closed:
                    self._wait()
                if not self._waiting:
                    return
                item = self._waiting.popleft()
                self._changed.notify_all()
            yield item

    def _wait(self) -> None:
        self._changed.wait(timeout=0.2)  # without a timeout Windows does not deliver Ctrl-C
