"""Paths of unfinished outputs, in a module that loads neither locks nor writers: readers need them too."""

from __future__ import annotations

import os
from pathlib import Path


def working_path(output: Path) -> Path:
    """Return the path of an output's working folder."""
    return output.with_name(f"{output.name}.partial")


def partial_path(path: str | os.PathLike[str]) -> Path:
    """Where a restoration keeps the growing OME-Zarr store of an output; it can be opened while it grows.

    >>> partial_path("results/cells.ome.zarr").as_posix()
    'results/cells.ome.zarr.partial/store.ome.zarr'
    """
    return working_path(Path(path)) / "store.ome.zarr"
