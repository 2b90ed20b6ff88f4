"""TOML files of calibrated intervals."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from decrappify._common.toml import to_toml
from decrappify.crappify.files import read_document, write_document
from decrappify.errors import FormatError

KIND = "decrappify intervals, version 1"


def check_output(path: Path, *, overwrite: bool) -> None:
    """Raise if intervals cannot be written to `path`: another suffix, an existing file, or a missing folder."""
    from decrappify.io.store.outputs import check_output as check_file

    _check_suffix(path)
    check_file(path, overwrite=overwrite)


def read_intervals(path: Path) -> dict[str, Any]:
    """Read the table of a file of intervals.

    Raises
    ------
    MissingFileError, FormatError
        If the file does not exist, or is of another kind.
    """
    _check_suffix(path)
    table: dict[str, Any] = read_document(path, "interval file", "write it with calibrate-intervals")
    if table.get("kind") != KIND:
        raise FormatError(
            f"{path} does not contain intervals of this version, expected kind = {KIND!r}; calibrate again"
        )
    return table


def write_intervals(table: Mapping[str, Any], path: Path, *, overwrite: bool) -> Path:
    """Write plain values atomically."""
    _check_suffix(path)
    return write_document(to_toml({"kind": KIND} | dict(table)), path, overwrite=overwrite)


def _check_suffix(path: Path) -> None:
    if path.suffix.lower() != ".toml":
        raise FormatError(f"{path} has the suffix of another format; an interval file ends in .toml")
