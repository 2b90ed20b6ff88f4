"""`decrappify check`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from decrappify._common.terminal import echo, echo_lines
from decrappify.cli.common import describe, open_input, progress_bars
from decrappify.cli.group import Command
from decrappify.cli.options import PATH, WINDOW_AXIS, device_options, input_options, taken


@click.command(cls=Command)
@click.argument("movie", metavar="MOVIE", type=PATH)
@click.option("--model", default="fluorescence-movie", show_default=True, help="Shipped model, or a model file.")
@click.option("--noise", type=PATH, help="File (.toml) of `calibrate`; measured on MOVIE by default.")
@click.option("--report", type=PATH, help="File (.html) for a report with images.")
@WINDOW_AXIS
@input_options
@device_options
@click.option("--overwrite", is_flag=True, help="Replace the report.")
def check(
    movie: Path,
    model: str,
    noise: Path | None,
    report: Path | None,
    window_axis: str,
    overwrite: bool,
    **settings: Any,
) -> None:
    """Check whether a model suits the raw movie MOVIE, before it is used; no clean images are needed.

    Photons of the movie are split in two parts: one is restored and compared with the other one, which has independent
    noise. The last line is the verdict; the exit code is 0, whatever it is.
    """
    from decrappify.checking import check as check_movie
    from decrappify.inference.options import InferenceOptions
    from decrappify.io.store.outputs import refuse_overlap
    from decrappify.io.store.reports import check_report

    if report is not None:
        check_report(report, overwrite=overwrite)
        refuse_overlap(report, movie)
    inference = taken(InferenceOptions, settings)
    opened = open_input(movie, **settings)
    result = check_movie(opened, model, noise, window_axis=window_axis, inference=inference, progress=progress_bars())
    echo(f"{movie}: {describe(opened)}")
    echo_lines(result.text())
    if report is not None:
        echo(f"{result.report(report, overwrite=overwrite)}: written")
