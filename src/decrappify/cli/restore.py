"""`decrappify restore`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from decrappify._common.counting import counted
from decrappify._common.terminal import echo
from decrappify.cli.common import describe, open_input, progress_bars
from decrappify.cli.group import Command
from decrappify.cli.options import (
    FIDELITY,
    NO_RESUME,
    NOISE,
    PATH,
    SPREAD,
    SPREAD_BY,
    WINDOW_AXIS,
    device_options,
    input_options,
    taken,
    tile_options,
)
from decrappify.cli.trust import write_spread
from decrappify.errors import InputError


@click.command(cls=Command)
@click.argument("source", metavar="IN", type=PATH)
@click.argument("output", metavar="OUT", type=PATH)
@click.option("--model", required=True, help="A shipped model (see `decrappify models`) or a .safetensors file.")
@FIDELITY
@input_options
@click.option("--frames", help="Frames to restore, such as 10:50 or, every second one, ::2; all by default.")
@tile_options
@device_options
@click.option("--dtype", help="Data type of the output, such as float32; that of the input by default.")
@WINDOW_AXIS
@click.option(
    "--nan",
    default="error",
    show_default=True,
    type=click.Choice(["error", "fill", "zero"]),
    help="NaN and infinite pixels: stop with an error, or fill them from their neighborhood for the network and write "
    "NaN to the output (zero: former name of fill).",
)
@click.option(
    "--missing",
    default="blank",
    show_default=True,
    type=click.Choice(["blank", "drop", "nearest"]),
    help="Planes that were not recorded: leave them blank, omit their frames, or fill from the nearest frame.",
)
@click.option(
    "--outliers",
    default="replace",
    show_default=True,
    type=click.Choice(["replace", "keep"]),
    help="Hot and dead pixels and flash frames: replace them before the network, or keep them.",
)
@click.option("--trust", is_flag=True, help="Also write OUT_trust: what the data confirm, cannot test, or contradict.")
@NOISE
@SPREAD
@SPREAD_BY
@click.option("--overwrite", is_flag=True, help="Replace OUT and any unfinished run of it.")
@NO_RESUME
def restore(
    source: Path,
    output: Path,
    model: str,
    scene: str | None,
    no_resume: bool,
    overwrite: bool,
    trust: bool,
    noise: Path | None,
    draws: int | None,
    method: str,
    **settings: Any,
) -> None:
    """Restore the movie IN with a model and write OUT (.ome.zarr, .ome.tif or .mp4).

    --scene all restores every scene, into outputs named OUT_SCENE. If interrupted, rerun the same command to resume.
    """
    from decrappify._common.allocator import share_one_arena
    from decrappify.inference.options import InferenceOptions
    from decrappify.restoration.options import RestorationOptions

    share_one_arena()
    run: dict[str, Any] = {
        "inference": taken(InferenceOptions, settings),
        "options": taken(RestorationOptions, settings),
        "overwrite": overwrite,
        "resume": not no_resume,
        "progress": progress_bars(),
    }
    if noise is not None and not trust:
        raise InputError("--noise is used by --trust only; add --trust, or omit --noise")
    if draws is not None and not trust:
        raise InputError("--spread is an option of --trust; add --trust, or omit --spread")
    if scene == "all":
        if trust:
            raise InputError("--trust needs one scene, found --scene all; run `decrappify trust` for each output")
        _restore_all_scenes(source, model, output, opening=settings, run=run)
        return
    from decrappify.io.missing_planes import missing_reported
    from decrappify.restoration import restore as restore_movie

    with missing_reported():  # by the run
        movie = open_input(source, output=output, scene=scene, **settings)
    if draws is not None:
        _check_spread(output, draws, method, overwrite=overwrite)
    echo(f"{output}: {describe(restore_movie(movie, model, output, trust=noise or trust, **run))}")
    if trust:
        _echo_trust(output)
    if draws is not None:
        run.pop("options")
        write_spread(movie, output, model, noise, draws=draws, method=method, **run)


def _check_spread(output: Path, draws: int, method: str, *, overwrite: bool) -> None:
    """Raise before the restoration if its spread cannot be computed afterwards."""
    from decrappify.io.store.outputs import check_output
    from decrappify.restoration.spread.api import check_draws, spread_path

    check_draws(draws, method)
    check_output(spread_path(output), overwrite=overwrite)


def _echo_trust(output: Path) -> None:
    from decrappify.io import open_movie
    from decrappify.trust import recorded_summary, trust_path

    path = trust_path(output)
    with open_movie(path) as movie:
        echo(f"{path}: {recorded_summary(movie.provenance)}")


def _restore_all_scenes(
    source: Path, model: str, output: Path, *, opening: dict[str, Any], run: dict[str, Any]
) -> None:
    from decrappify.restoration.scenes import restore_scenes

    failed, restored = 0, 0
    for outcome in restore_scenes(source, model, output, opening=opening, **run):
        failed += outcome.error is not None
        restored += outcome.error is None
        if outcome.error is not None:
            echo(f"decrappify: scene {outcome.scene!r}: {outcome.error}", err=True)
        else:
            kept = ", restored earlier" if outcome.was_finished else ""
            echo(f"{outcome.output}: scene {outcome.scene!r}, {describe(outcome.movie)}{kept}")
    if failed:
        scenes, verb = counted(failed + restored, "scene"), "was" if failed == 1 else "were"
        raise InputError(f"{failed} of {scenes} of {source.name} {verb} not restored; see above")
