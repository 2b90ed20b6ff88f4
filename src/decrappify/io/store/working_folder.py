"""Working folder ``OUT.partial`` of a growing output, with a marker file of this package."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from decrappify._common.argument_names import setting
from decrappify._common.files.atomic import sync_folder
from decrappify.errors import OutputError, OutputExistsError
from decrappify.io.store.durable import read_json, write_json
from decrappify.io.store.locks import OutputLock
from decrappify.io.store.working_paths import working_path

logger = logging.getLogger(__name__)

MARKER = "run.json"
_FORMAT = "decrappify working folder 1"
_OWN = ("format", "output", "token", "run_key")


class WorkingFolder:
    """The working folder of an output; to be used while its lock is held.

    A folder of that name without the marker of this package, or with the marker of another output, is neither written
    to nor deleted.

    Parameters
    ----------
    lock : OutputLock
        The lock on the output.
    run_key : str
        Digest of everything that determines the content of the output.
    overwrite : bool
        Whether the unfinished output of another run may be discarded.

    Attributes
    ----------
    path : Path
        The folder; it exists after `create`, and before it if `continues`.
    continues : bool
        Whether the folder exists and has the same `run_key`.
    about : dict
        Values recorded by `create` and `describe`.

    Raises
    ------
    OutputError
        If the folder's name is used by another file or folder.
    OutputExistsError
        If it belongs to another run, and `overwrite` is False.
    """

    def __init__(self, lock: OutputLock, run_key: str, *, overwrite: bool) -> None:
        self._lock, self._run_key = lock, run_key
        self.path = working_path(lock.target)
        self.about: dict[str, Any] = {}
        self.continues = False
        lock.unfinished = self.path
        if not os.path.lexists(self.path):
            return
        found = {} if self.path.is_symlink() else read_json(self.path / MARKER)
        if found.get("format") != _FORMAT or found.get("output") != lock.target.name:
            raise OutputError(
                f"{self.path} is not the working folder of a run that writes {lock.target.name}; rename it, or choose "
                "another output"
            )
        self.continues = found.pop("run_key", None) == run_key
        self.about = {name: value for name, value in found.items() if name not in _OWN} if self.continues else {}
        if not self.continues and not overwrite:
            raise OutputExistsError(
                f"{self.path} contains the unfinished output of another run (other input, model or settings); repeat "
                f"that run to finish it, or discard it with {setting('overwrite', True)}"
            )

    def create(self, about: Mapping[str, Any] | None = None) -> None:
        """Create an empty folder; an unfinished output in it is discarded."""
        self.remove()
        new = self._lock.temporary("new")
        new.mkdir()
        self.about = dict(about or {})
        write_json(new / MARKER, self._marker())
        new.rename(self.path)
        sync_folder(self.path.parent)
        self.continues = False

    def check_exists(self) -> None:
        """Raise OutputError if the folder was deleted or renamed after it was created or found.

        A chunk creates the folders above it, so that writing into a deleted store does not fail.
        """
        if not (self.path / MARKER).exists():
            raise OutputError(
                f"the unfinished output {self.path} was deleted or renamed while it was written; delete what is left "
                "of it, and repeat the run"
            )

    def describe(self, about: Mapping[str, Any]) -> None:
        """Replace the values recorded with the marker."""
        self.about = dict(about)
        write_json(self.path / MARKER, self._marker())

    def empty_folder(self, name: str) -> Path:
        """Create an empty folder in the working folder."""
        folder = self.path / name
        self._lock.dispose(folder)
        folder.mkdir()
        return folder

    def remove(self) -> None:
        """Delete the folder."""
        self._lock.dispose(self.path)

    def remove_finished(self) -> None:
        """Delete the folder when the output is complete; an error is only logged as a warning."""
        try:
            self.remove()
        except OSError as error:
            logger.warning("%s is complete, but its working folder %s could not be deleted completely (%s); "
                           "delete it", self._lock.target.name, self.path, error.strerror)  # fmt: skip

    def _marker(self) -> dict[str, Any]:
        return {
            "format": _FORMAT,
            "output": self._lock.target.name,
            "token": secrets.token_hex(16),
            "run_key": self._run_key,
            **self.about,
        }


def unfinished_output(path: Path) -> Path | None:
    """Return the output that a working folder, or the growing store in one, is for; None for any other path."""
    for folder in (path, path.parent):
        found = read_json(folder / MARKER)
        name = found.get("output")
        if found.get("format") == _FORMAT and isinstance(name, str):
            return folder.parent / name
    return None


def key_of(lock: OutputLock) -> str | None:
    """Return the key of the run of an existing working folder, None if absent or not of this package."""
    found = marker_of(lock)
    return str(found.get("run_key")) if found else None


def marker_of(lock: OutputLock) -> dict[str, Any]:
    """Return the record of the run of an existing working folder, empty if absent or not of this package."""
    folder = working_path(lock.target)
    found = {} if folder.is_symlink() or not folder.is_dir() else read_json(folder / MARKER)
    is_ours = found.get("format") == _FORMAT and found.get("output") == lock.target.name
    return found if is_ours else {}
