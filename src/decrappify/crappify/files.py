"""Crappifier files in TOML and JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from decrappify._common.argument_names import setting
from decrappify._common.checks import json_value, reason, toml_table
from decrappify._common.files.atomic import write_file
from decrappify._common.files.toml import to_toml
from decrappify.errors import FormatError, MissingFileError, OutputError, OutputExistsError
from decrappify.limits.files import check_regular


def read_table(path: Path) -> dict[str, Any]:
    """Read a ``.toml`` or ``.json`` file of one table."""
    _check_suffix(path)
    table = read_document(path, "crappifier file", "use the name of a preset")
    if not isinstance(table, dict):
        raise FormatError(f"{path} contains a {type(table).__name__}, expected one table with 'steps'")
    return table


def is_noise_model(table: Mapping[str, Any]) -> bool:
    """Return whether a table is the noise model of a calibration, in any version of the file."""
    return str(table.get("kind", "")).startswith("decrappify noise model")


def write_table(table: Mapping[str, Any], path: Path, *, overwrite: bool = False) -> Path:
    """Write a crappifier's plain values atomically."""
    _check_suffix(path)
    text = to_toml(table) if path.suffix.lower() == ".toml" else json.dumps(table, indent=2) + "\n"
    return write_document(text, path, overwrite=overwrite)


def read_document(path: Path, kind: str, otherwise: str) -> Any:
    """Read a TOML file, or a JSON file by its suffix; `kind` and `otherwise` are in the message if it is missing."""
    check_regular(path)
    if not path.is_file():
        raise MissingFileError(f"{kind} {path} does not exist; check the path, or {otherwise}")
    try:
        text = path.read_text(encoding="utf-8-sig")
        return json_value(text) if path.suffix.lower() == ".json" else toml_table(text)
    except (ValueError, OSError) as error:
        raise FormatError(f"{path} is not a valid {path.suffix[1:].upper()} file: {reason(error)}") from error


def check_new(path: Path, *, overwrite: bool) -> None:
    """Raise OutputExistsError if a file exists, unless `overwrite`."""
    if path.exists() and not overwrite:
        raise OutputExistsError(f"{path} exists; pass {setting('overwrite', True)} to replace it")


def write_document(text: str, path: Path, *, overwrite: bool) -> Path:
    """Write a text file atomically."""
    import secrets

    check_new(path, overwrite=overwrite)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(16)}.partial")
    try:
        write_file(path, text.encode(), temporary=partial)
    except OSError as error:
        raise OutputError(f"{path} could not be written: {error.strerror}; choose another folder") from error
    return path


def _check_suffix(path: Path) -> None:
    if path.suffix.lower() not in (".toml", ".json"):
        raise FormatError(f"{path} is not a crappifier file name, expected the suffix .toml or .json")
