"""TOML files of noise models, and of others with the same rules."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from decrappify._common.files.toml import to_toml
from decrappify.crappify.files import read_document, write_document
from decrappify.errors import FormatError

_KIND = "noise model file"


def check_output(path: Path, *, overwrite: bool, kind: str = _KIND) -> None:
    """Raise if a file cannot be written to `path`: another suffix, an existing file, or a missing folder."""
    from decrappify.io.store.outputs import check_output as check_file

    _check_suffix(path, kind)
    check_file(path, overwrite=overwrite)


def read_tables(path: Path, kind: str = _KIND, command: str = "calibrate") -> dict[str, Any]:
    """Read a TOML file; `kind` and the command that writes it are in messages."""
    _check_suffix(path, kind)
    table: dict[str, Any] = read_document(path, kind, f"write it with {command}")
    return table


def write_tables(table: Mapping[str, Any], path: Path, *, overwrite: bool, kind: str = _KIND) -> Path:
    """Write plain values, tables and lists of tables atomically."""
    _check_suffix(path, kind)
    return write_document(to_toml(table), path, overwrite=overwrite)


def _check_suffix(path: Path, kind: str) -> None:
    if path.suffix.lower() != ".toml":
        article = "an" if kind[0] in "aeiou" else "a"
        raise FormatError(f"{path} has the suffix of another format; {article} {kind} ends in .toml")
