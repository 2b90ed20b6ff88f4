"""Crash-safe files and folders: atomic, synchronized writes, comparison, deletion, and conversion of write errors."""

from __future__ import annotations

import errno
import filecmp
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from decrappify._common.checks import json_value
from decrappify._common.files.atomic import sync_file, sync_folder, write_file
from decrappify.errors import OutputError

_DISK_FULL = {errno.ENOSPC, errno.EDQUOT}


def sync_files(paths: Iterable[Path], *, below: Path) -> None:
    """Wait until files, and the names of all folders from them up to `below`, are on the disk."""
    folders: set[Path] = set()
    for path in paths:
        sync_file(path)
        folder = path.parent
        while folder not in folders and folder.is_relative_to(below):
            folders.add(folder)
            folder = folder.parent
    for folder in folders:
        sync_folder(folder)


def write_json(path: Path, content: Any) -> None:
    """Write a small JSON file atomically: readers find either the old or the new content, also after a crash."""
    write_file(path, json_bytes(content))


def json_bytes(content: Any) -> bytes:
    """Return the content of a small JSON file; a file name in it that is not UTF-8 becomes a JSON escape."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return text.encode(errors="backslashreplace")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; return an empty one if the file is absent, damaged or not an object."""
    try:
        values = json_value(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def remove(path: Path) -> None:
    """Delete a file or folder if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def file_age(status: os.stat_result, folder: Path) -> float:
    """Return the seconds since the last change of a file in a folder, by the clock of the disk.

    On a network share, that is the server's clock, which may differ from this computer's. A time in the future, from a
    clock that was set back since, counts like one in the past.
    """
    try:
        with TemporaryFile(dir=folder) as file:
            now = os.fstat(file.fileno()).st_mtime
    except OSError:
        now = time.time()
    return abs(now - status.st_mtime)


def same_content(one: Path, other: Path) -> bool:
    """Return whether two files, or all files of two folders, are equal byte for byte."""
    if one.is_dir() != other.is_dir():
        return False
    if not one.is_dir():
        return filecmp.cmp(one, other, shallow=False)
    names = [{path.relative_to(root) for path in root.rglob("*") if not path.is_dir()} for root in (one, other)]
    return names[0] == names[1] and all(filecmp.cmp(one / name, other / name, shallow=False) for name in names[0])


def identity(path: Path) -> list[int] | None:
    """Return size and time of a file, or of a store's metadata; a rename keeps both. None if it does not exist."""
    try:
        status = (path / "zarr.json" if path.is_dir() else path).stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Raise OutputError for the system's write errors: one line with the path and, on a full disk, the free space."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # an error of this package or a reader, with its message
            raise
        if error.errno in _DISK_FULL:
            free = shutil.disk_usage(path.absolute().parent).free
            reason = f"the disk is full ({free / 1e6:.0f} MB free); free some space, or choose another disk"
        elif error.errno == errno.EFBIG:
            reason = "the file is larger than the disk's format or your quota allows; choose another disk"
        else:
            reason = f"{error.strerror or error}{f' ({error.filename})' if error.filename else ''}"
        raise OutputError(f"{path} could not be written: {reason}") from error
