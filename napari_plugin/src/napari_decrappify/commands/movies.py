"""Command lines of the widgets Trust, Adapt and Batch, and of the page Model."""

from __future__ import annotations

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
from napari_decrappify.layers.files.channels import channel_names
from napari_decrappify.workers.models.adapt import AdaptSettings, free_folder
from napari_decrappify.workers.models.check import CheckSettings
from napari_decrappify.workers.movies.batch import SUMMARY, BatchSettings
from napari_decrappify.workers.movies.trust import TrustSettings


def trust_command(settings: TrustSettings) -> str:
    """Return the command that computes the trust map of a result.

    Raises
    ------
    InputError
        If the measured layers have no file, or are not all channels of one.
    """
    images = settings.measured
    source = all_channels_of(images) if len(images) > 1 else path_of(images[0])
    given = input_options(images[0], all_channels=len(images) > 1)
    if settings.channel is not None:
        given += options(channel=settings.channel)
    return command_line("decrappify", "trust", settings.restored, source, *given, *options(noise=settings.noise))


def check_command(settings: CheckSettings, *, n_frames: int) -> str:
    """Return the command that checks a model on the file of a layer.

    Parameters
    ----------
    settings : CheckSettings
        Settings of the page.
    n_frames : int
        Frames in a window of the model.

    Raises
    ------
    InputError
        If the layer has no file, or only a part of its frames is checked.
    """
    run = settings.run
    image = run.image
    source = path_of(image)
    if (run.first, run.stop) != (0, image.sizes.get("T", 1)):
        raise InputError("the command line checks all frames; select all frames on the page Restore")
    given = input_options(image)
    if run.channel is not None:
        given += options(channel=run.channel)
    return command_line(
        "decrappify",
        "check",
        source,
        *options(model=run.models.get(channel_names(run.images)[0], run.model)),
        *given,
        *options(noise=settings.noise, window_axis=window_option(image, n_frames), device=device_option(run.device)),
    )


def adapt_command(settings: AdaptSettings) -> str:
    """Return the command that adapts a model to the file of a layer; raises InputError if it has none."""
    source = path_of(settings.image)
    given = input_options(settings.image)
    if settings.channel is not None:
        given += options(channel=settings.channel)
    return command_line(
        "decrappify",
        "adapt",
        source,
        *options(model=settings.model, output=free_folder(settings), minutes=f"{settings.minutes:g}"),
        *given,
        *options(noise=settings.noise, device=device_option(settings.device)),
    )


def batch_command(settings: BatchSettings) -> str:
    """Return the command that restores the files of a batch, and writes the same summary.

    Raises
    ------
    InputError
        If there are no inputs or no model.
    """
    models = [model for model in (settings.movie_model, settings.still_model) if model is not None]
    if not settings.paths:
        raise InputError("no inputs; add a folder or files")
    if not models:
        raise InputError("no model is chosen; choose one for movies, for single images, or both")
    return command_line(
        "decrappify",
        "restore",
        *settings.paths,
        *(word for model in models for word in options(model=model)),
        *options(
            output_dir=settings.folder,
            name="{stem}" + settings.suffix,
            scene="all" if settings.all_scenes else None,
            recursive=settings.recursive,
            summary=settings.folder / SUMMARY,
            device=device_option(settings.device),
        ),
    )
