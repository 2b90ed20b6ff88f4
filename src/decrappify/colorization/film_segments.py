"""Finished segments of a colored film: encoded separately, and kept next to the output until all are finished."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from decrappify._common.files.atomic import sync_file
from decrappify.errors import OutputExistsError
from decrappify.io.media.encoder import Segment
from decrappify.io.store.durable import read_json, write_json
from decrappify.io.store.locks import OutputLock
from decrappify.io.store.outputs import check_output
from decrappify.io.store.working_folder import WorkingFolder, marker_of
from decrappify.io.store.working_paths import working_path
from decrappify.restoration.records.resuming import changed_settings, other_run_message

SEGMENT_FRAMES = 100  # a fixed number, so that a resumed run encodes the same segments


class SegmentFolder:
    """The folder ``<output>.partial`` of an unfinished film.

    Parameters
    ----------
    lock : OutputLock
        The lock on the output film.
    key : str
        Digest of all values that determine the frames; segments with another key are never used.
    about : dict
        These values in readable form.
    overwrite : bool
        Whether to replace the output once the new film is complete, and to discard the segments of another run.
    resume : bool
        Whether to continue with the existing segments.

    Attributes
    ----------
    path : Path
        The folder.
    key : str
    complete : bool
        Whether the film is finished and only the folder remains to be removed.
    continues : bool
        Whether segments of an earlier part of this run are used.
    runtime : dict or None
        Number of threads and processor type recorded by the earlier part.
    batch_size : int or None
        Frames per forward pass in the earlier part.

    Raises
    ------
    OutputExistsError
        If the output, or the unfinished output of another run, exists and `overwrite` is False.
    OutputError
        If the folder of the output is not writable, or something else has the name of the segment folder.
    """

    def __init__(self, lock: OutputLock, key: str, about: dict[str, Any], *, overwrite: bool, resume: bool) -> None:
        self._lock, self._overwrite = lock, overwrite
        if not overwrite:
            _check_same_run(lock, key, about)
        self._folder = WorkingFolder(lock, key, overwrite=overwrite)
        self.path, self.key = self._folder.path, key
        self._whole: set[int] = set()  # segments with a verified checksum, or from this run
        self.continues = self._folder.continues and resume
        self.runtime: Any = self._folder.about.get("runtime") if self.continues else None
        recorded = self._folder.about.get("batch_size") if self.continues else None
        self.batch_size: int | None = recorded if type(recorded) is int and recorded > 0 else None
        self.complete = resume and lock.placed_by == key
        if not self.complete:
            check_output(lock.target, overwrite=overwrite)
        self._about = about

    def open(self, runtime: dict[str, Any], batch_size: int) -> None:
        """Create the folder, or empty it unless the run is resumed, and record how the frames are computed."""
        self.runtime, self.batch_size = runtime, batch_size
        about = {**self._about, "runtime": runtime, "batch_size": batch_size}
        if self.continues:
            self._folder.describe(about)
        else:
            self._folder.create(about)

    def film_path(self) -> Path:
        """Return the temporary path of the complete film."""
        return self._folder.empty_folder("film") / self._lock.target.name

    def place(self, film: Path) -> None:
        """Rename the complete film to its final path."""
        self._lock.place(film, overwrite=self._overwrite, run_key=self.key)

    def media_path(self, number: int) -> Path:
        """Return the path of a segment's packets."""
        return self.path / f"{number:05d}.h264"

    def state_path(self, number: int) -> Path:
        """Return the path of the state from which the next segment starts."""
        return self.path / f"{number:05d}.npz"

    def record(self, number: int, segment: Segment, render_factor: int) -> None:
        """Record that a segment is finished."""
        values = {
            "key": self.key,
            "packets": segment.packets,
            "header_size": segment.header_size,
            "render_factor": render_factor,
        }
        state = self.state_path(number)
        if state.exists():
            sync_file(state)
        write_json(self.path / f"{number:05d}.json", values | {"crc32": self._crc32(number, values)})
        self._whole.add(number)

    def segment(self, number: int) -> tuple[Segment, int] | None:
        """Read a segment and its render factor; None if it is unfinished, incomplete, damaged, or of another run."""
        values = read_json(self.path / f"{number:05d}.json")
        if values.get("key") != self.key:
            return None
        checksum = values.pop("crc32", None)
        try:
            segment = Segment([tuple(packet) for packet in values["packets"]], values["header_size"])
            factor = values["render_factor"]
            if number not in self._whole and checksum != self._crc32(number, values):
                return None
        except (TypeError, KeyError, OSError):
            return None
        self._whole.add(number)
        return segment, factor

    def segments(self) -> Iterator[tuple[Segment, int]]:
        """Iterate over finished segments and their render factors, from the first to the last before a gap."""
        number = 0
        while (found := self.segment(number)) is not None:
            yield found
            number += 1

    def pieces(self) -> Iterator[tuple[Path, Segment]]:
        """Iterate over the files and packets of the finished segments."""
        for number, (segment, _) in enumerate(self.segments()):
            yield self.media_path(number), segment

    def _crc32(self, number: int, values: dict[str, Any]) -> int:
        """Return a checksum of a segment's record, packets and state."""
        total = zlib.crc32(json.dumps(values).encode())
        state = self.state_path(number)
        for file in (self.media_path(number), *([state] if state.exists() else [])):
            total = zlib.crc32(file.read_bytes(), total)
        return total

    def remove(self) -> None:
        """Delete the folder of a complete film."""
        self._folder.remove_finished()


def _check_same_run(lock: OutputLock, key: str, about: dict[str, Any]) -> None:
    """Raise OutputExistsError, with the changed settings, if the unfinished film is of another run."""
    before = marker_of(lock)
    if before and before.get("run_key") != key:
        changes = changed_settings(before, about) or ["it has other settings"]
        raise OutputExistsError(other_run_message(working_path(lock.target), changes))
