"""Atomic and synchronized writes of small files."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from pathlib import Path

_NO_FOLDER_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF, errno.EISDIR}  # some network shares


def write_file(path: Path, content: bytes, *, temporary: Path | None = None, sync: bool = True) -> None:
    """Write a small file atomically: readers find either the old or the new content, also after a crash.

    Parameters
    ----------
    path : Path
        The file, replaced if it exists.
    content : bytes
        The new content.
    temporary : Path, optional
        Name of the unfinished file, in the same folder; by default ``<name>.partial``.
    sync : bool
        Whether to wait until content and name are on the disk.

    Raises
    ------
    OSError
        If it could not be written; the unfinished file is deleted.
    """
    if temporary is None:
        temporary = path.with_name(f"{path.name}.partial")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    if sync:
        sync_folder(path.parent)


def sync_file(path: Path) -> None:
    """Wait until the content of a file is on the disk."""
    descriptor = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Wait until the names in a folder are on the disk, if the system supports it (Windows does not)."""
    if sys.platform == "win32":
        return
    try:
        sync_file(path)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
