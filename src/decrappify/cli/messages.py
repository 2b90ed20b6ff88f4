"""Messages of the library, with its arguments written as the options of a command."""

from __future__ import annotations

import logging
import re
import shlex
from collections.abc import Mapping

import click

from decrappify.errors import printable

_VALUE = r"(?:'([^']*)'|(True|False|-?[\d.]+))"


class OptionFormatter(logging.Formatter):
    """Formatter of a log record as one line of the command line."""

    def __init__(self, flags: Mapping[str, str]) -> None:
        super().__init__("decrappify: %(message)s")
        self._flags = flags

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return printable(with_options(super().format(record), self._flags))


def flags_of(command: click.Command | None) -> dict[str, str]:
    """Return the option of each argument of a command, such as ``--as`` of ``folder_as``."""
    options = [] if command is None else [one for one in command.params if isinstance(one, click.Option)]
    return {option.name or "": option.opts[0] for option in options}


def with_options(message: str, flags: Mapping[str, str]) -> str:
    """Return a message of the library with arguments written as the options of the command.

    Examples
    --------
    >>> with_options("pass nan='fill' (--nan fill) or repair the file", {"nan": "--nan"})
    'pass --nan fill or repair the file'
    >>> with_options("pass resume (--resume), or overwrite=True (--overwrite)", {"overwrite": "--overwrite"})
    'pass --resume, or --overwrite'
    """

    def option(found: re.Match[str]) -> str:
        name, text, plain = found.groups()
        if name not in flags:
            return found[0]
        return flags[name] if plain == "True" else f"{flags[name]} {shlex.quote(text) if plain is None else plain}"

    def python_form(found: re.Match[str]) -> str:
        advice, name, value, flag, rest, otherwise = found.group(1, 2, 3, 6, 7, 8)
        if value is None and name.replace("_", "-") != flag.removeprefix("--"):
            return found[0]  # something else in front of an option
        if advice and otherwise and flags and flag not in flags.values():
            return ""  # this command does not have the option, so only the other advice can be followed
        return f"{advice or ''}{flag}{rest or ''}{otherwise or ''}"

    message = re.sub(rf"\b((?:pass|use) )?(\w+)(={_VALUE})? \((--[\w-]+)( [^()]*)?\)( or )?", python_form, message)
    return re.sub(rf"\b(\w+)={_VALUE}", option, message)
