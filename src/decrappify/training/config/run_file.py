"""Run files: a training run as TOML, so that one command reproduces a model."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import replace
from inspect import signature
from pathlib import Path
from typing import Any

from decrappify._common.argument_names import argument
from decrappify._common.checks import ESCAPES, nearest, reason, short, toml_table
from decrappify.crappify import Crappifier
from decrappify.errors import InputError, MissingFileError
from decrappify.limits.files import check_regular
from decrappify.model import Model
from decrappify.training.config.nogan import NoganConfig
from decrappify.training.config.options import DataOptions, RunOptions
from decrappify.training.config.presets import nogan_preset
from decrappify.training.config.supervised import TrainingConfig
from decrappify.training.data.training_data import Split, TrainingData, read_training_data
from decrappify.training.nogan.api import train_nogan
from decrappify.training.supervised.api import train

# Every key, its type and the name of the type; values that are checked elsewhere are of any type.
_KEYS: dict[str, tuple[Any, str]] = {
    "output": (str, "a string"),
    "start_from": (str, "a string"),
    "data": (Mapping, "a table [data]"),
    "crappifier": ((str, Mapping), "a preset's name, a file or a table"),
    "training": (Mapping, "a table [training]"),
    "network": (Mapping, "a table [network]"),
    "nogan": (Mapping, "a table [nogan]"),
    "critic_from": (str, "a string"),
    "card": (Mapping, "a table [card]"),
}
_DATA_KEYS: dict[str, tuple[Any, str]] = {
    "high_res": (object, "paths"),
    "simulated": (list, "tables [[data.simulated]]"),
    "pairs": ((str, list), "a folder, two folders or a list of pairs"),
    "validation": (object, "paths"),
    "time_axis": (str, "'T' or 'Z'"),
    "still_motion_px": (list, "two speeds such as [0.0, 2.0]"),
    "shrink": (list, "factors such as [1, 2]"),
    "folder": (str, "a string"),
    "folder_as": (str, "'auto', 'movie' or 'images'"),
}


def train_from_file(
    path: Path,
    *,
    output: Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    device: str | None = None,
    folder_as: str | None = None,
    minutes: float | None = None,
    progress: Any = None,
    cancel: threading.Event | None = None,
) -> tuple[Model, Path]:
    """Train with the settings of a TOML file, and return the model and its run folder.

    Paths in the file are relative to the file, or to ``data.folder`` (in which ``$NAME`` is an environment variable).
    Tables: ``[data]`` (high_res and ``[[data.simulated]]``, or pairs; validation, time_axis, still_motion_px, shrink,
    folder, folder_as), ``[training]`` (fields of `TrainingConfig`), ``[network]``, ``[card]``; keys: output,
    start_from, and crappifier (a preset's name, a file, or a table). In place of ``[training]`` and ``[network]`` a
    NoGAN run has ``[nogan]`` (``preset`` and fields of `NoganConfig`), and may have critic_from. `minutes` replaces
    the length in the file, and `device` and `folder_as` the settings of that name. `cancel` stops the run.
    """
    values = _read(path)
    _check_table(values, _KEYS, path, "at the top")
    data = values.get("data", {})
    _check_table(data, _DATA_KEYS, path, "in [data]")
    folder = _data_folder(data.get("folder"), path)
    run_folder = output or path.parent / values.get("output", f"runs/{path.stem}")
    start_from = values.get("start_from")
    options = _data_options(data, folder, folder_as)
    arguments: dict[str, Any] = {
        "pairs": _pairs(data.get("pairs"), folder),
        "data": options,
        "output": run_folder,
        "start_from": None if start_from is None else _model_source(start_from, path),
        "run": RunOptions(
            resume=resume, overwrite=overwrite, card=values.get("card", {}), progress=progress, cancel=cancel
        ),
    }
    images = _high_res(data, folder, path), _crappifier(values.get("crappifier"), path)
    if "nogan" in values:
        if minutes is not None:
            raise InputError(
                f"{argument('minutes')} is set for the NoGAN run {path}, whose length is set by items; remove it"
            )
        nogan = _nogan(values, path, device)
        critic_from = values.get("critic_from")
        critic = None if critic_from is None else path.parent / critic_from
        return train_nogan(*images, config=nogan, critic_from=critic, **arguments), run_folder
    if "critic_from" in values:
        raise InputError(f"critic_from of {path} belongs to a NoGAN run, expected a table [nogan]")
    config = TrainingConfig.from_dict(values.get("training", {}))
    config = replace(config, network_settings=values.get("network", {}), device=device or config.device)
    if minutes is not None:
        config = replace(config, minutes=minutes, max_steps=None)
    return train(*images, config=config, **arguments), run_folder


def data_from_file(path: Path, crappifier: Crappifier | None = None) -> TrainingData:
    """Read the training data of the run file of a restoration model, as `train_from_file` does, without training.

    `crappifier` replaces that of the file, of which a preset may have changed since a model was trained.
    """
    values = _read(path)
    _check_table(values, _KEYS, path, "at the top")
    data = values.get("data", {})
    _check_table(data, _DATA_KEYS, path, "in [data]")
    folder = _data_folder(data.get("folder"), path)
    config = TrainingConfig.from_dict(values.get("training", {}))
    split = Split(
        n_frames=config.n_frames,
        validation_fraction=config.validation_fraction,
        options=_data_options(data, folder, None),
    )
    images = _high_res(data, folder, path), crappifier or _crappifier(values.get("crappifier"), path)
    return read_training_data(*images, _pairs(data.get("pairs"), folder), split)


def _data_options(data: Mapping[str, Any], folder: Path, folder_as: str | None) -> DataOptions:
    return DataOptions(
        validation=(_pairs if "pairs" in data else _resolve)(data.get("validation"), folder),
        folder_as=folder_as or data.get("folder_as", "auto"),
        **{key: data[key] for key in ("time_axis", "still_motion_px", "shrink") if key in data},
    )


def _read(path: Path) -> dict[str, Any]:
    check_regular(path)
    if not path.is_file():
        raise MissingFileError(f"{path} does not exist, expected a TOML file that describes the run")
    try:
        return toml_table(path.read_text(encoding="utf-8-sig"))  # Windows editors write a byte order mark
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not valid TOML: the text is not UTF-8 (byte {error.start}); save it as UTF-8"
        ) from error
    except ValueError as error:
        raise InputError(f"{path} is not valid TOML: {reason(error)}") from error


def _nogan(values: Mapping[str, Any], path: Path, device: str | None) -> NoganConfig:
    for key in ("training", "network"):
        if key in values:
            raise InputError(f"{path} has both [nogan] and [{key}]; put its settings into [nogan]")
    table = dict(values["nogan"])
    preset = table.pop("preset", "microscopy")
    if not isinstance(preset, str):
        raise InputError(f"preset of [nogan] in {path} is {short(preset)}, expected a string")
    base = nogan_preset(preset)
    config = NoganConfig.from_dict(table, base)
    return config if device is None else replace(config, device=device)


def _check_table(values: Mapping[str, Any], known: Mapping[str, tuple[Any, str]], path: Path, where: str) -> None:
    for key, value in values.items():
        if key not in known:
            hint = nearest(key, known, f", expected some of {', '.join(known)}")
            raise InputError(f"unknown key {short(key)} {where} of {path}{hint}")
        kind, called = known[key]
        if not isinstance(value, kind):
            raise InputError(f"{key} of {path} is {short(value)}, expected {called}")


def _data_folder(given: str | None, path: Path) -> Path:
    if given is None:
        return path.parent
    expanded = os.path.expandvars(given)
    if "$" in expanded:
        raise InputError(f"data.folder of {path} is {short(given)}, but that environment variable is not set")
    return path.parent / Path(expanded).expanduser()


def _resolve(given: Any, folder: Path) -> Any:
    if given is None:
        return None
    items = given if isinstance(given, list) else [given]
    if not all(isinstance(item, str) for item in items):
        raise InputError(f"data are {short(given)}, expected a path or a list of paths")
    for item in items:
        if not item.isprintable() and set(item) & set("\b\t\n\f\r"):
            raise InputError(f"data of a run are paths, found {short(item)}; {ESCAPES}")
    return [folder / item for item in given] if isinstance(given, list) else folder / given


def _high_res(data: Mapping[str, Any], folder: Path, path: Path) -> Any:
    """Return the files, and the noise-free movies of simulations; their tables contain the arguments of `simulate`."""
    files = _resolve(data.get("high_res"), folder)
    if "simulated" not in data:
        return files
    from decrappify.samples import simulate

    tables, known = data["simulated"], dict.fromkeys(signature(simulate).parameters, (object, ""))
    several = files if isinstance(files, list) else [] if files is None else [files]
    for table in tables:
        if not isinstance(table, Mapping):
            raise InputError(f"simulated of {path} is {short(tables)}, expected tables [[data.simulated]]")
        _check_table(table, known, path, "in [[data.simulated]]")
        try:
            several.append(simulate(**table).truth)
        except TypeError as error:
            raise InputError(
                f"[[data.simulated]] of {path} contains a value of the wrong type: {reason(error)}"
            ) from error
    return several


def _pairs(given: Any, folder: Path) -> Any:
    """Resolve the paths of one folder, two folders, or a list of (source, target)."""
    if given is None or isinstance(given, str):
        return _resolve(given, folder)
    if isinstance(given, list) and all(isinstance(item, list) for item in given):
        return [tuple(_resolve(pair, folder)) for pair in given]
    return tuple(_resolve(given, folder))


def _crappifier(given: Any, path: Path) -> Any:
    if isinstance(given, Mapping):
        return Crappifier.from_dict(dict(given))
    if isinstance(given, str) and Path(given).suffix in (".toml", ".json"):
        from decrappify.noise import load_crappifier

        return load_crappifier(path.parent / given)
    return given


def _model_source(given: str, path: Path) -> str | Path:
    beside = path.parent / given
    return beside if beside.is_file() else given
