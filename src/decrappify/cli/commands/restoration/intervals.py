"""`decrappify calibrate-intervals` and `decrappify intervals`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from decrappify._common.terminal import echo
from decrappify.cli.common import open_input, progress_bars
from decrappify.cli.group import Command
from decrappify.cli.options import FOLDER_AS, NO_RESUME, PATH, UNRELATED, input_options, taken


@click.command("calibrate-intervals", cls=Command)
@click.argument("low", metavar="LOW", type=PATH)
@click.argument("high", metavar="[HIGH]", required=False, type=PATH)
@click.option("--model", required=True, help="A shipped model (see `decrappify models`) or a .safetensors file.")
@click.option("-o", "--output", type=PATH, required=True, help="File (.toml) for the intervals.")
@click.option(
    "--level",
    type=float,
    default=0.9,
    show_default=True,
    help="Coverage: share of the pixels of which the interval contains the reference, 0.5 to 0.99.",
)
@click.option(
    "--levels",
    type=click.Choice(["auto", "same", "fit"]),
    default="auto",
    show_default=True,
    help="Gray levels of LOW and HIGH: same; fit: every reference is fitted to its result first, as for a long "
    "exposure; auto: fit if they differ.",
)
@UNRELATED
@FOLDER_AS
@click.option("--device", default="auto", show_default=True, help="Device: auto, cpu, cuda or mps.")
@click.option("--overwrite", is_flag=True, help="Replace the file.")
def calibrate_intervals(
    low: Path, high: Path | None, model: str, output: Path, level: float, overwrite: bool, **settings: Any
) -> None:
    """Calibrate intervals of a model on pairs of at least 10 fields of view, for `decrappify intervals`.

    LOW and HIGH are two folders with images or movies of the same names, raw and of high quality; LOW alone is a folder
    with low/ and high/.
    """
    from decrappify.benchmarking import BenchmarkOptions
    from decrappify.benchmarking import calibrate_intervals as calibrate
    from decrappify.inference.options import InferenceOptions
    from decrappify.trust.intervals.files import check_output

    check_output(output, overwrite=overwrite)
    pairs: Any = low if high is None else (low, high)
    inference, options = taken(InferenceOptions, settings), taken(BenchmarkOptions, settings)
    found = calibrate(model, pairs, level=level, options=options, inference=inference, progress=progress_bars())
    echo(f"{found.save(output, overwrite=overwrite)}: {found.describe()}")


@click.command(cls=Command)
@click.argument("result", metavar="RESULT", type=PATH)
@click.argument("source", metavar="IN", type=PATH)
@click.option(
    "--intervals", "calibrated", type=PATH, required=True, help="File (.toml) that `calibrate-intervals` wrote."
)
@click.option("-o", "--output", type=PATH, help="Bounds (.ome.zarr or .ome.tif); by default RESULT_intervals.")
@input_options
@click.option("--overwrite", is_flag=True, help="Replace the bounds.")
@NO_RESUME
def intervals(
    result: Path,
    source: Path,
    calibrated: Path,
    output: Path | None,
    overwrite: bool,
    no_resume: bool,
    **options: Any,
) -> None:
    """Compute lower and upper bounds of RESULT, restored from the movie IN, with calibrated intervals.

    The bounds are written to RESULT_intervals, as the channels low and high. If interrupted, rerun the same command to
    resume.
    """
    from decrappify.trust import interval_map, intervals_path

    place = intervals_path(result) if output is None else output
    movie = open_input(source, output=place, **options)
    run: dict[str, Any] = {"overwrite": overwrite, "resume": not no_resume, "progress": progress_bars()}
    echo(f"{place}: {interval_map(movie, result, calibrated, place, **run).summary}")
