"""`decrappify trust`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from decrappify._common.terminal import echo
from decrappify.cli.common import open_input, progress_bars
from decrappify.cli.group import Command
from decrappify.cli.options import NO_RESUME, NOISE, PATH, input_options


@click.command(cls=Command)
@click.argument("result", metavar="RESULT", type=PATH)
@click.argument("source", metavar="IN", type=PATH)
@click.option("-o", "--output", type=PATH, help="Map (.ome.zarr or .ome.tif); by default RESULT_trust.")
@NOISE
@click.option(
    "--spot-px", type=float, default=1.0, show_default=True, help="Sigma of the smallest spot (the PSF) in pixels."
)
@click.option("--report", type=PATH, help="File (.html) for a report with images, plots and a table of contradictions.")
@input_options
@click.option("--overwrite", is_flag=True, help="Replace the map and the report.")
@NO_RESUME
def trust(
    result: Path,
    source: Path,
    output: Path | None,
    noise: Path | None,
    spot_px: float,
    report: Path | None,
    overwrite: bool,
    no_resume: bool,
    **options: Any,
) -> None:
    """Compare RESULT, restored from the movie IN, with IN: what the data confirm, cannot test, or contradict.

    The map is written to RESULT_trust, and a summary is shown. If it is finished, --report reads it. If interrupted,
    rerun the same command to resume.
    """
    from decrappify.io.store.outputs import refuse_overlap
    from decrappify.noise.files import check_report
    from decrappify.trust import open_trust_map, trust_map, trust_path

    place = trust_path(result) if output is None else output
    if report is not None:
        check_report(report, overwrite=overwrite)
        refuse_overlap(report, result, source, place)
    movie = open_input(source, output=place, **options)
    if report is not None and place.exists() and not overwrite:
        found = open_trust_map(place, movie, result)
    else:
        found = trust_map(
            movie,
            result,
            noise,
            place,
            spot_px=spot_px,
            overwrite=overwrite,
            resume=not no_resume,
            progress=progress_bars(),
        )
    echo(f"{place}: {found.summary}")
    if report is not None:
        echo(f"{found.report(report, overwrite=overwrite, progress=progress_bars())}: written")
