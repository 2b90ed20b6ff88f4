"""Command lines of the widgets Compare, Colorize, Scenes, and of the export."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from decrappify.errors import InputError
from napari_decrappify.commands.words import command_line, device_option, input_options, options, path_of, same_file
from napari_decrappify.layers.image import LayerImage
from napari_decrappify.workers.movies.colorize import ColorizeSettings
from napari_decrappify.workers.movies.compare import CompareSettings
from napari_decrappify.workers.names import safe_name


def info_command(path: Path) -> str:
    """Return the command that lists the scenes of a file."""
    return command_line("decrappify", "info", path)


def compare_command(settings: CompareSettings) -> str:
    """Return the command that restores the input with the same model, and compares the result with the reference.

    Raises
    ------
    InputError
        If a layer has no file, or the restored layer was not computed by the Restore widget.
    """
    model = settings.restored.recorded.get("model_file")
    if settings.source is None or model is None:
        raise InputError(
            "the command line compares a model on an input; choose the input, and a result of the Restore widget"
        )
    others = [] if settings.reference is None else [path_of(settings.reference)]
    return command_line("decrappify", "benchmark", path_of(settings.source), *others, "--model", model)


def colorize_command(settings: ColorizeSettings) -> str:
    """Return the command that colorizes the file of a layer; raises InputError if it has none."""
    source = path_of(settings.image)
    return command_line(
        "decrappify",
        "colorize",
        source,
        source.with_name(f"{safe_name(source.name)}-colorized{source.suffix}"),
        *options(
            model=settings.model,
            render_factor=settings.render_factor,
            fidelity=settings.fidelity,
            watermark=settings.watermark,
            device=device_option(settings.device),
        ),
    )


def export_command(images: Sequence[LayerImage], path: Path) -> str:
    """Return a command that writes layers of one file, one of its channels or all, into another format.

    Raises
    ------
    InputError
        If the layers are of several files or scenes.
    """
    source = same_file(images)
    scenes = {str(image.recorded.get("scene", 0)) for image in images}
    if len(scenes) > 1:
        raise InputError("the layers are of several scenes; choose those of one scene for a command line")
    given = input_options(images[0], all_channels=len(images) > 1)
    arguments = [repr(str(source))]
    if "--scene" in given:
        arguments.append(f"scene={images[0].recorded['scene']!r}")
    if "--channel" in given:
        arguments.append(f"channel={int(images[0].recorded['channel'])}")
    code = f"import decrappify as dc; dc.save_movie(dc.open_movie({', '.join(arguments)}), {str(path)!r})"
    return command_line("python", "-c", code)
