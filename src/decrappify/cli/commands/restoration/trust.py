"""`decrappify trust`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from decrappify._common.terminal import echo
from decrappify.cli.common import open_input, progress_bars
from decrappify.cli.group import Command
from decrappify.cli.options import (
    NO_RESUME,
    NOISE,
    PATH,
    SPREAD,
    SPREAD_BY,
    device_options,
    input_options,
    taken,
    tile_options,
)
from decrappify.errors import InputError


@click.command(cls=Command)
@click.argument("result", metavar="RESULT", type=PATH)
@click.argument("source", metavar="IN", type=PATH)
@click.option("-o", "--output", type=PATH, help="Map (.ome.zarr or .ome.tif); by default RESULT_trust.")
@NOISE
@click.option(
    "--spot-px", type=float, default=1.0, show_default=True, help="Sigma of the smallest spot (the PSF) in pixels."
)
@click.option("--report", type=PATH, help="File (.html) for a report with images, plots and a table of contradictions.")
@click.option("--model", help="The model of RESULT: also measure the confirmed resolution, and --spread.")
@SPREAD
@SPREAD_BY
@tile_options
@device_options
@input_options
@click.option("--overwrite", is_flag=True, help="Replace map, spread and report.")
@NO_RESUME
def trust(
    result: Path,
    source: Path,
    output: Path | None,
    noise: Path | None,
    spot_px: float,
    report: Path | None,
    model: str | None,
    draws: int | None,
    method: str,
    overwrite: bool,
    no_resume: bool,
    **options: Any,
) -> None:
    """Compare RESULT, restored from the movie IN, with IN: what the data confirm, cannot test, or contradict.

    The map is written to RESULT_trust, and a summary is shown. --report, --model and --spread use a map that is
    finished. If interrupted, rerun the same command to resume.
    """
    from decrappify.inference.options import InferenceOptions
    from decrappify.io.store.outputs import refuse_overlap
    from decrappify.io.store.reports import check_report
    from decrappify.trust import channel_noise, open_trust_map, trust_map, trust_path

    inference = taken(InferenceOptions, options)
    place = trust_path(result) if output is None else output
    if draws is not None and model is None:
        raise InputError("--spread needs the model that restored RESULT; add --model")
    if model is not None:
        _check_model(result, model, draws, method)
    if report is not None:
        check_report(report, overwrite=overwrite)
        refuse_overlap(report, result, source, place)
    movie = open_input(source, output=place, **options)
    known = noise if model is None else channel_noise(movie, noise)
    run: dict[str, Any] = {"overwrite": overwrite, "resume": not no_resume, "progress": progress_bars()}
    if (report is not None or model is not None) and place.exists() and not overwrite:
        found = open_trust_map(place, movie, result, noise=noise, spot_px=_given("spot_px", spot_px))
    else:
        found = trust_map(movie, result, known, place, spot_px=spot_px, **run)
    echo(f"{place}: {found.summary}")
    resolution = [] if model is None else _resolution(movie, result, model, known, inference)
    spread = None
    if model is not None and draws is not None:
        spread = write_spread(movie, result, model, known, draws=draws, method=method, inference=inference, **run)
    if report is not None:
        shown = {"spread": spread, "resolution": resolution, "progress": progress_bars()}
        echo(f"{found.report(report, overwrite=overwrite, **shown)}: written")


def _given(name: str, value: Any) -> Any:
    """Return the value of an option that was on the command line, else None."""
    source = click.get_current_context().get_parameter_source(name)
    return value if source is ParameterSource.COMMANDLINE else None


def _check_model(result: Path, model: str, draws: int | None, method: str) -> None:
    """Raise InputError before any computation if RESULT is that of another model, or `draws` is not possible."""
    from decrappify.io import open_movie
    from decrappify.restoration import recorded_options
    from decrappify.restoration.records.result_record import recorded_model
    from decrappify.restoration.spread.api import check_draws

    if draws is not None:
        check_draws(draws, method)
    with open_movie(result) as restored:
        recorded_model(restored, model, recorded_options(restored))


def write_spread(movie: Any, result: Path, model: str, noise: Any, *, overwrite: bool, **settings: Any) -> Any:
    """Compute RESULT_spread, or open it if it is finished, and show its path."""
    from decrappify.restoration import open_spread_map, spread_map, spread_path

    path = spread_path(result)
    if path.exists() and not overwrite:
        known = {name: settings[name] for name in ("draws", "method")}
        found = open_spread_map(path, result, **known)
    else:
        found = spread_map(movie, result, model, noise, path, overwrite=overwrite, **settings)
    echo(f"{path}: spread, {found.provenance['spread']['summary']}")
    return found


def _resolution(movie: Any, result: Path, model: str, noise: Any, inference: Any) -> Any:
    from decrappify.io import open_movie
    from decrappify.restoration import confirmed_resolution, recorded_options

    with open_movie(result) as restored:
        options = recorded_options(restored)
    found = confirmed_resolution(movie, model, noise, options=options, inference=inference)
    for one in found:
        name = f" of {one.channel}" if len(found) > 1 else ""
        echo(f"confirmed resolution{name}: {one.text()}; of the raw data: {one.raw_text()}")
    return found
