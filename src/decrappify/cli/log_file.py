"""Log file of a command: messages, warnings, results and errors with their times."""

from __future__ import annotations

import logging
import shlex
import sys
from functools import partial
from pathlib import Path

import click

from decrappify._common.processes.launch import present_launch
from decrappify._common.terminal import echo
from decrappify.errors import OutputError, printable, without_secrets

_RESULTS = "decrappify.log_file"  # lines of standard output and errors, for the file only


class _TimedLine(logging.Formatter):
    """Formatter of a record as one line with its time and level."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%d %H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return printable(super().format(record))


def open_log(path: Path, context: click.Context) -> None:
    """Append all messages of the package to a file until the command ends.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    if present_launch().rank > 0:  # the first process writes the file
        return
    try:
        handler = logging.FileHandler(path, "a", encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}; choose another log file") from error
    handler.setFormatter(_TimedLine())
    handler.setLevel(logging.INFO)
    package, results = logging.getLogger("decrappify"), logging.getLogger(_RESULTS)
    root = context.find_root()
    root.call_on_close(partial(setattr, results, "propagate", results.propagate))
    results.propagate = False
    for logger in (package, results):
        root.call_on_close(partial(logger.setLevel, logger.level))
        root.call_on_close(partial(logger.removeHandler, handler))
        logger.setLevel(logging.INFO)
        logger.addHandler(handler)
    root.call_on_close(handler.close)
    log_result(without_secrets(shlex.join(["decrappify", *sys.argv[1:]])))


def log_result(text: object, level: int = logging.INFO) -> None:
    """Write a line to the log file, if there is one."""
    if has_log():
        logging.getLogger(_RESULTS).log(level, "%s", text)


def echo_result(text: object, *, quiet: bool = False) -> None:
    """Write a line of the result to the log file, and print it if not quiet."""
    log_result(text)
    if not quiet:
        echo(text)


def has_log() -> bool:
    """Return whether there is a log file."""
    return bool(logging.getLogger(_RESULTS).handlers)


def is_shown(record: logging.LogRecord, *, verbose: bool) -> bool:
    """Return whether a message is shown in the terminal: warnings, with ``--verbose`` all, and those of chosen modules.

    Modules are chosen by a level of their logger. The level of the package itself is that of the log file.
    """
    name = record.name
    while name.startswith("decrappify."):
        level = logging.getLogger(name).level
        if level:
            return record.levelno >= level
        name = name.rpartition(".")[0]
    return verbose or record.levelno >= logging.WARNING
