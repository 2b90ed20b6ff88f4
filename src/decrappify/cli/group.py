"""The group of commands: global options, one-line errors and Ctrl-C."""

from __future__ import annotations

import errno
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click

from decrappify._common.argument_names import argument_names
from decrappify._common.checks import similar_names
from decrappify._common.plugins import load_plugin, plugin_line
from decrappify._common.terminal import repair_streams
from decrappify._version import __version__
from decrappify.cli.errors import Interrupted, OneLineError, limit_errors, line_of
from decrappify.cli.log_file import log_result, open_log
from decrappify.cli.messages import OptionNames
from decrappify.cli.options import PATH
from decrappify.errors import DecrappifyError

DESTRUCTIVE = {"--overwrite", "--no-resume"}  # never suggested for a mistyped option
_DEBUG, _VERBOSE, _PLUGINS = "decrappify.debug", "decrappify.verbose", "decrappify.plugins"
_KEPT = {
    "restore": "finished frames, if any, are kept; repeat the command without --no-resume or --overwrite to resume",
    "trust": "finished frames, if any, are kept; repeat the command without --no-resume or --overwrite to resume",
    "intervals": "finished frames, if any, are kept; repeat the command without --no-resume or --overwrite to resume",
    "calibrate-intervals": "no file was written",
    "colorize": "finished images and frames are kept; repeat the command without --no-resume or --overwrite to resume",
    "train": "the last checkpoint, if any, is kept; resume with --resume",
    "adapt": "the last checkpoint, if any, is kept; resume with --resume",
    "benchmark": "no report was written",
    "crappify": "no output was written",
    "import-weights": "no model was written",
    "export": "no file was written",
}
_LONG_VALUE = re.compile(r"'([^']{60})[^']{60,}'|(\S{60})\S{200,}")


class Command(click.Command):
    """A command with the global options."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.params += global_options()
        click.version_option(__version__, prog_name="decrappify")(self)

    def invoke(self, context: click.Context) -> Any:
        """Run the command; messages name its options."""
        with argument_names(OptionNames(context)):
            return super().invoke(context)


class CommandGroup(click.Group):
    """A group whose commands end with one line and exit code 2 for an error of the user, and 130 for Ctrl-C."""

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
        with self._one_line_errors(context), limit_errors(_command_of(context)):
            return super().invoke(context)

    @contextmanager
    def _one_line_errors(self, context: click.Context | None) -> Iterator[None]:
        try:
            yield
        except click.UsageError as error:
            if isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):
                raise  # no command at all: click shows the help
            text = _LONG_VALUE.sub(_shortened, _with_sound_advice(error).format_message().rstrip("."))
            command = _command_path(error.ctx or context)
            raise OneLineError(f"{text}; see '{command} --help'") from error
        except (DecrappifyError, OSError) as error:
            is_debug = context is not None and context.meta.get(_DEBUG)
            if is_debug or getattr(error, "errno", None) == errno.EPIPE:  # the reader, such as `head`, has exited
                raise
            log_result(line_of(error), logging.ERROR)
            raise OneLineError(line_of(error)) from error
        except Exception as error:
            where = plugin_line(error)
            if where is None or (context is not None and context.meta.get(_DEBUG)):
                raise
            raise OneLineError(f"{where}; see the traceback with --debug") from error
        except KeyboardInterrupt as error:
            kept = str(error) or _KEPT.get(_command_of(context))  # a command may state what is kept
            exec("")  # resets a flag that Ctrl-C in exec'd code sets, with which Python would be killed by the signal
            line = "interrupted" if kept is None else f"interrupted; {kept}"
            log_result(line, logging.ERROR)
            raise Interrupted(line) from error


def _with_sound_advice(error: click.UsageError) -> click.UsageError:
    if not isinstance(error, click.NoSuchOption):
        return error
    kept = [option for option in error.possibilities or () if option not in DESTRUCTIVE]
    names = {option.lstrip("-"): option for option in kept}  # equal dashes do not make options similar
    kept = [names[name] for name in similar_names(error.option_name.lstrip("-"), names, max(1, len(names)))]
    return click.NoSuchOption(error.option_name, possibilities=kept, ctx=error.ctx)


def _shortened(found: re.Match[str]) -> str:
    """Return the first characters of a long value, with its quotation marks, if any."""
    return f"'{found[1]}...'" if found[1] else f"{found[2]}..."


def _command_of(context: click.Context | None) -> str:
    return "" if context is None else context.invoked_subcommand or ""


def _command_path(context: click.Context | None) -> str:
    """Return the words that call a command; click's error for an option without a value lacks the command."""
    if context is None:
        return "decrappify"
    return f"{context.command_path} {_command_of(context)}".strip()


def global_options() -> list[click.Parameter]:
    """Return the options that may precede or follow the name of the command."""

    def debug(context: click.Context, _: click.Parameter, value: bool) -> None:
        if value:
            context.meta[_DEBUG] = True

    def verbose(context: click.Context, _: click.Parameter, value: bool) -> None:
        if value and not is_verbose(context):
            context.meta[_VERBOSE] = True
            logger = logging.getLogger("decrappify")
            context.find_root().call_on_close(partial(logger.setLevel, logger.level))
            logger.setLevel(logging.INFO)

    def plugins(context: click.Context, _: click.Parameter, value: tuple[Path, ...]) -> None:
        for path in value:
            load_plugin(path)
        context.meta[_PLUGINS] = (*plugins_of(context), *value)

    shared: dict[str, Any] = {"is_flag": True, "expose_value": False}

    def log_file(context: click.Context, _: click.Parameter, value: Path | None) -> None:
        if value is not None:
            open_log(value, context)

    return [
        click.Option(["--debug"], callback=debug, help="Show the traceback of an error.", **shared),
        click.Option(
            ["--verbose"],
            callback=verbose,
            help="Log the chosen device, backend, tile size and precision.",
            **shared,
        ),
        click.Option(
            ["--log-file"],
            metavar="FILE",
            type=PATH,
            expose_value=False,
            callback=log_file,
            help="File to which all messages, results and errors are appended, with their times.",
        ),
        click.Option(
            ["--plugin"],
            metavar="FILE",
            type=PATH,
            multiple=True,
            expose_value=False,
            callback=plugins,
            help="Python file to run that registers crappifier parts, losses, metrics or networks; may be repeated.",
        ),
    ]


def plugins_of(context: click.Context) -> tuple[Path, ...]:
    """Return the files of ``--plugin``."""
    return tuple(context.meta.get(_PLUGINS, ()))


def is_verbose(context: click.Context) -> bool:
    """Return whether ``--verbose`` was parsed already."""
    return bool(context.meta.get(_VERBOSE))
