"""`decrappify import-weights`."""

from __future__ import annotations

from pathlib import Path

import click

from decrappify._common.terminal import echo
from decrappify.cli.group import Command
from decrappify.cli.options import PATH


@click.command("import-weights", cls=Command)
@click.argument("weights", metavar="FILE", type=PATH)
@click.option("-o", "--output", metavar="MODEL", required=True, type=PATH, help="Model file to write, .safetensors.")
@click.option("--preset", help="Name of the published network, such as video, if the file does not determine it.")
@click.option("--overwrite", is_flag=True, help="Replace MODEL.")
def import_weights(weights: Path, output: Path, preset: str | None, overwrite: bool) -> None:
    """Convert published weights (DeOldify, PSSR, fastai v1) or a BioImage Model Zoo package to a model file.

    FILE is a downloaded .pth file, or a package with the network of decrappify; this command downloads nothing.
    """
    from decrappify.model import importing

    for line in importing.import_weights(weights, output, preset=preset, overwrite=overwrite):
        echo(line)
