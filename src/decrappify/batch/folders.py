"""Folders of outputs, created as they are needed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from decrappify.io.store.outputs import create_folder


def make_folders(folder: Path, root: Path) -> list[Path]:
    """Create the folder of an output; return the created folders, the innermost first."""
    missing = [each for each in (folder, *folder.parents) if not each.exists() and each.is_relative_to(root)]
    create_folder(folder)
    return missing


def remove_empty(folders: Sequence[Path]) -> None:
    """Remove folders that contain nothing, as no output was written."""
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()
