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
@input_options
@click.option("--overwrite", is_flag=True, help="Replace the map.")
@NO_RESUME
def trust(
    result: Path,
    source: Path,
    output: Path | None,
    noise: Path | None,
    spot_px: float,
    overwrite: bool,
    no_resume: bool,
    **options: Any,
) -> None:
    """Compare RESULT, restored from the movie IN, with IN: what the data confirm, cannot test, or contradict.

    The map is written to RESULT_trust, and a summary is shown. If interrupted, rerun the same command to resume.
    """
    from decrappify.trust import trust_map, trust_path

    place = trust_path(result) if output is None else output
    movie = open_input(source, output=place, **options)
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
