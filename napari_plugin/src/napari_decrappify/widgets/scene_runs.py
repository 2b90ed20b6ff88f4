"""Successive restorations of the scenes of a file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from napari_decrappify.workers.restore import RestoreSettings


class SceneRuns:
    """Runs that are started one after the other, with their results.

    Attributes
    ----------
    layers : list
        Layers of all finished runs.
    """

    def __init__(self) -> None:
        self.start(iter(()), 0)

    def start(self, runs: Iterator[RestoreSettings], count: int) -> None:
        """Set the runs, which are opened when needed."""
        self._runs, self._count, self._finished = runs, count, 0
        self._failures: list[str] = []
        self.layers: list[Any] = []

    @property
    def is_several(self) -> bool:
        """Return whether there is more than one run."""
        return self._count > 1

    @property
    def has_failed(self) -> bool:
        """Return whether a run failed."""
        return bool(self._failures)

    def next(self) -> RestoreSettings | None:
        """Return the settings of the next run; None after the last one."""
        return next(self._runs, None)

    def finish(self) -> None:
        """Count a finished run."""
        self._finished += 1

    def fail(self, message: str) -> None:
        """Record a run that failed; the others follow."""
        self._failures.append(message)

    def summary(self) -> str:
        """Return the result of several runs as text, empty for one run."""
        if not self.is_several:
            return ""
        failed = f"; not restored: {'; '.join(self._failures)}" if self._failures else ""
        return f"restored {self._finished} of {self._count} scenes{failed}"
