"""Crappifier files in TOML and JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from decrappify._common.argument_names import setting
from decrappify._common.atomic import write_file
from decrappify._common.checks import json_value, reason, toml_table
from decrappify.errors import FormatError, MissingFileError, OutputError, OutputExistsError
from decrappify.limits.files import check_regular


def read_table(path: Path) -> dict[str, Any]:
    """Read a ``.toml`` or ``.json`` file of one table."""
    _check_suffix(path)
    check_regular(path)
    if not path.is_file():
        raise MissingFileError(f"crappifier file {path} does not exist; check the path, or use the name of a preset")
    try:
        text = path.read_text(encoding="utf-8-sig")
        table = toml_table(text) if path.suffix.lower() == ".toml" else json_value(text)
    except (ValueError, OSError) as error:
        raise FormatError(f"{path} is not a valid {path.suffix[1:].upper()} file: {reason(error)}") from error
    if not isinstance(table, dict):
        raise FormatError(f"{path} holds a {type(table).__name__}, needs one table with 'steps'")
    return table


def write_table(table: Mapping[str, Any], path: Path, *, overwrite: bool = False) -> Path:
    """Write a crappifier's plain values atomically."""
    _check_suffix(path)
    if path.exists() and not overwrite:
        raise OutputExistsError(f"{path} exists; pass {setting('overwrite', True)} to replace it")
    text = to_toml(table) if path.suffix.lower() == ".toml" else json.dumps(table, indent=2) + "\n"
    import secrets

    partial = path.with_name(f".{path.name}.{secrets.token_hex(16)}.partial")
    try:
        write_file(path, text.encode(), temporary=partial)
    except OSError as error:
        raise OutputError(f"{path} could not be written: {error.strerror}; choose another folder") from error
    return path


def to_toml(table: Mapping[str, Any]) -> str:
    """Return the TOML text of a crappifier: its plain keys, then one ``[[steps]]`` table per step."""
    lines = [f"{key} = {_toml_value(value)}" for key, value in table.items() if key != "steps"]
    if not table["steps"]:
        lines.append("steps = []")
    for step in table["steps"]:
        lines += ["", "[[steps]]", *(f"{key} = {_toml_value(value)}" for key, value in step.items())]
    return "\n".join(lines).lstrip("\n") + "\n"


def _toml_value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_toml_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml_value(item) for item in value) + "]"
    if isinstance(value, str):  # the escapes of JSON are valid in TOML, which also requires one for DEL
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _check_suffix(path: Path) -> None:
    if path.suffix.lower() not in (".toml", ".json"):
        raise FormatError(f"{path} is not a crappifier file name; needs the suffix .toml or .json")
