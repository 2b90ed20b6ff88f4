"""Warnings that the library logs during a job, which users of the widgets do not see in a terminal."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _Notes(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []
        self._job = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a warning of the own thread; other widgets may run jobs at the same time."""
        line = record.getMessage()
        if record.thread == self._job and line not in self.lines:
            self.lines.append(line)


@contextmanager
def logged_warnings() -> Iterator[list[str]]:
    """Collect the warnings that this thread logs within the context, each once; they are also logged as usual."""
    notes, logger = _Notes(), logging.getLogger("decrappify")
    logger.addHandler(notes)
    try:
        yield notes.lines
    finally:
        logger.removeHandler(notes)
