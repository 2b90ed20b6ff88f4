"""Errors of the command line: one line on stderr and an exit code."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import click

from decrappify._common.processes.launch import present_launch
from decrappify._common.terminal import echo
from decrappify.errors import Cancelled, DecrappifyError
from decrappify.limits.reached import raise_if_limit  # at the start: an import takes memory


class OneLineError(click.ClickException):
    """An error as one line on stderr, with exit code 2."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the line, with the number of the process if torchrun started several and it is not the first."""
        launch = present_launch()
        which = f"process {launch.rank + 1} of {launch.n_processes}: " if launch.rank > 0 else ""
        echo(f"decrappify: {which}{' '.join(self.message.split())}", err=True)


class Interrupted(OneLineError):
    """Ctrl-C, with the exit code that shells expect."""

    exit_code = 130

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the line, once for all processes that torchrun started."""
        if present_launch().rank == 0:
            super().show(file)


class Terminated(Interrupted):
    """SIGTERM, with the exit code that shells expect."""

    exit_code = 143


@contextmanager
def stopped_by_signals() -> Iterator[threading.Event]:
    """Yield the event that stops a training run, and set it at SIGTERM, which clusters send before they end a job.

    The error of the stopped run then becomes Terminated; a second SIGTERM ends the process immediately. After Ctrl-C,
    Cancelled, which a run raises that was stopped before its first step, becomes KeyboardInterrupt.
    """
    cancel, terminated = threading.Event(), threading.Event()

    def request(*_: Any) -> None:
        terminated.set()
        cancel.set()
        signal.signal(signal.SIGTERM, previous)

    previous = signal.signal(signal.SIGTERM, request)
    try:
        yield cancel
    except Cancelled as error:
        if terminated.is_set():
            raise Terminated(f"terminated; {error}") from error
        raise KeyboardInterrupt(str(error)) from error
    except Interrupted as error:
        if terminated.is_set():
            raise Terminated(error.message) from error
        raise
    finally:
        signal.signal(signal.SIGTERM, previous)


def line_of(error: DecrappifyError | OSError) -> str:
    """Return the message of an error; for errors of the system, file and reason without the error number."""
    if isinstance(error, DecrappifyError) or not error.strerror:
        return str(DecrappifyError(error))
    return str(DecrappifyError(f"{error.filename}: {error.strerror}" if error.filename else error.strerror))


@contextmanager
def limit_errors(command: str) -> Iterator[None]:
    """Convert errors about memory and threads to one line; see `decrappify.limits.reached`."""
    try:
        yield
    except (MemoryError, RuntimeError, ImportError) as error:
        raise_if_limit(error, f"running {command or 'the command'}")
        raise
