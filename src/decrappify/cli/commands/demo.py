"""`decrappify demo`."""

from __future__ import annotations

from pathlib import Path

import click

from decrappify._common.terminal import echo
from decrappify.cli.common import progress_bars
from decrappify.cli.group import Command
from decrappify.cli.options import PATH


@click.command(cls=Command)
@click.argument("movie", required=False, type=PATH)
@click.option("--output", type=PATH, default=Path("demo"), show_default=True, help="Folder for the results.")
@click.option("--model", help="Model to use; chosen by the number of frames by default.")
@click.option("--device", default="auto", show_default=True, help="Device: auto, cpu, cuda or mps.")
def demo(movie: Path | None, output: Path, model: str | None, device: str) -> None:
    """Restore a simulated movie with known ground truth, or MOVIE, and show the scores."""
    from decrappify.benchmarking.demo import run_demo

    for line in run_demo(movie, output, model=model, device=device, progress=progress_bars()):
        echo(line)
