"""Output paths: refused early, written under another name, renamed when complete."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from decrappify.errors import OutputError, OutputExistsError

ZARR_DOCUMENTS = ("zarr.json", ".zgroup", ".zattrs", ".zarray")  # one of them makes a folder a Zarr store
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT}


def check_output(path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Refuse an output path that cannot be written, before anything is computed.

    Raises
    ------
    OutputExistsError
        If `path` exists and `overwrite` is False.
    OutputError
        If its folder is missing or not writable, or `path` is itself a folder of other things than Zarr.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise OutputExistsError(
            f"{path} already exists; choose another name, or replace it with overwrite=True (--overwrite)"
        )
    if path.is_dir() and any(path.iterdir()) and not any((path / name).exists() for name in ZARR_DOCUMENTS):
        raise OutputError(f"{path} is a folder that holds other things, which is never replaced; choose another name")
    folder = path.absolute().parent
    if not folder.is_dir():
        raise OutputError(f"{path} cannot be written: there is no folder {folder}; create it first")
    if not os.access(folder, os.W_OK):
        raise OutputError(f"{path} cannot be written: no permission to write into {folder}; choose another folder")
    return path


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turn the system's write errors into one line that names the path and, on a full disk, the free space."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # one of ours, or a reader's, which says what it means
            raise
        if error.errno in _DISK_FULL:
            free = shutil.disk_usage(path.absolute().parent).free
            reason = f"the disk is full ({free / 1e6:.0f} MB free); free some space, or choose another disk"
        elif error.errno == errno.EFBIG:
            reason = "it is larger than the disk's format or your quota allows; choose another disk"
        else:
            reason = f"{error.strerror or error} ({error.filename or 'no file named'})"
        raise OutputError(f"{path} could not be written: {reason}") from error


@contextmanager
def atomic_output(path: str | os.PathLike[str], *, overwrite: bool = False) -> Iterator[Path]:
    """Give a temporary name beside `path` to write to; renamed to `path` on success, removed on any failure.

    The temporary name ends like `path`, for writers that choose the format by suffix.
    """
    path = check_output(path, overwrite=overwrite)
    partial = path.with_name(f".{path.name}.partial{path.suffix}")
    try:
        with output_errors(path):
            yield partial
            replace_output(partial, path)
    except BaseException:
        remove(partial)
        raise


def replace_output(partial: Path, path: Path) -> None:
    """Rename a finished file or folder to its final name; an old store there is renamed too, then deleted."""
    if path.is_dir() or (path.exists() and partial.is_dir()):
        remove(old_path(path))
        path.rename(old_path(path))
        partial.rename(path)
        remove(old_path(path))
    else:
        partial.replace(path)


def partial_path(path: str | os.PathLike[str]) -> Path:
    """Where a restoration keeps the growing OME-Zarr store of an output; it can be opened while it grows.

    >>> partial_path("results/cells.ome.zarr").name
    'cells.ome.zarr.partial'
    """
    path = Path(path)
    return path.with_name(f"{path.name}.partial")


def old_path(path: Path) -> Path:
    """Where a store that is being replaced waits for its deletion."""
    return path.with_name(f"{path.name}.old")


def remove(path: Path) -> None:
    """Delete a file or folder if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write a small JSON file so that a reader, or a crash, sees the old or the new one and nothing between."""
    temporary = path.with_name(f"{path.name}.partial")
    temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    temporary.replace(path)
