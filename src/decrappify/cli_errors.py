"""Errors and messages on the command line: one line each, exit codes, and advice in the options of the command."""

from __future__ import annotations

import errno
import logging
import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import IO, Any

import click

from decrappify._version import __version__
from decrappify.errors import DecrappifyError, printable
from decrappify.limits.reached import raise_if_limit  # not when it is needed: an import takes memory
from decrappify.terminal import echo, repair_streams

DESTRUCTIVE = {"--overwrite", "--no-resume"}  # never suggested for a mistyped option
_DEBUG, _VERBOSE = "decrappify.debug", "decrappify.verbose"
_KEPT = {
    "restore": "the finished frames are kept; repeat the command without --no-resume or --overwrite to resume",
    "colorize": "what is finished is kept; repeat the command without --no-resume or --overwrite to resume",
    "train": "the last checkpoint is kept, if there was one; resume with --resume",
    "benchmark": "no report was written",
    "crappify": "no output was written",
    "import-weights": "no model was written",
}
_LONG_VALUE = re.compile(r"'([^']{60})[^']{60,}'")
_VALUE = r"(?:'([^']*)'|(True|False|-?[\d.]+))"


class OneLineError(click.ClickException):
    """An error as one line on stderr, with exit code 2."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the line."""
        echo(f"decrappify: {' '.join(self.message.split())}", err=True)


class Interrupted(OneLineError):
    """Ctrl-C, with the exit code that shells expect of it."""

    exit_code = 130


class Command(click.Command):
    """A command that takes the global options too."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.params += global_options()
        click.version_option(__version__, prog_name="decrappify")(self)


class CommandGroup(click.Group):
    """Turns every error that a user can cause into one line and exit code 2, and Ctrl-C into one with 130."""

    command_class = Command

    def main(self, *args: Any, **options: Any) -> Any:
        """Run the command line."""
        repair_streams()
        return super().main(*args, **options)

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Parse the options before the command."""
        with self._one_line_errors(None):
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, context: click.Context) -> Any:
        """Run the command."""
        with self._one_line_errors(context), _limit_errors(_command_of(context)):
            return super().invoke(context)

    @contextmanager
    def _one_line_errors(self, context: click.Context | None) -> Iterator[None]:
        try:
            yield
        except click.UsageError as error:
            if isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):
                raise  # no command at all: click shows the help
            text = _LONG_VALUE.sub(r"'\1...'", _without_destructive_advice(error).format_message().rstrip("."))
            command = _command_path(error.ctx or context)
            raise OneLineError(f"{text}; see '{command} --help'") from error
        except (DecrappifyError, OSError) as error:
            is_debug = context is not None and context.meta.get(_DEBUG)
            if is_debug or getattr(error, "errno", None) == errno.EPIPE:  # a reader such as `head` has left
                raise
            raise OneLineError(
                with_options(_line_of(error), flags_of(self.commands.get(_command_of(context))))
            ) from error
        except KeyboardInterrupt as error:
            kept = str(error) or _KEPT.get(_command_of(context))  # a command may state what is true at that moment
            exec("")  # resets a flag, set by Ctrl-C in code of a string, with which Python would die of the signal
            raise Interrupted("interrupted" if kept is None else f"interrupted; {kept}") from error


def _line_of(error: DecrappifyError | OSError) -> str:
    """Return the message of an error; of the system's own, the file and the reason without its number."""
    if isinstance(error, DecrappifyError) or not error.strerror:
        return str(DecrappifyError(error))
    return str(DecrappifyError(f"{error.filename}: {error.strerror}" if error.filename else error.strerror))


@contextmanager
def _limit_errors(command: str) -> Iterator[None]:
    """Turn errors for memory and threads into one line, wherever they arise; see `decrappify.limits.reached`."""
    try:
        yield
    except (MemoryError, RuntimeError, ImportError) as error:
        raise_if_limit(error, f"running {command or 'the command'}")
        raise


def _without_destructive_advice(error: click.UsageError) -> click.UsageError:
    if not isinstance(error, click.NoSuchOption):
        return error
    kept = [option for option in error.possibilities or () if option not in DESTRUCTIVE]
    return click.NoSuchOption(error.option_name, possibilities=kept, ctx=error.ctx)


def _command_of(context: click.Context | None) -> str:
    return "" if context is None else context.invoked_subcommand or ""


def _command_path(context: click.Context | None) -> str:
    """Return the words that call a command; click's error of an option without its value does not know them."""
    if context is None:
        return "decrappify"
    return f"{context.command_path} {_command_of(context)}".strip()


class OptionFormatter(logging.Formatter):
    """Formats a log record as one line of the command line."""

    def __init__(self, flags: Mapping[str, str]) -> None:
        super().__init__("decrappify: %(message)s")
        self._flags = flags

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return printable(with_options(super().format(record), self._flags))


def global_options() -> list[click.Parameter]:
    """Make the options that stand before or after the command."""

    def debug(context: click.Context, _: click.Parameter, value: bool) -> None:
        if value:
            context.meta[_DEBUG] = True

    def verbose(context: click.Context, _: click.Parameter, value: bool) -> None:
        if value and not is_verbose(context):
            context.meta[_VERBOSE] = True
            logger = logging.getLogger("decrappify")
            context.find_root().call_on_close(partial(logger.setLevel, logger.level))
            logger.setLevel(logging.INFO)

    shared: dict[str, Any] = {"is_flag": True, "expose_value": False}
    return [
        click.Option(["--debug"], callback=debug, help="Show the traceback of an error.", **shared),
        click.Option(
            ["--verbose"],
            callback=verbose,
            help="Log the chosen device, backend, tiling and precision.",
            **shared,
        ),
    ]


def is_verbose(context: click.Context) -> bool:
    """Whether ``--verbose`` was given so far."""
    return bool(context.meta.get(_VERBOSE))


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
