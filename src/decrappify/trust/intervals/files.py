"""TOML files of calibrated intervals."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from decrappify.errors import FormatError
from decrappify.noise import files

KIND = "decrappify intervals, version 1"
_FILE = "interval file"


def check_output(path: Path, *, overwrite: bool) -> None:
    """Raise if intervals cannot be written to `path`: another suffix, an existing file, or a missing folder."""
    files.check_output(path, overwrite=overwrite, kind=_FILE)


def read_intervals(path: Path) -> dict[str, Any]:
    """Read the table of a file of intervals.

    Raises
    ------
    MissingFileError, FormatError
        If the file does not exist, or is of another kind.
    """
    table = files.read_tables(path, _FILE, "calibrate-intervals")
    if table.get("kind") != KIND:
        raise FormatError(
            f"{path} does not contain intervals of this version, expected kind = {KIND!r}; calibrate again"
        )
    return table


def write_intervals(table: Mapping[str, Any], path: Path, *, overwrite: bool) -> Path:
    """Write plain values atomically."""
    return files.write_tables({"kind": KIND} | dict(table), path, overwrite=overwrite, kind=_FILE)
