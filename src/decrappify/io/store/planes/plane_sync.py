"""Synchronization of the planes of a growing store with the disk, every few seconds."""

from __future__ import annotations

import time
from pathlib import Path

from decrappify.io.store.durable import sync_files
from decrappify.io.store.planes.journal import Journal

_INTERVAL_S = 5.0  # most work that a power cut can lose


class PlaneSync:
    """Synchronization of a growing store with the disk.

    Parameters
    ----------
    store : Path
        The store.
    n_levels : int
        Number of its pyramid levels.
    journal : Journal
        Journal of its finished planes.
    """

    def __init__(self, store: Path, n_levels: int, journal: Journal) -> None:
        self._store, self._n_levels, self._journal = store, n_levels, journal
        self._synced_at = time.monotonic()

    def run(self) -> None:
        """Wait until all planes and the state so far are on the disk, and record it."""
        if not self._journal.is_synced:
            chunks = (
                chunk
                for t, c, z in sorted(self._journal.unsynced)
                for level in range(self._n_levels)
                for chunk in (self._store / str(level) / "c" / str(t) / str(c) / str(z)).glob("*/*")
            )
            sync_files(chunks, below=self._store)
            self._journal.record_synced()
        self._synced_at = time.monotonic()

    def run_if_due(self) -> None:
        """Synchronize if the last synchronization was more than a few seconds ago."""
        if time.monotonic() - self._synced_at > _INTERVAL_S:
            self.run()
