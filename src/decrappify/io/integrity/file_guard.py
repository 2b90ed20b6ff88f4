"""Detection of input files that were replaced, truncated or removed after they were opened."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from decrappify.errors import FormatError, MissingFileError
from decrappify.movie import FrameSource


def file_version(path: str | os.PathLike[str]) -> str | None:
    """Return a string that differs after a write, replacement or rename: size, times and inode; None if it is missing.

    It includes the time of the last change of the inode, which programs cannot set.
    """
    try:
        status = os.stat(path)  # noqa: PTH116  (for 64 chunks of a plane, creating the Paths takes half the time)
    except OSError:
        return None
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}-{status.st_ino}"


class FileGuard:
    """State of files at the time they were opened.

    Parameters
    ----------
    paths : iterable of path
        The files of one input.

    Raises
    ------
    MissingFileError
        If a file does not exist.
    """

    def __init__(self, paths: Iterable[str | os.PathLike[str]]) -> None:
        self._opened: dict[Path, tuple[int, int, int]] = {}
        for path in paths:
            self.add(path)

    @property
    def paths(self) -> tuple[Path, ...]:
        """Guarded files."""
        return tuple(self._opened)

    def add(self, path: str | os.PathLike[str]) -> None:
        """Guard a further file in its current state; the recorded state of a guarded file is not replaced."""
        path = Path(path)
        if path in self._opened:
            return
        try:
            self._opened[path] = _state(path)
        except OSError as error:
            raise MissingFileError(f"{path} cannot be opened ({error.strerror}); check the path") from error

    def check(self, path: str | os.PathLike[str] | None = None) -> None:
        """Raise FormatError if one of the files, or only `path`, is missing or has changed since it was opened."""
        for each in self._opened if path is None else (Path(path),):
            before = self._opened[each]
            try:
                now = _state(each)
            except OSError as error:
                raise FormatError(
                    f"{each} was removed after it was opened ({error.strerror}); restore it, or reconnect its disk, "
                    "and repeat the run"
                ) from error
            if now != before:
                how = f"{before[0]} bytes then, {now[0]} now" if now[0] != before[0] else f"{now[0]} bytes, rewritten"
                raise FormatError(
                    f"{each} was changed after it was opened ({how}), so its frames may not belong together; wait "
                    "until it is complete, and repeat the run"
                )


def _state(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ino


class GuardedSource(FrameSource):
    """Base class of sources that read files that must not change while they are open.

    A subclass sets ``_guard`` when it opens its files; the first of them contains all planes, unless the subclass
    overrides `version`.
    """

    _guard: FileGuard

    @property
    def files(self) -> tuple[Path, ...]:
        """Files that are read."""
        return self._guard.paths

    def version(self, t: int, c: int, z: int) -> str | None:
        """Return size, times and inode of the file."""
        return file_version(self._guard.paths[0])
