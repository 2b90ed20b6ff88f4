"""Command line of the Train widget: a run file, and the command that uses it."""

from __future__ import annotations

import json
from pathlib import Path

from decrappify.errors import InputError
from napari_decrappify.commands.words import command_line, input_options, path_of
from napari_decrappify.layers.image import LayerImage
from napari_decrappify.workers.models.calibrate import CalibrationSettings
from napari_decrappify.workers.models.train import TrainSettings
from napari_decrappify.workers.names import numbered, safe_name


def train_command(settings: TrainSettings) -> tuple[str, Path]:
    """Write a run file and its crappifier into the output folder, and return the command that uses it, and its path.

    Raises
    ------
    InputError
        If a layer has no file, or is one of several scenes or channels of it.
    """
    data = _data(settings)
    names = (name for name in numbered(settings.name) if not (settings.folder / f"{name}.toml").exists())
    path = settings.folder / f"{next(names)}.toml"
    lines = [f"output = {_toml(settings.folder / path.stem)}"]
    if settings.start_from is not None:
        lines.append(f"start_from = {_toml(settings.start_from)}")
    if settings.crappifier is not None:
        crappifier = settings.crappifier.save(path.with_name(f"{path.stem}-crappifier.toml"), overwrite=True)
        lines.append(f"crappifier = {_toml(crappifier.name)}")
    lines += ["", "[data]", data, "", "[training]"]
    lines += [
        f"network = {_toml(settings.network)}",
        f"n_frames = {settings.n_frames}",
        f"minutes = {settings.minutes}",
        f"device = {_toml(settings.device)}",
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return command_line("decrappify", "train", path), path


def calibrate_command(settings: CalibrationSettings) -> str:
    """Return the command that measures the noise of the file of a layer; raises InputError if it has none."""
    source = path_of(settings.low)
    output = source.with_name(f"{safe_name(source.name)}-noise.toml")
    high = [word for image in settings.high for word in ("--high", path_of(image))]
    return command_line("decrappify", "calibrate", source, *high, "-o", output, *input_options(settings.low))


def _data(settings: TrainSettings) -> str:
    """Return the line of the run file that names the training data."""
    if settings.crappifier is None:
        return f"pairs = {_toml(settings.source)}"
    if settings.source is not None:
        return f"high_res = {_toml(settings.source)}"
    return f"high_res = [{', '.join(_toml(_whole_file(image)) for image in settings.images)}]"


def _toml(value: object) -> str:
    r"""Return a value as a string of a TOML file.

    >>> _toml("C:\\data")
    '"C:\\\\data"'
    """
    return json.dumps(str(value), ensure_ascii=False)


def _whole_file(image: LayerImage) -> str:
    from decrappify.io import open_movie

    path, recorded = path_of(image), image.recorded
    if recorded.get("n_scenes", 1) > 1:
        raise InputError(f"{image.name} is one scene of several; export it for the command line")
    with open_movie(path) as movie:
        if movie.shape[1] > 1:
            raise InputError(
                f"{image.name} is one channel of several; export it for a training run on the command line"
            )
    return str(path)
