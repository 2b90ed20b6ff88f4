"""Records of the outputs in a folder, as lines that several processes append."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from decrappify._common.checks import json_value
from decrappify.io.store.durable import identity

_FORMAT = "decrappify outputs 1"


class OutputRecord:
    """The outputs in a folder and the keys of their runs, in a hidden file of that folder.

    A line is appended for each output, so that processes that work on one folder do not replace each other's entries;
    a damaged line is ignored.

    Parameters
    ----------
    path : Path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._entries: dict[str, dict[str, Any]] = {}
        self._read_to = 0

    def contains(self, output: Path, run: str, version: str | None = None) -> bool:
        """Return whether the file lists this output, unchanged since, with the key of a run and version of its input.

        Without `version`, that of the input is not compared.
        """
        self._update()
        entry = self._entries.get(self._name(output))
        if entry is None or entry.get("run") != run or entry.get("identity") != identity(output):
            return False
        return version is None or entry.get("version") == version

    def add(self, output: Path, run: str, version: str | None = None) -> None:
        """Record an output; errors of writing are ignored, as that output is then restored again, or not recognized."""
        entry = {"output": self._name(output), "run": run, "version": version, "identity": identity(output)}
        line = b"\n" + json.dumps({"format": _FORMAT} | entry).encode() + b"\n"
        with suppress(OSError):
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                os.write(descriptor, line)
            finally:
                os.close(descriptor)

    def remove(self) -> None:
        """Delete the file."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
        self._entries, self._read_to = {}, 0

    def _name(self, output: Path) -> str:
        return os.path.relpath(output, self.path.parent)

    def _update(self) -> None:
        """Read the lines appended since the last call, by this process or another one."""
        try:
            with self.path.open("rb") as file:
                if os.fstat(file.fileno()).st_size < self._read_to:  # deleted and written again
                    self._entries, self._read_to = {}, 0
                file.seek(self._read_to)
                added = file.read()
        except OSError:
            self._entries, self._read_to = {}, 0
            return
        whole = added.rpartition(b"\n")[0]
        self._read_to += len(whole) + (1 if whole else 0)
        for line in whole.split(b"\n"):
            with suppress(ValueError, TypeError, KeyError, AttributeError):
                entry = json_value(line)
                if entry.get("format") == _FORMAT:
                    self._entries[str(entry["output"])] = entry
