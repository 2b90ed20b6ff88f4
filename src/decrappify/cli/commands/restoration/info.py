"""`decrappify info`."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import click

from decrappify._common.indented import indented
from decrappify._common.terminal import echo, echo_lines
from decrappify.cli.common import describe, open_input
from decrappify.cli.group import Command
from decrappify.cli.options import PATH, input_options
from decrappify.errors import DecrappifyError, InputError


@click.command(cls=Command)
@click.argument("source", metavar="IN", type=PATH)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with all scenes unless --scene is set.")
@input_options
def info(source: Path, scene: str | None, as_json: bool, **options: Any) -> None:
    """Show the metadata of IN: scenes, axes, data type, pixel size, frame interval, channels.

    Of the folder of a training run, show its state; of a model file, its card.
    """
    if as_json:
        _print_json(source, scene, options)
        return
    if source.suffix == ".safetensors" and source.is_file():
        from decrappify.model.card import card_text

        echo_lines(card_text(str(source)))
        return
    from decrappify.io import scenes
    from decrappify.training.engine.run_folder import describe_run

    run = describe_run(source) if os.path.isdir(source) else None  # noqa: PTH112 -- False for invalid names
    if run is not None:
        echo(run)
        return
    names = scenes(source, folder_as=options["folder_as"])
    shown: int | str = 0 if scene is None else scene
    failed = 0
    if scene is None and len(names) > 1:
        echo(f"{source}: {len(names)} scenes")
        readable = []
        for number, name in enumerate(names):
            try:
                shared = {name: options[name] for name in ("axes", "folder_as", "absent_chunks")}
                with open_input(source, scene=number, **shared) as one:
                    echo(f"  {number}  {name}: {describe(one)}")
                    readable.append(number)
            except DecrappifyError as error:
                echo(f"  {number}  {name}: {error}")
        failed = len(names) - len(readable)
        shown = readable[0] if readable else 0
        echo(f"scene {shown}:")
    from decrappify.io.integrity.missing_planes import missing_notes, warn_of_missing

    with missing_notes() as notes:
        movie = open_input(source, scene=shown, **options)
    size = ["unknown" if value is None else f"{value:g}" for value in movie.pixel_size_um]
    interval = "unknown" if movie.frame_interval_s is None else f"{movie.frame_interval_s:g}"
    echo(f"{source}: {describe(movie)}")
    echo(f"pixel_size_um (Z, Y, X): {', '.join(size)}")
    echo(f"frame_interval_s: {interval}")
    if movie.unitless_spacing:
        spacing = ", ".join(f"{axis} {value:g}" for axis, value in movie.unitless_spacing.items())
        echo(f"spacing without unit: {spacing}")
    echo(f"channels: {', '.join(movie.channel_names)}")
    for note in notes:
        warn_of_missing(note.message)
    if movie.missing and not notes:
        echo(_missing_line(source, movie))
    for line in indented(movie.provenance):
        echo(line)
    if failed:
        raise InputError(f"{failed} of {len(names)} scenes of {source.name} cannot be opened; see above")


def _print_json(source: Path, scene: str | None, options: dict[str, Any]) -> None:
    """Print the metadata of all scenes, or of one; a scene that cannot be opened has an error."""
    from decrappify.io import scenes

    if source.suffix == ".safetensors" and source.is_file():
        from decrappify.model import read_card

        _echo_json({"path": str(source)} | read_card(source))
        return
    chosen: list[tuple[int | str, str]] = list(enumerate(scenes(source, folder_as=options["folder_as"])))
    if scene is not None:
        chosen = [(scene, scene)]
    found = [_scene_values(source, number, name, options) for number, name in chosen]
    _echo_json({"path": str(source), "scenes": found})
    failed = sum("error" in values for values in found)
    if failed:
        raise InputError(f"{failed} of {len(found)} scenes of {source.name} cannot be opened; see their errors")


def _scene_values(source: Path, number: int | str, name: str, options: dict[str, Any]) -> dict[str, Any]:
    from decrappify.io.integrity.missing_planes import missing_notes

    values: dict[str, Any] = {"scene": number, "name": name}
    try:
        with missing_notes() as notes, open_input(source, scene=number, **options) as movie:
            return values | {
                "shape": dict(zip("TCZYX", movie.shape, strict=True)),
                "dtype": movie.dtype.name,
                "pixel_size_um": dict(zip("ZYX", movie.pixel_size_um, strict=True)),
                "frame_interval_s": movie.frame_interval_s,
                "unitless_spacing": movie.unitless_spacing,
                "channel_names": list(movie.channel_names),
                "missing_planes": [list(plane) for plane in sorted(movie.missing)],
                "notes": [note.message for note in notes],
                "provenance": movie.provenance,
            }
    except DecrappifyError as error:
        return values | {"error": str(error)}


def _echo_json(values: dict[str, Any]) -> None:
    click.echo(json.dumps(values, indent=2, ensure_ascii=True, default=str))


def _missing_line(source: Path, movie: Any) -> str:
    from decrappify._common.counting import counted
    from decrappify.io.integrity.missing_planes import list_planes
    from decrappify.io.store.working_folder import unfinished_output

    planes = list_planes(movie.missing, movie.shape[:3])
    count = f"{len(movie.missing)} of {counted(math.prod(movie.shape[:3]), 'plane')}"
    output = unfinished_output(source)
    if output is None:
        return f"missing: {count} ({planes})"
    return f"unfinished: {count} not written yet ({planes}); repeat the command that writes {output} to resume it"
