"""Options and output of commands with many inputs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from decrappify._common.counting import counted
from decrappify._common.terminal import echo
from decrappify.cli.log_file import echo_result, log_result
from decrappify.cli.options import PATH
from decrappify.errors import InputError

if TYPE_CHECKING:
    from decrappify.batch import Row, Source, Summary

RECURSIVE = click.option("--recursive", is_flag=True, help="Also search the folders in folders.")

OUTPUT_DIR = click.option(
    "--output-dir", metavar="DIR", type=PATH, help="Folder for the outputs of all inputs; created if missing."
)


def batch_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a run with many inputs."""
    for option in (
        click.option(
            "--quiet", is_flag=True, help="Show errors and warnings only: no progress bars and no line per output."
        ),
        click.option(
            "--summary", metavar="FILE", type=PATH, help="With --output-dir: table of all outputs (.csv or .json)."
        ),
        click.option(
            "--dry-run",
            is_flag=True,
            help="With --output-dir: list the outputs with estimates of time and disk space, and write nothing.",
        ),
        click.option(
            "--name",
            metavar="TEMPLATE",
            help="With --output-dir: names of the outputs, such as '{stem}_restored.ome.tif', with {stem}, {name}, "
            "{folder}, {scene} and {scene_number}; {stem}.ome.zarr by default.",
        ),
        RECURSIVE,
        OUTPUT_DIR,
    ):
        command = option(command)
    return command


def single_paths(paths: Sequence[Path], batch: dict[str, Any]) -> tuple[Path, Path]:
    """Return IN and OUT of a command without --output-dir.

    Raises
    ------
    click.UsageError
        If there are not two paths.
    InputError
        If an option needs --output-dir.
    """
    if len(paths) < 2:
        raise click.UsageError(f"Missing argument '{'OUT' if paths else 'IN'}'.", click.get_current_context())
    for name, value in batch.items():
        if value:
            raise InputError(f"--{name.replace('_', '-')} is for many inputs; add --output-dir DIR, or omit it")
    if len(paths) > 2:
        raise click.UsageError(
            f"Expected IN and OUT, found {len(paths)} paths; add --output-dir DIR if all are inputs",
            click.get_current_context(),
        )
    return paths[0], paths[1]


def only_input(paths: Sequence[Path], *, recursive: bool = False) -> Path:
    """Return the input of a command without --output-dir.

    Raises
    ------
    click.UsageError
        If there are several.
    InputError
        If an option needs --output-dir.
    """
    if len(paths) > 1:
        raise click.UsageError(
            f"Expected one input, found {len(paths)}; add --output-dir DIR for all of them", click.get_current_context()
        )
    if recursive:
        raise InputError("--recursive is for many inputs; add --output-dir DIR, or omit it")
    return paths[0]


def found_sources(
    words: Sequence[Path], output_dir: Path | None, *, recursive: bool, folder_as: str = "auto"
) -> list[Source]:
    """Return the recordings of files, folders and patterns, and show what is skipped."""
    from decrappify.batch import find_sources

    show_batch_messages()
    return find_sources(words, recursive=recursive, folder_as=folder_as, excluded=output_dir)


def show_batch_messages() -> None:
    """Show which files and outputs are skipped, and the number and size of the outputs."""
    for name in ("decrappify.batch.inputs", "decrappify.batch.api", "decrappify.batch.run"):
        logger = logging.getLogger(name)
        level = logger.level
        click.get_current_context().find_root().call_on_close(lambda logger=logger, level=level: logger.setLevel(level))
        logger.setLevel(logging.INFO)


def echo_row(row: Row, *, quiet: bool) -> None:
    """Print the line of one output: an error to standard error, other lines if not quiet."""
    if row.error:
        log_result(row.line(), logging.ERROR)
        echo(f"decrappify: {row.line()}", err=True)
        return
    echo_result(row.line(), quiet=quiet)


def finish(summary: Summary, path: Path | None, *, quiet: bool, dry_run: bool = False) -> None:
    """Print the number of outputs by status.

    Raises
    ------
    InputError
        If outputs are not complete, or cannot be written in a dry run.
    """
    from decrappify.batch.estimate import disk_bytes
    from decrappify.batch.summary import FAILED, FINISHED, duration, size_text

    text = summary.text()
    failed = [row for row in summary if row.status == FAILED] if dry_run else summary.failed
    if dry_run:
        planned = [row for row in summary if row.status not in (FAILED, FINISHED)]
        seconds = sum(row.seconds or 0.0 for row in planned)
        n_bytes = sum(disk_bytes(Path(row.output), round(1e6 * (row.megabytes or 0.0)))[0] for row in planned)
        text += f"; about {duration(seconds)}, up to {size_text(n_bytes)}"
    if path is not None:
        text += f"; {path}"
    if failed:
        what = "cannot be restored" if dry_run else f"{'is' if len(failed) == 1 else 'are'} not complete"
        raise InputError(f"{len(failed)} of {counted(len(summary), 'output')} {what} ({text}); see above")
    echo_result(text, quiet=quiet)


def parse_models(models: Sequence[str]) -> Any:
    """Return the model, a mapping of channels to models, or a list of models, from the values of ``--model``.

    ``CHANNEL=MODEL`` names a channel, unless it is the path of a file.

    >>> parse_models(["a"]), parse_models(["a", "b"]), parse_models(["GFP=a", "DAPI=b", "c"])
    ('a', ['a', 'b'], {'GFP': ['a'], 'DAPI': ['b'], '*': ['c']})
    """
    entries = [_entry(text) for text in models]
    if all(channel == "*" for channel, _ in entries):
        return models[0] if len(models) == 1 else [model for _, model in entries]
    chosen: dict[str, list[str]] = {}
    for channel, model in entries:
        chosen.setdefault(channel, []).append(model)
    return chosen


def _entry(text: str) -> tuple[str, str]:
    """Split ``CHANNEL=MODEL`` at the sign that is followed by a model, as channels and paths may contain it."""
    from decrappify.model import named_models

    if "=" not in text or Path(text).is_file():
        return "*", text
    parts = text.split("=")
    for number in range(1, len(parts)):
        channel, model = "=".join(parts[:number]), "=".join(parts[number:])
        if model in named_models() or Path(model).is_file():
            return channel or "*", model
    return parts[0] or "*", "=".join(parts[1:])
