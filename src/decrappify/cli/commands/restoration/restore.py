"""`decrappify restore`."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import Any

import click

from decrappify._common.counting import counted
from decrappify._common.terminal import echo
from decrappify.cli.batch import batch_options, echo_row, finish, parse_models, show_batch_messages, single_paths
from decrappify.cli.commands.restoration.follow import check_follow, follow_options, restore_followed
from decrappify.cli.commands.restoration.sharing import PartReport, checked_sharing, sharing_options, without_dask_logs
from decrappify.cli.commands.restoration.trust import write_spread
from decrappify.cli.common import describe, open_input, progress_bars
from decrappify.cli.group import Command
from decrappify.cli.log_file import echo_result, log_result
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
from decrappify.errors import InputError


@click.command(cls=Command)
@click.argument("paths", metavar="IN... [OUT]", nargs=-1, type=PATH)
@click.option(
    "--model",
    "models",
    required=True,
    multiple=True,
    metavar="[CHANNEL=]MODEL",
    help="A shipped model (see `decrappify models`) or a .safetensors file. Repeat it for a model per channel, such as "
    "GFP=fluorescence-movie, or for movies and stills: the one with the longest window that fits is used.",
)
@batch_options
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
@follow_options
@sharing_options
@click.option("--overwrite", is_flag=True, help="Replace existing outputs and unfinished runs of them.")
@NO_RESUME
def restore(
    paths: tuple[Path, ...],
    models: tuple[str, ...],
    output_dir: Path | None,
    quiet: bool,
    scene: str | None,
    no_resume: bool,
    overwrite: bool,
    trust: bool,
    noise: Path | None,
    draws: int | None,
    method: str,
    follow: bool,
    timeout_s: float | None,
    dask: str | None,
    workers: int | None,
    part: str | None,
    **settings: Any,
) -> None:
    """Restore the movie IN with a model and write OUT (.ome.zarr, .ome.tif or .mp4).

    With --output-dir, all paths are inputs: files, folders and quoted patterns such as 'raw/*.czi'. --scene all
    restores every scene, into outputs named OUT_SCENE. If interrupted, rerun the same command to resume.
    """
    from decrappify._common.processes.allocator import share_one_arena
    from decrappify.inference.options import InferenceOptions
    from decrappify.restoration.job.options import RestorationOptions

    alone: dict[str, Any] = {"--output-dir": output_dir, "--scene all": scene == "all", "--trust": trust}
    check_follow(follow, timeout_s, alone | {"--dask": dask, "--workers": workers, "--part": part})
    share_one_arena()
    run: dict[str, Any] = {
        "inference": taken(InferenceOptions, settings),
        "options": taken(RestorationOptions, settings),
        "overwrite": overwrite,
        "resume": not no_resume,
        "progress": None if quiet else progress_bars(),
    }
    batch = {name: settings.pop(name) for name in ("recursive", "name", "dry_run", "summary")}
    model = parse_models(models)
    if noise is not None and not trust:
        raise InputError("--noise is used by --trust only; add --trust, or omit --noise")
    if draws is not None and not trust:
        raise InputError("--spread is an option of --trust; add --trust, or omit --spread")
    shared = checked_sharing(dask, workers, part, single=output_dir is None and scene != "all")
    if output_dir is not None:
        if trust:
            raise InputError("--trust needs one input, found --output-dir; run `decrappify trust` for each output")
        _restore_many(paths, model, output_dir, batch, scene=scene, opening=settings, quiet=quiet, run=run)
        return
    source, output = single_paths(paths, batch)
    if follow:
        restore_followed(source, model, output, timeout_s, scene=scene, opening=settings, quiet=quiet, run=run)
        return
    if scene == "all":
        if trust:
            raise InputError("--trust needs one scene, found --scene all; run `decrappify trust` for each output")
        _restore_all_scenes(source, model, output, opening=settings, run=run)
        return
    from decrappify.io.integrity.missing_planes import missing_reported
    from decrappify.restoration import restore as restore_movie

    with missing_reported():  # by the run
        movie = open_input(source, output=output, scene=scene, **settings)
    if draws is not None:
        if not isinstance(model, str):
            raise InputError("--spread needs one model for all channels; omit it, or pass one --model")
        _check_spread(output, draws, method, overwrite=overwrite)
    report = None if part is None else PartReport(output, part)
    on_plane = None if report is None else report.on_plane
    with without_dask_logs(shared):
        restored = restore_movie(movie, model, output, trust=noise or trust, on_plane=on_plane, **shared, **run)
    echo_result(f"{output}: {describe(restored)}" if report is None else report.line(restored), quiet=quiet)
    if trust:
        _echo_trust(output)
    if draws is not None:
        run.pop("options")
        write_spread(movie, output, model, noise, draws=draws, method=method, **run)


def _restore_many(
    paths: tuple[Path, ...],
    model: Any,
    output_dir: Path,
    batch: dict[str, Any],
    *,
    scene: str | None,
    opening: dict[str, Any],
    quiet: bool,
    run: dict[str, Any],
) -> None:
    from decrappify.batch import restore_many

    if not paths:
        raise click.UsageError("Missing argument 'IN...'.", click.get_current_context())
    if not quiet:
        show_batch_messages()
    dry_run, path = batch["dry_run"], batch["summary"]
    if batch["name"] is None:
        batch.pop("name")
    try:
        found = restore_many(
            paths,
            model,
            output_dir,
            scene=scene,
            opening=opening,
            on_row=partial(echo_row, quiet=quiet),
            **batch,
            **run,
        )
    except KeyboardInterrupt as error:
        written = f" ({path} lists them)" if path is not None and path.exists() else ""
        raise KeyboardInterrupt(
            f"finished outputs and frames are kept{written}; repeat the command to restore the rest"
        ) from error
    finish(found, None if dry_run else path, quiet=quiet, dry_run=dry_run)


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
        echo_result(f"{path}: {recorded_summary(movie.provenance)}")


def _restore_all_scenes(
    source: Path, model: Any, output: Path, *, opening: dict[str, Any], run: dict[str, Any]
) -> None:
    from decrappify.restoration.scenes import restore_scenes

    failed, restored = 0, 0
    for outcome in restore_scenes(source, model, output, opening=opening, **run):
        failed += outcome.error is not None
        restored += outcome.error is None
        if outcome.error is not None:
            log_result(f"scene {outcome.scene!r}: {outcome.error}", logging.ERROR)
            echo(f"decrappify: scene {outcome.scene!r}: {outcome.error}", err=True)
        else:
            kept = ", restored earlier" if outcome.was_finished else ""
            echo_result(f"{outcome.output}: scene {outcome.scene!r}, {describe(outcome.movie)}{kept}")
    if failed:
        scenes, verb = counted(failed + restored, "scene"), "was" if failed == 1 else "were"
        raise InputError(f"{failed} of {scenes} of {source.name} {verb} not restored; see above")
