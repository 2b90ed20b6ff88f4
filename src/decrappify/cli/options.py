"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import click

from decrappify.io.remote.address import is_address
from decrappify.io.remote.path import RemotePath

T = TypeVar("T")


class _Path(click.Path):
    """A path or address that the library checks; an empty one (an unset shell variable) raises an error."""

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        if value == "":
            self.fail("the path is empty; pass the name of a file or folder", parameter, context)
        if isinstance(parameter, click.Argument) and isinstance(value, str) and is_address(value):
            return RemotePath(value)  # options name models, settings and outputs, which are on a disk
        return super().convert(value, parameter, context)


PATH = _Path(path_type=Path, readable=False)


FOLDER_AS = click.option(
    "--as",
    "folder_as",
    type=click.Choice(["auto", "movie", "images"]),
    default="auto",
    show_default=True,
    help="Content of a folder: the frames of one movie, or separate images or movies; auto decides by the file names.",
)


UNRELATED = click.option(
    "--unrelated",
    type=click.Choice(["refuse", "warn"]),
    default="refuse",
    show_default=True,
    help="LOW and HIGH that do not show the same field: an error (refuse), or a warning.",
)


WINDOW_AXIS = click.option(
    "--window-axis",
    default="T",
    show_default=True,
    type=click.Choice(["T", "Z"]),
    help="Axis along which neighboring frames are taken: T (time) or Z (slices of a stack).",
)


NO_RESUME = click.option("--no-resume", is_flag=True, help="Start from scratch instead of resuming an unfinished run.")


FIDELITY = click.option(
    "--fidelity",
    type=float,
    help="For NoGAN models that have one (see `info`): from 0, the weights of the GAN phase (the default), to 1, those "
    "before it, closest to the data.",
)


NOISE = click.option(
    "--noise",
    type=PATH,
    help="For trust maps: noise model (.toml) that `calibrate` wrote; by default it is measured in IN.",
)


SPREAD = click.option(
    "--spread",
    "draws",
    metavar="N",
    type=int,
    help="Also write a map of how far the result depends on the noise, from N restorations (such as 8), in N times the "
    "time.",
)

SPREAD_BY = click.option(
    "--spread-by",
    "method",
    type=click.Choice(["noise", "symmetry"]),
    default="noise",
    show_default=True,
    help="For --spread: draw the noise again, or rotate and mirror IN.",
)


def taken(kind: type[T], options: dict[str, Any]) -> T:
    """Create an options object, such as `InferenceOptions`, from the entries of `options` with the names of its fields.

    The entries are removed from `options`.
    """
    return kind(**{field.name: options.pop(field.name) for field in fields(kind) if field.name in options})  # type: ignore[arg-type]


def input_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a movie that is opened."""
    for option in (
        click.option("--frame-interval-s", type=float, help="Seconds between frames, if the file does not state it."),
        click.option("--axes", help="For arrays and TIFF: a letter of TCZYX per dimension, such as ZYX or YXC."),
        click.option(
            "--absent-chunks",
            type=click.Choice(["auto", "missing", "fill"]),
            default="auto",
            show_default=True,
            help="For Zarr: absent chunks are planes that were not recorded, or contain the fill value; auto decides "
            "by the chunks that exist.",
        ),
        click.option("--channel", help="Channel to open: its name, or its number from 0; all by default."),
        FOLDER_AS,
        click.option("--scene", help="Scene to open, if there are several: its name or number from 0 (see `info`)."),
    ):
        command = option(command)
    return command


def tile_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of tiles."""
    for option in (
        click.option("--tile-overlap", type=int, help="Overlap of neighboring tiles in input pixels."),
        click.option(
            "--tile-size", type=int, help="Side of a tile in input pixels; chosen by the free memory by default."
        ),
    ):
        command = option(command)
    return command


def device_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of network execution."""
    for option in (
        click.option(
            "--backend",
            default="auto",
            show_default=True,
            help="Backend: auto, torch, compile, onnxruntime or openvino.",
        ),
        click.option(
            "--precision", default="auto", show_default=True, help="Precision: auto, float32, bfloat16 or float16."
        ),
        click.option("--device", default="auto", show_default=True, help="Device: auto, cpu, cuda, cuda:1 or mps."),
    ):
        command = option(command)
    return command
