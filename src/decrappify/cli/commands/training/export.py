"""`decrappify export`."""

from __future__ import annotations

from pathlib import Path

import click

from decrappify._common.terminal import echo
from decrappify.cli.group import Command
from decrappify.cli.options import FIDELITY, PATH

SUFFIXES = {"onnx": ".onnx", "torchscript": ".pt", "bioimageio": ".zip"}


@click.command(cls=Command)
@click.argument("model", metavar="MODEL")
@click.option(
    "--format",
    required=True,
    type=click.Choice(list(SUFFIXES)),
    help="ONNX, TorchScript (of torch, for deepImageJ), or a package of the BioImage Model Zoo with both and a test.",
)
@click.option("-o", "--output", metavar="FILE", type=PATH, help="File to write.  [default: the model's name]")
@click.option("--license", metavar="SPDX", help="License of the weights in a package, such as CC-BY-4.0.")
@click.option("--author", "authors", metavar="NAME", multiple=True, help="Author of the weights; may be repeated.")
@FIDELITY
@click.option("--overwrite", is_flag=True, help="Replace FILE.")
def export(
    model: str,
    format: str,
    output: Path | None,
    license: str | None,
    authors: tuple[str, ...],
    fidelity: float | None,
    overwrite: bool,
) -> None:
    """Export MODEL for other programs: ONNX, TorchScript, or a package of the BioImage Model Zoo.

    MODEL is the name of a shipped or shared model, or a model file.
    """
    from decrappify.model import export_model, load_model

    loaded = load_model(model)
    loaded = loaded if fidelity is None else loaded.with_fidelity(fidelity)
    path = Path(f"{loaded.name}{SUFFIXES[format]}") if output is None else output
    path = export_model(loaded, path, format=format, license=license, authors=authors, overwrite=overwrite)
    multiple = loaded.network.spec.tile_multiple
    echo(f"{path}: {format}, input (N, {loaded.network.spec.source_channels}, Y, X), Y and X multiples of {multiple}")
