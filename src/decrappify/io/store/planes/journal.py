"""Journal of the finished planes of a growing store: lines are only appended, so a crash damages no earlier one."""

from __future__ import annotations

import errno
import json
import os
import zlib
from pathlib import Path
from typing import Any, BinaryIO

from decrappify._common.checks import json_value
from decrappify.io.store.lock_record import boot_name
from decrappify.io.store.planes.rectangles import Rectangle
from decrappify.movie import Plane


class Journal:
    """A file of JSON lines, each with a checksum; a truncated or damaged line is ignored.

    A line survives the end of the process as soon as it is written. Lines up to the last one written by `record_synced`
    also survive a power cut: if the machine was restarted since, or is another one, later lines are not used.

    Parameters
    ----------
    path : Path
        The file; read if it exists.

    Attributes
    ----------
    layout : list or None
        Shape and dtype of the store, recorded once its arrays exist.
    done : set of (t, c, z)
        Finished planes.
    unsynced : set of (t, c, z)
        Planes that are not known to be on the disk.
    is_synced : bool
        Whether all lines survive a power cut, and can be read on other machines.
    state : dict
        The last saved state.
    notes : dict of (t, c, z) to dict
        Notes on single planes.
    within : Rectangle or None
        The only rectangle of its planes that the process with this journal writes; None for whole planes.
    rectangles : dict of (t, c, z) to dict of Rectangle to dict
        Finished rectangles of unfinished planes, which are on the disk, each with its note.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO | None = None
        self._whole_bytes = 0
        self._boot = boot_name()
        self.layout: list[Any] | None = None
        self.done: set[Plane] = set()
        self.unsynced: set[Plane] = set()
        self.is_synced = False
        self.state: dict[str, Any] = {}
        self.notes: dict[Plane, dict[str, Any]] = {}
        self.within: Rectangle | None = None
        self.rectangles: dict[Plane, dict[Rectangle, dict[str, Any]]] = {}
        if path.is_file():
            self._read()

    def start(self) -> None:
        """Start again with an empty journal."""
        self.close()
        self._boot = boot_name()
        self.layout, self.done, self.unsynced, self.state, self.notes = None, set(), set(), {}, {}
        self.within, self.rectangles = None, {}
        line = _line({"boot": boot_name()})
        self.path.write_bytes(line)
        self._whole_bytes = len(line)

    def append_from_here(self) -> None:
        """Truncate the file after the last used line, before anything is appended."""
        with self.path.open("r+b") as file:
            file.truncate(self._whole_bytes)
        if self._boot != boot_name():
            self._append({"boot": boot_name()})

    def record_layout(self, layout: list[Any]) -> None:
        """Record that the store's arrays exist."""
        self.layout = layout
        self._append({"layout": layout})

    def record_plane(self, t: int, c: int, z: int, *, is_on_disk: bool = False) -> None:
        """Record that a plane has been written, and perhaps that it is already on the disk."""
        if (t, c, z) not in self.done:
            self._append([t, c, z])
            self.done.add((t, c, z))
            self.rectangles.pop((t, c, z), None)
            if not is_on_disk:
                self.unsynced.add((t, c, z))

    def record_note(self, t: int, c: int, z: int, note: dict[str, Any]) -> None:
        """Record small JSON values with a plane; a later note of the same plane replaces it."""
        self._append({"note": [t, c, z, note]})
        self.notes[t, c, z] = note

    def record_within(self, rectangle: Rectangle) -> None:
        """Record that only this rectangle of the planes is written, before the first plane."""
        self._append({"within": rectangle})
        self.within = rectangle

    def record_rectangle(self, t: int, c: int, z: int, rectangle: Rectangle, note: dict[str, Any]) -> None:
        """Record that a rectangle of a plane has been written and is on the disk, with a note."""
        self._append({"rectangle": [t, c, z, *rectangle], "note": note})
        self.rectangles.setdefault((t, c, z), {})[rectangle] = note

    def forget_rectangles(self) -> None:
        """Regard all planes of which only rectangles are finished as unfinished."""
        self._append({"rectangles": None})
        self.rectangles = {}

    def save_state(self, state: dict[str, Any]) -> None:
        """Replace the state."""
        self._append({"state": state})
        self.state = dict(state)

    def record_synced(self) -> None:
        """Record that all planes so far are on the disk, and wait until this line is on the disk too."""
        self._append({"synced": True})
        if self._file is not None:
            os.fsync(self._file.fileno())
        self.unsynced, self.is_synced = set(), True

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _append(self, entry: Any) -> None:
        line = _line(entry)
        self.is_synced = False
        if self._file is None:
            self._file = self.path.open("ab", buffering=0)
        if self._file.write(line) != len(line):
            self._file.truncate(self._whole_bytes)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        self._whole_bytes += len(line)

    def _read(self) -> None:
        """Read the lines up to the first damaged one, and after a restart of the machine up to the last synced one."""
        entries, sizes = [], []
        for line in self.path.read_bytes().split(b"\n")[:-1]:  # the text after the last line end is incomplete
            try:
                entries.append(_entry(line))
            except ValueError:
                break
            sizes.append(len(line) + 1)
        last_boot = None
        synced = 0
        for number, entry in enumerate(entries):
            if isinstance(entry, dict) and "boot" in entry:
                last_boot = entry["boot"]
            elif isinstance(entry, dict) and "synced" in entry:
                synced = number + 1
        count = len(entries) if last_boot == boot_name() else synced
        self._boot = str(last_boot) if count else ""
        self.is_synced = 0 < count == synced
        for number in range(count):
            try:
                self._apply(entries[number])
            except (ValueError, TypeError, KeyError, IndexError):
                break
            self._whole_bytes += sizes[number]

    def _apply(self, entry: Any) -> None:
        if isinstance(entry, list):
            t, c, z = (int(index) for index in entry)
            self.done.add((t, c, z))
            if self.within is None:  # rectangles are on the disk before they are recorded
                self.unsynced.add((t, c, z))
            self.rectangles.pop((t, c, z), None)
        elif "layout" in entry:
            self.layout = list(entry["layout"])
        elif "within" in entry:
            self.within = Rectangle(*map(int, entry["within"]))
        elif "rectangle" in entry:
            t, c, z, *sides = map(int, entry["rectangle"])
            self.rectangles.setdefault((t, c, z), {})[Rectangle(*sides)] = dict(entry["note"])
        elif "rectangles" in entry:
            self.rectangles = {}
        elif "note" in entry:
            t, c, z, note = entry["note"]
            self.notes[t, c, z] = dict(note)
        elif "state" in entry:
            self.state = dict(entry["state"])
        elif "synced" in entry:
            self.unsynced = set()


def _line(entry: Any) -> bytes:
    """Return an entry as JSON, a tab and the checksum of the JSON."""
    text = json.dumps(entry, allow_nan=False).encode()
    return b"%s\t%08x\n" % (text, zlib.crc32(text))


def _entry(line: bytes) -> Any:
    """Return the entry of a line; raise ValueError if a byte has changed, as it could name an unfinished plane."""
    text, _, checksum = line.rpartition(b"\t")
    if checksum != b"%08x" % zlib.crc32(text):
        raise ValueError("the checksum of the line does not match")
    return json_value(text)
