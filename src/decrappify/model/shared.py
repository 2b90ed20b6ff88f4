"""Folders of models that several users share, such as those of an imaging core."""

from __future__ import annotations

import os
import sys
import tomllib
from pathlib import Path

from decrappify._common.checks import reason, short
from decrappify.errors import InputError

VARIABLE = "DECRAPPIFY_MODELS"
IN_RUN_FOLDER = "model.safetensors"
_CONFIG = Path("decrappify") / "config.toml"


def model_folders() -> list[Path]:
    """Return the folders of shared models, in the order in which a name is searched.

    They are those of the environment variable ``DECRAPPIFY_MODELS``, separated like those of ``PATH``; without it,
    those of the entry ``models`` of the first configuration file that exists, see `config_files`. Folders that do not
    exist, such as those of a drive that is not mounted, are included.

    Raises
    ------
    InputError
        If the configuration file is not valid.
    """
    listed = os.environ.get(VARIABLE, "")
    if listed:
        return [Path(each).expanduser() for each in listed.split(os.pathsep) if each]
    path = next((each for each in config_files() if each.is_file()), None)
    return [] if path is None else _configured(path)


def shared_models() -> dict[str, Path]:
    """Return the models in the shared folders: name to file.

    ``NAME.safetensors`` and ``NAME/model.safetensors`` (a training run) have the name NAME; of equal names, the first
    is used.

    Raises
    ------
    InputError
        If the configuration file is not valid.
    """
    found: dict[str, Path] = {}
    for folder in model_folders():
        for name, path in sorted(_models_in(folder).items()):
            found.setdefault(name, path)
    return found


def config_files() -> list[Path]:
    """Return the configuration files that may exist: of the user, of this Python environment, and of the computer."""
    if sys.platform == "win32":
        own = Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming")
        common = Path(os.environ.get("PROGRAMDATA") or "C:/ProgramData")
    else:
        own = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
        common = Path("/etc")
    return [own / _CONFIG, Path(sys.prefix) / "etc" / _CONFIG, common / _CONFIG]


def _configured(path: Path) -> list[Path]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({reason(error)}), expected a TOML file; correct it") from error
    unknown = sorted(set(values) - {"models"})
    if unknown:
        raise InputError(f"{path} has an entry {unknown[0]!r}, expected only 'models', the folder of models; remove it")
    given = values.get("models", [])
    folders = [given] if isinstance(given, str) else given
    if not isinstance(folders, list) or not all(isinstance(each, str) for each in folders):
        raise InputError(f"{path} has the models {short(given)}, expected a folder in quotes, or a list of folders")
    return [path.parent / Path(each).expanduser() for each in folders]


def _models_in(folder: Path) -> dict[str, Path]:
    """Return the models in a folder by name; empty if it cannot be read."""
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return {}
    files = {each.stem: each for each in entries if each.suffix == ".safetensors" and each.is_file()}
    runs = {each.name: each / IN_RUN_FOLDER for each in entries if (each / IN_RUN_FOLDER).is_file()}
    return {name: path for name, path in (runs | files).items() if not name.startswith(".")}
