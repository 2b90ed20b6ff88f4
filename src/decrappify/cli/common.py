"""Functions shared by several commands: progress bars, opening the input, describing a movie."""

from __future__ import annotations

import logging
import sys
from functools import partial
from pathlib import Path
from typing import Any

import click

from decrappify.errors import InputError


def progress_bars() -> Any:
    """Return tqdm if stderr is a terminal, else None."""
    if not sys.stderr.isatty():
        return None
    from tqdm import tqdm

    return tqdm


def log_status() -> None:
    """Log validation data and length of a training run, and its status once a minute if no progress bar is shown.

    Messages of Fabric on its settings are not shown.
    """
    names = ["decrappify.training.supervised.report", "decrappify.training.adaptation"]
    names += ["decrappify.training.engine.status"] if progress_bars() is None else []
    fabric = [f"lightning_fabric.utilities.{name}" for name in ("rank_zero", "distributed")]
    levels = dict.fromkeys(names, logging.INFO) | dict.fromkeys(fabric, logging.WARNING)
    for name, level in levels.items():
        logger = logging.getLogger(name)
        click.get_current_context().find_root().call_on_close(partial(logger.setLevel, logger.level))
        logger.setLevel(level)


def open_input(source: Path, *, output: Path | None = None, **options: Any) -> Any:
    """Open a movie; raise InputError if the output is the same file."""
    from decrappify.io import open_movie
    from decrappify.io.remote.address import is_address
    from decrappify.io.store.outputs import refuse_remote

    if output is not None:
        refuse_remote(output)
    movie = open_movie(source, **options)
    if output is not None and output.exists() and not is_address(source) and output.samefile(source):
        raise InputError(f"{output} is the input itself; choose another name for the output")
    return movie


def describe(movie: Any) -> str:
    """Return axes, sizes and dtype of a movie as one line."""
    axes = ", ".join(f"{axis} {size}" for axis, size in zip("TCZYX", movie.shape, strict=True))
    return f"{axes}, {movie.dtype}"
