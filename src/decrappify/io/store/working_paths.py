"""Paths of unfinished outputs, without imports of locks or writers, since readers also need them."""

from __future__ import annotations

import os
from pathlib import Path

STORE = "store.ome.zarr"  # name of the growing store in the working folder
_LONGEST_NAME = 247  # bytes; with ".partial" 255, the limit of common file systems


def working_path(output: Path) -> Path:
    """Return the path of an output's working folder; a name too long for the suffix is replaced by its digest."""
    raw = os.fsencode(output.name)
    if len(raw) <= _LONGEST_NAME:
        return output.with_name(f"{output.name}.partial")
    from hashlib import sha256

    return output.with_name(f".{sha256(raw).hexdigest()}.partial")


def partial_path(path: str | os.PathLike[str]) -> Path:
    """Return the path of the growing OME-Zarr store of a restoration; it can be opened while it grows.

    >>> partial_path("results/cells.ome.zarr").as_posix()
    'results/cells.ome.zarr.partial/store.ome.zarr'
    """
    return working_path(Path(path)) / STORE
