"""`decrappify calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from decrappify._common.terminal import echo, echo_lines
from decrappify.cli.common import describe, open_input
from decrappify.cli.group import Command
from decrappify.cli.options import PATH, input_options


@click.command(cls=Command)
@click.argument("low", metavar="LOW", type=PATH)
@click.option("--dark", type=PATH, help="Frames recorded without light, at the same settings.")
@click.option(
    "--high",
    type=PATH,
    multiple=True,
    help="Good images of the same kind of specimen, for the blur and the scale factor; repeat it for several files.",
)
@click.option("-o", "--output", type=PATH, help="File (.toml) for the noise model.")
@click.option("--report", type=PATH, help="File (.html) for a report with plots.")
@input_options
@click.option("--overwrite", is_flag=True, help="Replace the outputs.")
def calibrate(
    low: Path,
    dark: Path | None,
    high: tuple[Path, ...],
    output: Path | None,
    report: Path | None,
    overwrite: bool,
    **options: Any,
) -> None:
    """Measure the noise of a microscope from the raw movie LOW, and show it as a table."""
    from decrappify.io.store.outputs import refuse_overlap
    from decrappify.io.store.reports import check_report
    from decrappify.noise import calibrate as measure
    from decrappify.noise.files import check_output

    if output is not None:
        check_output(output, overwrite=overwrite)
    if report is not None:
        check_report(report, overwrite=overwrite)
        refuse_overlap(report, low, *high, *([] if dark is None else [dark]))
    movie = open_input(low, output=output, **options)
    result = measure(movie, list(high) or None, dark=dark, channel=options["channel"])
    echo(f"{low}: {describe(movie)}")
    echo_lines(result.table())
    if output is not None:
        echo(f"{result.save(output, overwrite=overwrite)}: written")
    if report is not None:
        echo(f"{result.report(report, overwrite=overwrite)}: written")
