"""Record of the finished planes of a growing store, shared by threads and synchronized with the disk."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from decrappify.io.store.planes.journal import Journal
from decrappify.io.store.planes.plane_sync import PlaneSync
from decrappify.io.store.planes.rectangles import Rectangle
from decrappify.movie import Plane


class FinishedPlanes(Journal):
    """A journal for several threads; finished planes are synchronized with the disk every few seconds.

    Parameters
    ----------
    path : Path
        File of the journal; read if it exists.
    store : Path
        The growing store.
    n_levels : int
        Number of its pyramid levels.
    """

    def __init__(self, path: Path, store: Path, n_levels: int) -> None:
        super().__init__(path)
        self._lock = threading.Lock()
        self._sync = PlaneSync(store, n_levels, self)

    def record(self, t: int, c: int, z: int, *, is_on_disk: bool = False) -> None:
        """Record that all chunks of a plane are written, and perhaps that they are already on the disk."""
        with self._lock:
            self.record_plane(t, c, z, is_on_disk=is_on_disk)
            self._sync.run_if_due()

    def adopt(self, planes: Iterable[Plane], notes: Iterable[tuple[Plane, Mapping[str, Any]]]) -> None:
        """Record planes that another process wrote and synchronized, and their notes."""
        with self._lock:
            for (t, c, z), note in notes:
                super().record_note(t, c, z, dict(note))
            for t, c, z in planes:
                self.record_plane(t, c, z, is_on_disk=True)
            self._sync.run_if_due()

    def adopt_rectangle(
        self, rectangle: Rectangle, planes: Iterable[Plane], notes: Iterable[tuple[Plane, Mapping[str, Any]]]
    ) -> None:
        """Record a rectangle of planes that another process wrote and synchronized, and its notes."""
        found = dict(notes)
        with self._lock:
            for plane in planes:
                if plane not in self.done:
                    self.record_rectangle(*plane, rectangle, dict(found.get(plane, {})))
            self._sync.run_if_due()

    def record_layout(self, layout: list[Any]) -> None:
        """Record that the arrays of the store exist and are on the disk."""
        super().record_layout(layout)
        self.record_synced()

    def record_note(self, t: int, c: int, z: int, note: Mapping[str, Any]) -> None:
        """Record small JSON values with a plane."""
        with self._lock:
            super().record_note(t, c, z, dict(note))

    def forget_rectangles(self) -> None:
        """Regard planes of which only rectangles are finished as unfinished, and wait until this is on the disk."""
        with self._lock:
            super().forget_rectangles()
            self._sync.run()

    def save_state(self, state: dict[str, Any]) -> None:
        """Replace the state."""
        with self._lock:
            super().save_state(state)

    def synchronize(self) -> None:
        """Wait until all planes so far are on the disk, and record it."""
        with self._lock:
            self._sync.run()
