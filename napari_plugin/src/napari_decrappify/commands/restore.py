"""Command line of the Restore widget."""

from __future__ import annotations

from napari_decrappify.commands.words import command_line, input_options, options, path_of
from napari_decrappify.workers.names import numbered, safe_name
from napari_decrappify.workers.restore import RestoreSettings


def restore_command(settings: RestoreSettings, *, all_frames: bool, all_scenes: bool, n_frames: int) -> str:
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

    Raises
    ------
    InputError
        If the layer has no file.
    """
    image = settings.image
    source = path_of(image)
    models = [f"{channel}={model}" for channel, model in settings.models.items()] + [str(settings.model)]
    name = f"{safe_name(source.name if all_scenes else settings.name)}-{safe_name(settings.model_name)}"
    free = (settings.folder / f"{each}.ome.zarr" for each in numbered(name))
    output = next(path for path in free if not path.exists())
    is_stack = image.sizes.get("T", 1) == 1 and image.sizes.get("Z", 1) > 1
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
            window_axis="Z" if is_stack and n_frames > 1 else None,
            device=None if settings.device == "auto" else settings.device,
        ),
    )
