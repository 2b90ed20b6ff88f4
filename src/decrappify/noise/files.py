"""TOML files of noise models."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from decrappify._common.argument_names import setting
from decrappify._common.atomic import write_file
from decrappify._common.checks import reason, toml_table
from decrappify.errors import FormatError, MissingFileError, OutputError, OutputExistsError
from decrappify.limits.files import check_regular


def check_output(path: Path, *, overwrite: bool) -> None:
    """Raise if a noise model cannot be written to `path`: another suffix, or an existing file."""
    if path.suffix.lower() != ".toml":
        raise FormatError(f"{path} is not a noise model file name; needs the suffix .toml")
    if path.exists() and not overwrite:
        raise OutputExistsError(f"{path} exists; pass {setting('overwrite', True)} to replace it")


def read_tables(path: Path) -> dict[str, Any]:
    """Read a TOML file."""
    check_regular(path)
    if not path.is_file():
        raise MissingFileError(f"noise model file {path} does not exist; check the path, or write it with calibrate")
    try:
        return toml_table(path.read_text(encoding="utf-8-sig"))
    except (ValueError, OSError) as error:
        raise FormatError(f"{path} is not a valid TOML file: {reason(error)}") from error


def write_tables(table: Mapping[str, Any], path: Path, *, overwrite: bool) -> Path:
    """Write plain values, tables and lists of tables atomically."""
    check_output(path, overwrite=overwrite)
    try:
        write_file(
            path, to_toml(table).encode(), temporary=path.with_name(f".{path.name}.{secrets.token_hex(16)}.partial")
        )
    except OSError as error:
        raise OutputError(f"{path} could not be written: {error.strerror}; choose another folder") from error
    return path


def to_toml(table: Mapping[str, Any]) -> str:
    """Return TOML text: plain values, then one table per dictionary.

    >>> print(to_toml({"a": 1.5, "b": {"valid": True}}), end="")
    a = 1.5
    <BLANKLINE>
    [b]
    valid = true
    """
    lines = [f"{key} = {_text(value)}" for key, value in table.items() if not _is_table(value)]
    for key, value in table.items():
        if isinstance(value, Mapping):
            lines += ["", f"[{key}]", *_items(value)]
        elif _is_table(value):
            for one in value:
                lines += ["", f"[[{key}]]", *_items(one)]
    return "\n".join(lines) + "\n"


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping) or (isinstance(value, list) and bool(value) and isinstance(value[0], Mapping))


def _items(table: Mapping[str, Any]) -> list[str]:
    return [f"{key} = {_text(value)}" for key, value in table.items()]


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_text, value)) + "]"
    if isinstance(value, str):  # the escapes of JSON are valid in TOML, which also requires one for DEL
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower() if isinstance(value, bool) else repr(value)
