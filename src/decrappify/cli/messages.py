"""Messages of the library on the command line: arguments are named as options of the command."""

from __future__ import annotations

import logging
import shlex

import click
from click.core import ParameterSource

from decrappify._common.argument_names import ArgumentNames
from decrappify.errors import printable


class LineFormatter(logging.Formatter):
    """Formatter of a log record as one line of the command line."""

    def __init__(self) -> None:
        super().__init__("decrappify: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return printable(super().format(record))


class OptionNames(ArgumentNames):
    """Names of arguments as options of a command, such as ``--as`` for ``folder_as``.

    Examples
    --------
    >>> from decrappify.cli.main import main
    >>> names = OptionNames(click.Context(main.commands["restore"]))
    >>> names.setting("nan", "fill"), names.setting("overwrite", True), names.setting("resume", False)
    ('--nan fill', '--overwrite', '--no-resume')
    >>> names.setting("levels", "fit"), names.has("levels", "fit")
    ("levels='fit' in Python", False)
    """

    def __init__(self, context: click.Context) -> None:
        self._context = context
        self._options = {
            option.name: option for option in context.command.params if isinstance(option, click.Option) and option.name
        }

    def argument(self, name: str) -> str:
        """Return the option if it was on the command line, else the name in Python, which is the key in a run file."""
        option = self._options.get(name)
        given = self._context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        return option.opts[0] if option is not None and given else name

    def setting(self, name: str, value: object) -> str:
        """Return the option with the value, or the setting in Python if the command does not have the option."""
        option = self._option(name, value)
        if option is None:
            return f"{super().setting(name, value)} in Python"
        return option.opts[0] if option.is_flag else f"{option.opts[0]} {shlex.quote(str(value))}"

    def has(self, name: str, value: object) -> bool:
        """Return whether the command has the option."""
        return self._option(name, value) is not None

    def _option(self, name: str, value: object) -> click.Option | None:
        return self._options.get(f"no_{name}" if value is False else name)
