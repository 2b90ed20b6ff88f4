"""Runs of the Restore widget: the queue, and the live layers of the current run."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from decrappify.errors import FormatError, MissingFileError
from napari_decrappify.layers.results.growing import GrowingStore, PlaneDone
from napari_decrappify.layers.results.live import LiveResult
from napari_decrappify.widgets.restoring.queue import RunQueue, State
from napari_decrappify.workers.movies.restore import Restored, RestoreSettings, restore_layer, with_opening
from napari_decrappify.workers.running.runner import Runner
from napari_decrappify.workers.running.task import Job


class RestoreRuns:
    """Restorations that run one after the other, and their layers.

    Parameters
    ----------
    viewer : napari.Viewer
        Viewer of the results.
    runner : Runner
        Runner of the restorations.
    on_change : callable
        Called when the state of an entry changes.
    job : callable
        Returns the job of the next run.

    Attributes
    ----------
    queue : RunQueue
        The entries.
    layers : list
        Layers of all runs that finished since `start`.
    """

    def __init__(
        self, viewer: Any, runner: Runner, on_change: Callable[[], None], job: Callable[[], Job] = lambda: restore_layer
    ) -> None:
        self._viewer, self._runner, self._on_change, self._job = viewer, runner, on_change, job
        self._live: LiveResult | None = None
        self._settings: RestoreSettings | None = None
        self.queue = RunQueue()
        self.layers: list[Any] = []

    @property
    def is_active(self) -> bool:
        """Whether an entry of the queue is running."""
        return self.queue.running is not None

    def start(self) -> bool:
        """Run the waiting entries; return False if there is none."""
        self.layers = []
        self.queue.start()
        return self.next()

    def next(self) -> bool:
        """Start the next entry; return False if there is none."""
        self._live, self._settings = None, None
        entry = self.queue.next()
        if entry is not None:
            self._runner.start(with_opening(self._job()), entry.open)
        self._on_change()
        return entry is not None

    def show(self, item: Any) -> None:
        """Show a report of the running restoration."""
        if isinstance(item, RestoreSettings):
            self._settings = item
        elif isinstance(item, GrowingStore):
            with suppress(MissingFileError, FormatError):  # deleted meanwhile, which the run reports
                self._live = self._live_result(item)
        elif isinstance(item, PlaneDone) and self._live is not None:
            self._live.add(item)

    def refresh(self) -> None:
        """Redraw the layers of the current run."""
        if self._live is not None:
            self._live.refresh()

    def finish(self, result: Restored) -> list[Any]:
        """Show the result of the current run, and return its layers."""
        live = self._live or self._live_result(result.store)  # a resumed run may only have had to rename its store
        if live is not None:
            live.finish(result.store.output, result.provenance)
            self.layers += live.layers
        self._live = None
        self.queue.end(State.FINISHED, "; ".join(result.warnings))
        return [] if live is None else live.layers

    def end(self, state: State, detail: str = "") -> None:
        """Keep the finished planes of a run that was cancelled or failed."""
        if self._live is not None:
            self._live.stop()
        self._live = None
        self.queue.end(state, detail)
        self._on_change()

    def _live_result(self, store: GrowingStore) -> LiveResult | None:
        run = self._settings
        if run is None:
            return None
        return LiveResult(
            self._viewer, run.images, store, models=run.model_names, first=run.first, recorded=run.recorded
        )
