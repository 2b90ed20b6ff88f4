"""The list of finished planes beside a growing store: lines are only ever appended, so a crash damages none."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any, BinaryIO

from decrappify.io.outputs import remove


class Journal:
    """A JSON-lines file; a line cut short by a crash is as if never written.

    Parameters
    ----------
    path : Path
        The file; read if it is there.
    run_key : str
        Says which run writes it.

    Attributes
    ----------
    mine : bool
        True if the file is there and of the same `run_key`.
    layout : list or None
        Shape and dtype of the store, recorded once its arrays exist.
    done : set of (t, c, z)
        Finished planes.
    state : dict
        The last saved state.
    notes : dict of (t, c, z) to dict
        What was recorded of single planes.
    finishing : bool
        True if all planes were done and only the last rename was left.
    """

    def __init__(self, path: Path, run_key: str) -> None:
        self.path = path
        self.run_key = run_key
        self._file: BinaryIO | None = None
        self._whole_bytes = 0
        self.layout: list[Any] | None = None
        self.done: set[tuple[int, int, int]] = set()
        self.state: dict[str, Any] = {}
        self.notes: dict[tuple[int, int, int], dict[str, Any]] = {}
        self.finishing = False
        self.mine = path.is_file() and self._read()

    def start(self) -> None:
        """Begin again, empty; in one rename, so that a partial store is never without its journal."""
        self.close()
        self.layout, self.done, self.state, self.notes, self.finishing = None, set(), {}, {}, False
        self.mine = True
        line = _line({"run_key": self.run_key})
        temporary = self.path.with_name(f"{self.path.name}.partial")
        temporary.write_bytes(line)
        temporary.replace(self.path)
        self._whole_bytes = len(line)

    def append_from_here(self) -> None:
        """Cut off a torn last line before anything is added."""
        with self.path.open("r+b") as file:
            file.truncate(self._whole_bytes)

    def record_layout(self, layout: list[Any]) -> None:
        """Say that the store's arrays exist."""
        self.layout = layout
        self._append({"layout": layout})

    def record_plane(self, t: int, c: int, z: int) -> None:
        """Say that a plane is on disk."""
        if (t, c, z) not in self.done:
            self._append([t, c, z])
            self.done.add((t, c, z))

    def record_note(self, t: int, c: int, z: int, note: dict[str, Any]) -> None:
        """Record small JSON values with a plane; a later note of the same plane replaces it."""
        self._append({"note": [t, c, z, note]})
        self.notes[t, c, z] = note

    def save_state(self, state: dict[str, Any]) -> None:
        """Replace the state."""
        self._append({"state": state})
        self.state = dict(state)

    def record_finishing(self) -> None:
        """Say that everything is on disk and what follows is a rename."""
        self._append({"finishing": True})

    def close(self) -> None:
        """Release the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def delete(self) -> None:
        """Remove the file."""
        self.close()
        remove(self.path)

    def _append(self, entry: Any) -> None:
        line = _line(entry)
        if self._file is None:
            self._file = self.path.open("ab", buffering=0)
        if self._file.write(line) != len(line):
            self._file.truncate(self._whole_bytes)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        self._whole_bytes += len(line)

    def _read(self) -> bool:
        lines = self.path.read_bytes().split(b"\n")[:-1]  # what follows the last line end is torn
        for number, line in enumerate(lines):
            try:
                entry = json.loads(line)
            except ValueError:
                return False
            if number == 0 and not (isinstance(entry, dict) and entry.get("run_key") == self.run_key):
                return False
            self._whole_bytes += len(line) + 1
            self._apply(entry)
        return bool(lines)

    def _apply(self, entry: Any) -> None:
        if isinstance(entry, list):
            self.done.add((entry[0], entry[1], entry[2]))
        elif "layout" in entry:
            self.layout = entry["layout"]
        elif "note" in entry:
            t, c, z, note = entry["note"]
            self.notes[t, c, z] = note
        elif "state" in entry:
            self.state = entry["state"]
        elif "finishing" in entry:
            self.finishing = True


def key_of(path: Path) -> str | None:
    """Return the `run_key` of a journal, None where there is no readable one."""
    try:
        first, ended, _ = path.read_bytes().partition(b"\n")
        entry = json.loads(first) if ended else None
    except (OSError, ValueError):
        return None
    return str(entry["run_key"]) if isinstance(entry, dict) and "run_key" in entry else None


def _line(entry: Any) -> bytes:
    return json.dumps(entry, allow_nan=False).encode() + b"\n"
