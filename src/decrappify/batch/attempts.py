"""Work on one input of a run: its errors and warnings become a row of the summary."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from decrappify.batch.summary import IN_PROGRESS, Row
from decrappify.errors import Cancelled, DecrappifyError, OutputInUseError

_MOST_WARNINGS = 20  # of one output in the summary


def attempt(row: Row, work: Callable[[Row], Row], *, timed: bool = True) -> tuple[Row, DecrappifyError | None]:
    """Call the work on an output; an error of it becomes part of the row.

    An output that another process is writing is not an error; the row has a note on that process.

    Parameters
    ----------
    row : Row
        The row of the output, with the status that it keeps if the work raises an error.
    work : callable
        Returns the row with its status.
    timed : bool
        Whether the row gets the time of the call.

    Returns
    -------
    row : Row
        With the status, the error, the warnings, and the time in seconds.
    error : DecrappifyError or None
        The error of the work.

    Raises
    ------
    Cancelled
        If the work was cancelled.
    """
    started = time.monotonic()
    error: DecrappifyError | None = None
    with collected_warnings() as notes:
        try:
            row = work(row)
        except Cancelled:
            raise
        except OutputInUseError as failure:
            error = failure
            row = replace(row, status=IN_PROGRESS)
            notes.append(str(error))
        except DecrappifyError as failure:
            error = failure
            row = replace(row, error=str(error))
    has_time = timed and row.status != IN_PROGRESS
    seconds = round(time.monotonic() - started, 2) if has_time else row.seconds
    return replace(row, seconds=seconds, warnings="; ".join(notes[:_MOST_WARNINGS])), error


@contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """Collect the warnings within the context, each once; they are also shown as usual."""
    found: dict[str, None] = {}
    notes: list[str] = []

    def note(text: str) -> None:
        if text not in found:
            found[text] = None
            notes.append(text)

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            note(record.getMessage())

    handler, package = Collector(logging.WARNING), logging.getLogger("decrappify")
    package.addHandler(handler)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", UserWarning)
            shown = warnings.showwarning

            def show(message: Warning | str, *arguments: Any, **named: Any) -> None:
                note(str(message))
                shown(message, *arguments, **named)

            warnings.showwarning = show
            yield notes
    finally:
        package.removeHandler(handler)
