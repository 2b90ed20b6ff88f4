"""Words of command lines: programs, quoting, and options of the input."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from decrappify import open_movie
from decrappify.errors import InputError
from napari_decrappify.layers.image import LayerImage
from napari_decrappify.layers.lazy import token


def command_line(*words: object) -> str:
    """Join words to a command line for the shell of this system.

    >>> command_line("decrappify", "info", Path("my cells.czi"))
    "decrappify info 'my cells.czi'"
    """
    texts = [str(word) for word in words]
    return subprocess.list2cmdline(texts) if os.name == "nt" else shlex.join(texts)


def options(**values: Any) -> list[str]:
    """Return options with their values; those that are None or False are omitted.

    >>> options(frames="2:10", device=None, watermark=True, render_factor=35)
    ['--frames', '2:10', '--watermark', '--render-factor', '35']
    """
    words = []
    for name, value in values.items():
        if value is not None and value is not False:
            words += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
    return words


def path_of(image: LayerImage) -> Path:
    """Return the file that contains the pixels of a layer.

    Raises
    ------
    InputError
        If there is none, or the layer was modified.
    """
    recorded = image.recorded
    if not recorded.get("path") or recorded.get("array") != token(image.data):
        raise InputError(
            f"the pixels of layer {image.name!r} are not in a file that decrappify opened, and a command line needs a "
            "file; save the layer, and open the file"
        )
    return Path(recorded["path"])


def input_options(image: LayerImage, *, all_channels: bool = False, all_scenes: bool = False) -> list[str]:
    """Return the options that choose scene and channel of the file of a layer."""
    recorded = image.recorded
    scene = recorded.get("scene_name") or recorded.get("scene") if recorded.get("n_scenes", 1) > 1 else None
    if recorded.get("scene_name") and not isinstance(recorded.get("scene"), int):
        scene = recorded["scene"]  # with indices along further dimensions
    channel = None if all_channels else recorded.get("channel")
    return options(scene="all" if all_scenes else scene, channel=channel)


def device_option(device: str) -> str | None:
    """Return the value of --device; None for the automatic choice.

    >>> device_option("auto"), device_option("cpu")
    (None, 'cpu')
    """
    return None if device == "auto" else device


def window_option(image: LayerImage, n_frames: int) -> str | None:
    """Return the value of --window-axis: Z for a single stack and a model of several frames; None for the default."""
    is_stack = image.sizes.get("T", 1) == 1 and image.sizes.get("Z", 1) > 1
    return "Z" if is_stack and n_frames > 1 else None


def all_channels_of(images: Sequence[LayerImage]) -> Path:
    """Return the file of layers that are all channels of its scene.

    Raises
    ------
    InputError
        If the layers are of several files, or the scene has further channels.
    """
    path = same_file(images)
    with open_movie(path, scene=images[0].recorded.get("scene", 0)) as movie:
        n_channels = movie.shape[1]
    if n_channels != len(images):
        raise InputError(
            f"{len(images)} of the {n_channels} channels of {path.name} are layers, and a command line uses one or "
            "all; open the file again, or choose one channel"
        )
    return path


def same_file(images: Iterable[LayerImage]) -> Path:
    """Return the file of layers; raises InputError if they are of several."""
    paths = {path_of(image) for image in images}
    if len(paths) != 1:
        raise InputError("the layers are of several files, and a command line has one input; choose layers of one file")
    return paths.pop()
