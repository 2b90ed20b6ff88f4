"""Command line of the Restore widget."""

from __future__ import annotations

from pathlib import Path

from decrappify.errors import InputError
from napari_decrappify.commands.words import (
    all_channels_of,
    command_line,
    device_option,
    input_options,
    options,
    path_of,
    window_option,
)
from napari_decrappify.layers.files.channels import channel_name
from napari_decrappify.workers.movies.restore import RestoreSettings
from napari_decrappify.workers.names import numbered, safe_name


def restore_command(
    settings: RestoreSettings,
    *,
    all_frames: bool,
    all_scenes: bool,
    n_frames: int,
    trust: bool = False,
    noise: Path | None = None,
) -> str:
    """Return the command that restores as the widget does.

    Parameters
    ----------
    settings : RestoreSettings
        Settings of the layer.
    all_frames : bool
        Whether all frames are restored.
    all_scenes : bool
        Whether every scene of the file is restored.
    n_frames : int
        Frames in a window of the model.
    trust : bool
        Whether the trust map of the result is computed, too.
    noise : Path, optional
        Noise model for the trust map; measured in the movie by default.

    Raises
    ------
    InputError
        If the layer has no file, its scene has channels that are not among the layers, trust maps of several scenes
        are required, or models are set for channels with the same name.
    """
    if trust and all_scenes:
        raise InputError("the command line computes the trust map of one scene; untick Trust map, or All scenes")
    image = settings.image
    own_names = [channel_name(each) for each in settings.images]
    if settings.models and len(set(own_names)) < len(own_names):
        raise InputError(
            "channels of this file have the same name, and a command line sets models by name; choose one model for all"
        )
    source = all_channels_of(settings.channels) if settings.channels else path_of(image)
    models = [f"{channel}={model}" for channel, model in settings.models.items()] + [str(settings.model)]
    name = f"{safe_name(source.name if all_scenes else settings.name)}-{safe_name(settings.model_name)}"
    free = (settings.folder / f"{each}.ome.zarr" for each in numbered(name))
    output = next(path for path in free if not path.exists())
    channels = input_options(image, all_channels=bool(settings.channels), all_scenes=all_scenes)
    if settings.channel is not None:
        channels += options(channel=settings.channel)
    return command_line(
        "decrappify",
        "restore",
        source,
        output,
        *(word for model in models for word in ("--model", model)),
        *channels,
        *options(
            frames=None if all_frames else f"{settings.first}:{settings.stop}",
            fidelity=settings.fidelity,
            window_axis=window_option(image, n_frames),
            device=device_option(settings.device),
            trust=trust,
            noise=noise if trust else None,
        ),
    )
