"""Recognition of folders that are Zarr stores."""

from __future__ import annotations

from pathlib import Path

_DOCUMENTS = ("zarr.json", ".zgroup", ".zattrs", ".zarray")


def is_zarr_folder(path: Path) -> bool:
    """Return whether a folder has a metadata document of a Zarr store (version 2 or 3)."""
    return any((path / name).exists() for name in _DOCUMENTS)
