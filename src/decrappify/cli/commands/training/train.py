"""`decrappify train`."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from decrappify._common.processes.launch import present_launch
from decrappify._common.terminal import echo
from decrappify.cli.common import log_status, progress_bars
from decrappify.cli.errors import Interrupted, stopped_by_signals
from decrappify.cli.group import Command, plugins_of
from decrappify.cli.options import PATH


@click.command(cls=Command)
@click.argument("run", metavar="RUN.TOML", type=PATH)
@click.option("--output", type=PATH, help="Run folder, instead of that in RUN.TOML.")
@click.option("--resume", is_flag=True, help="Resume from the last checkpoint of the run folder.")
@click.option("--overwrite", is_flag=True, help="Replace the run in the folder.")
@click.option("--minutes", type=float, help="Training time, instead of minutes or max_steps in RUN.TOML.")
@click.option("--device", help="Device, instead of that in RUN.TOML.")
@click.option(
    "--as",
    "folder_as",
    type=click.Choice(["auto", "movie", "images"]),
    help="Content of folders of data, instead of data.folder_as in RUN.TOML.",
)
def train(
    run: Path,
    output: Path | None,
    resume: bool,
    overwrite: bool,
    minutes: float | None,
    device: str | None,
    folder_as: str | None,
) -> None:
    """Train a model from the settings in RUN.TOML (supervised or NoGAN).

    The model is compared with its input and with the best Gaussian filter on held-out images. Ctrl-C saves a checkpoint
    and ends with exit code 130, SIGTERM with 143; --resume continues. Before the first step, nothing is saved.
    Without a terminal, the progress is logged once a minute.
    """
    from decrappify.training.config.run_file import train_from_file
    from decrappify.training.nogan.report import report_lines
    from decrappify.training.supervised.report import kept, summary

    log_status()
    with stopped_by_signals() as cancel:
        model, folder = train_from_file(
            run,
            output=output,
            resume=resume,
            overwrite=overwrite,
            device=device,
            folder_as=folder_as,
            minutes=minutes,
            progress=progress_bars(),
            cancel=cancel,
        )
        if "unfinished" in model.card:
            given = {"--output": output, "--minutes": minutes, "--device": device, "--as": folder_as}
            options = [str(part) for option in given.items() if option[1] is not None for part in option]
            options += [part for file in plugins_of(click.get_current_context()) for part in ("--plugin", str(file))]
            again = shlex.join(["decrappify", "train", str(run), *options, "--resume"])
            raise Interrupted(
                f"{model.card['unfinished']}; resume with '{again}' ({folder / 'model.safetensors'} contains the best "
                "weights so far; its card states that it is unfinished)"
            )
    if present_launch().rank > 0:
        return
    if "verdict" in model.card:
        first, *lines = report_lines(model.card)
        echo(f"{folder / 'model.safetensors'}: {first}")
        for line in lines:
            echo(line)
        return
    echo(f"{folder / 'model.safetensors'}: {summary(model.card['validation'])} ({kept(model.card)})")
    if "longer_training" in model.card:
        echo(model.card["longer_training"])
