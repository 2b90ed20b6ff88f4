"""TOML files of noise models."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from decrappify._common.toml import to_toml
from decrappify.crappify.files import read_document, write_document
from decrappify.errors import FormatError


def check_output(path: Path, *, overwrite: bool) -> None:
    """Raise if a noise model cannot be written to `path`: another suffix, an existing file, or a missing folder."""
    from decrappify.io.store.outputs import check_output as check_file

    _check_suffix(path)
    check_file(path, overwrite=overwrite)


def check_report(path: Path, *, overwrite: bool) -> None:
    """Raise if a report cannot be written to `path`: another suffix, an existing file, or a missing folder."""
    from decrappify.io.store.outputs import check_output as check_file

    if path.suffix.lower() not in (".html", ".htm"):
        raise FormatError(f"{path} has the suffix of another format; a report ends in .html")
    check_file(path, overwrite=overwrite)


def read_tables(path: Path) -> dict[str, Any]:
    """Read a TOML file."""
    _check_suffix(path)
    table: dict[str, Any] = read_document(path, "noise model file", "write it with calibrate")
    return table


def write_tables(table: Mapping[str, Any], path: Path, *, overwrite: bool) -> Path:
    """Write plain values, tables and lists of tables atomically."""
    _check_suffix(path)
    return write_document(to_toml(table), path, overwrite=overwrite)


def _check_suffix(path: Path) -> None:
    if path.suffix.lower() != ".toml":
        raise FormatError(f"{path} has the suffix of another format; a noise model file ends in .toml")
