"""Options of `decrappify restore --follow`, and its run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from decrappify.cli.common import describe
from decrappify.cli.log_file import echo_result
from decrappify.errors import InputError


def follow_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a restoration during the acquisition."""
    for option in (
        click.option(
            "--normalization-frames",
            metavar="N",
            type=int,
            help="Measure the normalization on the first N frames instead of all of the movie; 8 with --follow.",
        ),
        click.option(
            "--follow-timeout",
            "timeout_s",
            metavar="S",
            type=float,
            help="With --follow: seconds without a new frame after which the acquisition has ended; 60 by default.",
        ),
        click.option(
            "--follow",
            is_flag=True,
            help="Restore frames while an acquisition appends them to IN (OME-Zarr or a folder with a file per frame).",
        ),
    ):
        command = option(command)
    return command


def check_follow(follow: bool, timeout_s: float | None, refused: dict[str, Any]) -> None:
    """Raise InputError for options that cannot be combined; `refused` has values by option."""
    if not follow and timeout_s is not None:
        raise InputError("--follow-timeout is used by --follow only; add --follow, or omit it")
    for option, value in refused.items() if follow else ():
        if value:
            raise InputError(f"{option} cannot be combined with --follow; omit one of them")


def restore_followed(
    source: Path,
    model: Any,
    output: Path,
    timeout_s: float | None,
    *,
    scene: str | None,
    opening: dict[str, Any],
    quiet: bool,
    run: dict[str, Any],
) -> None:
    """Restore a growing input, and print one line at its end."""
    from decrappify.restoration.follow.api import TIMEOUT_S, follow

    timeout_s = TIMEOUT_S if timeout_s is None else timeout_s
    restored = follow(source, model, output, timeout_s=timeout_s, opening=opening | {"scene": scene}, **run)
    end = f"the acquisition ended {timeout_s:g} s after its last file"
    echo_result(f"{output}: {describe(restored)}; {end}", quiet=quiet)
