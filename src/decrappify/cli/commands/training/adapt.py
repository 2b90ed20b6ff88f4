"""`decrappify adapt`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from decrappify._common.terminal import echo
from decrappify.cli.batch import RECURSIVE, found_sources
from decrappify.cli.common import log_status, open_input, progress_bars
from decrappify.cli.errors import Interrupted, stopped_by_signals
from decrappify.cli.group import Command
from decrappify.cli.options import PATH, input_options


@click.command(cls=Command)
@click.argument("movies", metavar="MOVIE...", nargs=-1, required=True, type=PATH)
@click.option("--model", default="fluorescence-movie", show_default=True, help="Shipped model, or a model file.")
@click.option("-o", "--output", type=PATH, required=True, help="Run folder; it will contain model.safetensors.")
@click.option("--noise", type=PATH, help="File (.toml) of `calibrate`; measured on MOVIE by default.")
@click.option("--minutes", type=float, default=5.0, show_default=True, help="Time of the adaptation.")
@click.option("--resume", is_flag=True, help="Resume from the last checkpoint of the run folder.")
@click.option("--overwrite", is_flag=True, help="Replace the run in the folder.")
@click.option("--device", default="auto", show_default=True, help="Device: auto, cpu, cuda or mps.")
@RECURSIVE
@input_options
def adapt(
    movies: tuple[Path, ...],
    model: str,
    output: Path,
    noise: Path | None,
    minutes: float,
    resume: bool,
    overwrite: bool,
    device: str,
    recursive: bool,
    **options: Any,
) -> None:
    """Adapt a model to the raw, noisy movie MOVIE, or to several together; no clean images are needed.

    Each MOVIE is a file, a folder or a quoted pattern; with --scene all, every scene is used.
    Frames that are held out decide whether the adapted model is better than the given one, which is kept otherwise.
    Ctrl-C saves a checkpoint and ends with exit code 130, SIGTERM with 143; --resume continues. Before the first step,
    nothing is saved.
    """
    from decrappify.training import AdaptationConfig, RunOptions
    from decrappify.training import adapt as run_adapt

    log_status()
    opened = _opened(movies, options, recursive=recursive)
    path = output / "model.safetensors"
    with stopped_by_signals() as cancel:
        adapted = run_adapt(
            model,
            opened,
            noise=noise,
            config=AdaptationConfig(minutes=minutes, device=device),
            output=output,
            run=RunOptions(resume=resume, overwrite=overwrite, progress=progress_bars(), cancel=cancel),
        )
        unfinished = adapted.card["adapted"].get("unfinished")
        if unfinished is not None:
            ours = [parameter.name for parameter in adapt.params if parameter.name not in ("resume", "overwrite")]
            again = shlex.join(["decrappify", "adapt", *map(str, movies), *_given(ours), "--resume"])
            raise Interrupted(
                f"{unfinished}; resume with '{again}' ({path} contains the best weights so far; its card states that "
                "it is unfinished)"
            )
    source = [str(movies[0]), "OUT.ome.zarr", *_given(list(options))]
    use = shlex.join(["decrappify", "restore", *source, "--model", str(path)])
    echo(f"{path}: written; use it with '{use}'")


def _given(names: Sequence[str | None]) -> list[str]:
    """Return the options with these names that are on the command line, with their values."""
    context, words = click.get_current_context(), []
    for option in context.command.params:
        is_given = context.get_parameter_source(option.name or "") is ParameterSource.COMMANDLINE
        if option.name in names and is_given and isinstance(option, click.Option):
            value = context.params[option.name]
            words += [option.opts[0]] if option.is_flag else [option.opts[0], str(value)]
    return words


def _opened(paths: tuple[Path, ...], options: dict[str, Any], *, recursive: bool) -> Any:
    """Open one movie, or all movies of several files, folders and patterns."""
    import glob

    is_pattern = glob.has_magic(str(paths[0])) and not paths[0].exists()
    if len(paths) == 1 and not recursive and not is_pattern and options.get("scene") != "all":
        return open_input(paths[0], **options)
    from decrappify.batch.items import Opening

    opening = Opening(scene=options.pop("scene"), arguments=options)
    movies = []
    for source in found_sources(paths, None, recursive=recursive, folder_as=options["folder_as"]):
        if source.error is not None:
            raise source.error
        movies += [opening.open(source.path, scene) for scene in opening.names(source.path)[0]]
    return movies
