"""The `decrappify` command: global options, logging and the commands."""

from __future__ import annotations

import atexit
import gc
import logging
import warnings
from functools import partial
from typing import Any

import click

from decrappify._common.processes.launch import present_launch
from decrappify._common.terminal import echo
from decrappify._version import __version__
from decrappify.cli.commands.benchmark import benchmark
from decrappify.cli.commands.colorize import colorize
from decrappify.cli.commands.demo import demo
from decrappify.cli.commands.listing import models, presets
from decrappify.cli.commands.restoration.check import check
from decrappify.cli.commands.restoration.info import info
from decrappify.cli.commands.restoration.intervals import calibrate_intervals, intervals
from decrappify.cli.commands.restoration.restore import restore
from decrappify.cli.commands.restoration.trust import trust
from decrappify.cli.commands.training.adapt import adapt
from decrappify.cli.commands.training.calibrate import calibrate
from decrappify.cli.commands.training.crappify import crappify
from decrappify.cli.commands.training.export import export
from decrappify.cli.commands.training.import_weights import import_weights
from decrappify.cli.commands.training.train import train
from decrappify.cli.group import CommandGroup, global_options, is_verbose
from decrappify.cli.log_file import has_log, is_shown, log_result
from decrappify.cli.messages import LineFormatter

_SILENT = logging.NullHandler()

# When the process ends, Python searches all objects for cycles twice, which with those of torch takes a few percent of
# the CPU time of a short command.
atexit.register(gc.freeze)


class _Once(logging.Filter):
    """A filter that drops repeated messages, such as the classification of a folder for each of its scenes."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        is_new = record.getMessage() not in self._shown
        self._shown.add(record.getMessage())
        return is_new


@click.group(
    cls=CommandGroup,
    params=global_options(),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, prog_name="decrappify")
@click.pass_context
def main(context: click.Context) -> None:
    """Restore microscopy images and movies; train models on deliberately degraded images."""
    handler = logging.StreamHandler()
    handler.setFormatter(LineFormatter())
    logger = logging.getLogger("decrappify")
    if not is_verbose(context) and not has_log():
        context.call_on_close(partial(logger.setLevel, logger.level))
        logger.setLevel(logging.WARNING)
    logger.addHandler(handler)
    folders = logging.getLogger("decrappify.io.folders.folder")  # the classification of a folder is always shown
    context.call_on_close(partial(folders.setLevel, folders.level))
    folders.setLevel(logging.INFO)
    is_first = present_launch().rank == 0  # of the processes started by torchrun, which have the same messages
    handler.addFilter(lambda record: is_first or record.levelno >= logging.ERROR)
    handler.addFilter(lambda record: is_shown(record, verbose=is_verbose(context)))
    handler.addFilter(_Once())
    # Errors of damaged files and abandoned reads are also raised, in one line; asyncio states the latter at the exit.
    logging.getLogger("asyncio").addHandler(_SILENT)
    library = logging.getLogger("tifffile")
    library.addHandler(_SILENT)
    context.call_on_close(partial(library.removeHandler, _SILENT))
    context.call_on_close(partial(logger.removeHandler, handler))
    context.with_resource(warnings.catch_warnings())
    warnings.simplefilter("always", UserWarning)
    shown: set[str] = set()  # each warning once, also if every scene of a file repeats it

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        if is_first and str(message) not in shown:
            shown.add(str(message))
            echo(f"decrappify: {message}", err=True)
            log_result(message, logging.WARNING)

    warnings.showwarning = show


COMMANDS = [
    check,
    restore,
    trust,
    intervals,
    crappify,
    calibrate,
    calibrate_intervals,
    train,
    adapt,
    colorize,
    import_weights,
    export,
    benchmark,
    models,
    presets,
    info,
    demo,
]
for command in COMMANDS:
    main.add_command(command)
