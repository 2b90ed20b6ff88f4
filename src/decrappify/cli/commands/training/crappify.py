"""`decrappify crappify`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from decrappify._common.terminal import echo
from decrappify.cli.common import describe, open_input, progress_bars
from decrappify.cli.group import Command
from decrappify.cli.options import PATH, input_options
from decrappify.errors import InputError


@click.command(cls=Command)
@click.argument("source", metavar="IN", type=PATH)
@click.argument("output", metavar="OUT", type=PATH)
@click.option("--preset", help="A crappifier preset; see `decrappify presets`.")
@click.option(
    "--crappifier", type=PATH, help="A crappifier file (.toml or .json), or a noise model of `decrappify calibrate`."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the noise.")
@input_options
@click.option("--overwrite", is_flag=True, help="Replace OUT.")
def crappify(
    source: Path, output: Path, preset: str | None, crappifier: Path | None, seed: int, overwrite: bool, **options: Any
) -> None:
    """Degrade the movie IN with a crappifier and write it to OUT."""
    from decrappify.crappify import crappifier_preset, crappify_movie
    from decrappify.io import save_movie
    from decrappify.noise import load_crappifier

    if crappifier is not None and preset is not None:
        raise InputError("--preset and --crappifier exclude each other; pass one of them")
    if crappifier is not None:
        degrade = load_crappifier(crappifier)
    elif preset is not None:
        degrade = crappifier_preset(preset)
    else:
        raise InputError("crappify needs either --preset or --crappifier; see 'decrappify presets'")
    movie = crappify_movie(open_input(source, output=output, **options), degrade, seed=seed)
    save_movie(movie, output, overwrite=overwrite, progress=progress_bars())
    echo(f"{output}: {describe(movie)}")
