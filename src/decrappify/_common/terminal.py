"""Output to the standard streams: escaped lines, and repair of streams that are closed or have a limited encoding."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress

import click

from decrappify.errors import printable


def echo(text: object, *, err: bool = False) -> None:
    """Print one line in which control characters of file names, metadata and messages are escaped.

    A closed pipe on standard error is ignored: the result of a command must not depend on whether its warnings are
    read.
    """
    if not err:
        click.echo(printable(text))
        return
    with suppress(OSError, ValueError):  # the latter for a closed file
        click.echo(printable(text), err=True)


def echo_lines(text: str) -> None:
    """Print several lines, each as `echo` does."""
    click.echo("\n".join(map(printable, text.split("\n"))))


def repair_streams() -> None:
    """Open closed standard streams on the null device, and escape characters that their encoding lacks.

    The file descriptor of a closed stream (``2>&-``) is free: the next opened file, such as an output, would otherwise
    be assigned it, and receive everything that libraries write to that stream.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)  # uses the lowest free descriptor, which is this one
            if null != number:
                os.close(null)
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "r+" if number == 0 else "w", encoding="utf-8"))  # noqa: SIM115, PTH123
        elif number and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
