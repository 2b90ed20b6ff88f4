"""`decrappify restore`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from decrappify._common.terminal import echo
from decrappify.cli.common import describe, open_input, progress_bars
from decrappify.cli.group import Command
from decrappify.cli.messages import flags_of, with_options
from decrappify.cli.options import PATH, device_options, input_options
from decrappify.errors import InputError


@click.command(cls=Command)
@click.argument("source", metavar="IN", type=PATH)
@click.argument("output", metavar="OUT", type=PATH)
@click.option("--model", required=True, help="A shipped model (see `decrappify models`) or a .safetensors file.")
@input_options
@click.option("--frames", help="Only these frames, such as 10:50.")
@click.option("--tile-size", type=int, help="Side of a tile in input pixels; planned from free memory by default.")
@click.option("--tile-overlap", type=int, help="Overlap of neighboring tiles in input pixels.")
@device_options
@click.option("--dtype", help="Data type of the output, such as float32; the input's by default.")
@click.option(
    "--window-axis",
    default="T",
    show_default=True,
    type=click.Choice(["T", "Z"]),
    help="Axis along which neighboring frames are taken: T (time) or Z (slices of a stack).",
)
@click.option(
    "--nan",
    default="error",
    show_default=True,
    type=click.Choice(["error", "fill", "zero"]),
    help="NaN pixels: refuse them, or fill them from their neighborhood and put them back (zero is the older name).",
)
@click.option(
    "--missing",
    default="blank",
    show_default=True,
    type=click.Choice(["blank", "drop", "nearest"]),
    help="Planes that were never recorded: leave blank, leave out their frames, or fill from the nearest frame.",
)
@click.option(
    "--outliers",
    default="replace",
    show_default=True,
    type=click.Choice(["replace", "keep"]),
    help="Hot and dead pixels and flash frames: replace before the network, or keep.",
)
@click.option("--overwrite", is_flag=True, help="Replace OUT and any unfinished run of it.")
@click.option("--no-resume", is_flag=True, help="Start from scratch instead of resuming an unfinished run.")
def restore(
    source: Path,
    output: Path,
    model: str,
    scene: str | None,
    channel: str | None,
    frame_interval_s: float | None,
    axes: str | None,
    folder_as: str,
    absent_chunks: str,
    no_resume: bool,
    **options: Any,
) -> None:
    """Restore the movie IN with a model and write OUT (.ome.zarr, .ome.tif or .mp4).

    --scene all restores every scene, into outputs named OUT_SCENE. If interrupted, rerun the same command to resume.
    """
    from decrappify.restoration import restore as restore_movie

    opening = {"channel": channel, "frame_interval_s": frame_interval_s, "axes": axes, "folder_as": folder_as}
    opening["absent_chunks"] = absent_chunks
    options |= {"resume": not no_resume, "progress": progress_bars()}
    if scene != "all":
        movie = open_input(source, output=output, scene=scene, **opening)
        echo(f"{output}: {describe(restore_movie(movie, model, output, **options))}")
        return
    _restore_all_scenes(source, model, output, opening, options)


def _restore_all_scenes(
    source: Path, model: str, output: Path, opening: dict[str, Any], options: dict[str, Any]
) -> None:
    from decrappify.restoration.scenes import restore_scenes

    failed, restored = 0, 0
    for outcome in restore_scenes(source, model, output, opening=opening, **options):
        failed += outcome.error is not None
        restored += outcome.error is None
        if outcome.error is not None:
            error = with_options(str(outcome.error), flags_of(restore))
            echo(f"decrappify: scene {outcome.scene}: {error}", err=True)
        else:
            kept = ", restored before" if outcome.was_finished else ""
            echo(f"{outcome.output}: {describe(outcome.movie)}{kept}")
    if failed:
        raise InputError(f"{failed} of {failed + restored} scenes of {source.name} were not restored, see above")
