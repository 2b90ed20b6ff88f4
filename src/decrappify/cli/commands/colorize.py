"""`decrappify colorize`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from decrappify._common.terminal import echo
from decrappify.cli.batch import OUTPUT_DIR, RECURSIVE, echo_row, finish, found_sources, single_paths
from decrappify.cli.common import progress_bars
from decrappify.cli.group import Command
from decrappify.cli.options import FIDELITY, NO_RESUME, PATH, device_options, taken


@click.command(cls=Command)
@click.argument("paths", metavar="IN... [OUT]", nargs=-1, type=PATH)
@OUTPUT_DIR
@RECURSIVE
@click.option("--preset", help="Preset: artistic, stable, video or own; that of the model by default.")
@click.option("--model", help="A model file, or published weights such as ColorizeArtistic_gen.pth.")
@FIDELITY
@click.option(
    "--render-factor",
    help="Render factor, an integer such as 35, or auto; lower values yield more color, higher ones more stable color.",
)
@click.option("--watermark", is_flag=True, help="Also write 'AI-colorized' into a corner of the image.")
@device_options
@click.option("--batch-size", type=int, help="Images or frames per network call.")
@click.option(
    "--steady",
    type=float,
    default=0.0,
    show_default=True,
    help="For films: smoothing of color over time, from 0 (off) to below 1, such as 0.5.",
)
@click.option(
    "--damaged",
    default="error",
    show_default=True,
    type=click.Choice(["error", "skip", "keep"]),
    help="For films with missing or incomplete frames: stop with an error, omit them, or colorize what can be decoded.",
)
@click.option("--overwrite", is_flag=True, help="Replace OUT, or images in that folder.")
@NO_RESUME
def colorize(
    paths: tuple[Path, ...],
    output_dir: Path | None,
    recursive: bool,
    model: str | None,
    render_factor: str | None,
    overwrite: bool,
    no_resume: bool,
    **settings: Any,
) -> None:
    """Colorize the photograph, folder of photographs or film IN and write OUT.

    With --output-dir, all paths are inputs: photographs, films, folders and quoted patterns such as 'raw/*.jpg'; the
    outputs have their names. The luma is that of IN. The metadata of OUT always state that the colors are AI-generated.
    """
    from decrappify.limits.memory import check_importing_torch

    check_importing_torch()
    from decrappify.colorization import ColorizationOptions
    from decrappify.colorization import colorize as colorize_any
    from decrappify.inference.options import InferenceOptions

    run: dict[str, Any] = {
        "model": model,
        "render_factor": int(render_factor) if render_factor and render_factor.isdecimal() else render_factor,
        "options": taken(ColorizationOptions, settings),
        "inference": taken(InferenceOptions, settings),
        "overwrite": overwrite,
        "resume": not no_resume,
        "progress": progress_bars(),
    }
    if output_dir is None:
        source, output = single_paths(paths, {"recursive": recursive})
        colorize_any(source, output, **run)
        echo(f"{output}: colorized")
        return
    from decrappify.colorization.api import colorize_many

    if not paths:
        raise click.UsageError("Missing argument 'IN...'.", click.get_current_context())
    sources = found_sources(paths, output_dir, recursive=recursive, folder_as="images")
    finish(colorize_many(sources, output_dir, on_row=partial(echo_row, quiet=False), **run), None, quiet=False)
