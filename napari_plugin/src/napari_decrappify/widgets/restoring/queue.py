"""Queue of restorations that run one after the other; without Qt."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from napari_decrappify.workers.movies.restore import OpenInput


class State(Enum):
    """State of an entry."""

    WAITING = "waiting"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(eq=False)
class Entry:
    """Restoration in the queue.

    Attributes
    ----------
    name : str
        The input.
    model : str
        Name of the model.
    open : callable
        Opens the input in the thread of the run, and returns the settings; see `with_opening`.
    order : int
        Number of the click that added the entry; cancelling a run also cancels the entries of the same click.
    state : State
        State of the run.
    detail : str
        Progress, the error of a failed run, or the warnings of a finished one.
    """

    name: str
    model: str
    open: OpenInput
    order: int = 0
    state: State = State.WAITING
    detail: str = ""

    @property
    def text(self) -> str:
        """Input, and in a second line model and state.

        >>> Entry("cells.czi", "movie", open, state=State.RUNNING, detail="34 %").text.splitlines()
        ['cells.czi', 'movie: running, 34 %']
        """
        return f"{self.name}\n{self.model}: {self.state.value}{', ' if self.detail else ''}{self.detail}"


class RunQueue:
    """Entries in the order in which they run.

    Examples
    --------
    >>> queue = RunQueue()
    >>> queue.add([Entry("a", "movie", open), Entry("b", "movie", open)])
    >>> queue.move(queue.entries[1], -1)
    >>> [entry.name for entry in queue.entries], queue.n_waiting
    (['b', 'a'], 2)
    """

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.running: Entry | None = None
        self._started: list[Entry] = []
        self._orders = 0

    @property
    def n_waiting(self) -> int:
        """Number of waiting entries."""
        return sum(entry.state is State.WAITING for entry in self.entries)

    @property
    def has_failed(self) -> bool:
        """Whether an entry failed since the start."""
        return any(entry.state is State.FAILED for entry in self._started)

    def add(self, entries: Iterable[Entry], *, is_first: bool = False) -> None:
        """Add the entries of one click at the end, or before those that are waiting."""
        self._orders += 1
        added = list(entries)
        for entry in added:
            entry.order = self._orders
        waiting = [number for number, entry in enumerate(self.entries) if entry.state is State.WAITING]
        place = waiting[0] if is_first and waiting else len(self.entries)
        self.entries[place:place] = added

    def start(self) -> None:
        """Begin to count the results of a sequence of runs."""
        self._started = []

    def next(self) -> Entry | None:
        """Return the next waiting entry, which is then running; None after the last one."""
        self.running = next((entry for entry in self.entries if entry.state is State.WAITING), None)
        if self.running is not None:
            self.running.state = State.RUNNING
            self._started.append(self.running)
        return self.running

    def end(self, state: State, detail: str = "") -> None:
        """Set the state of the running entry; if cancelled, also of the waiting ones of the same click."""
        running, self.running = self.running, None
        if running is None:
            return
        running.state, running.detail = state, detail
        if state is State.CANCELLED:
            for entry in self.entries:
                if entry.order == running.order and entry.state is State.WAITING:
                    entry.state = State.CANCELLED

    def move(self, entry: Entry, offset: int) -> None:
        """Move a waiting entry before (-1) or after (1) its waiting neighbor."""
        number = self.entries.index(entry)
        other = number + offset
        inside = 0 <= other < len(self.entries)
        if inside and entry.state is self.entries[other].state is State.WAITING:
            self.entries[number], self.entries[other] = self.entries[other], entry

    def remove(self, entries: Iterable[Entry]) -> None:
        """Remove entries that are not running."""
        removed = list(entries)
        self.entries = [entry for entry in self.entries if entry not in removed or entry.state is State.RUNNING]

    def clear_ended(self) -> None:
        """Remove the entries that are neither waiting nor running."""
        self.entries = [entry for entry in self.entries if entry.state in (State.WAITING, State.RUNNING)]

    def summary(self) -> str:
        """Return the result of several runs as text, empty for one run."""
        if len(self._started) < 2:
            return ""
        finished = sum(entry.state is State.FINISHED for entry in self._started)
        failures = [f"{entry.name}: {entry.detail}" for entry in self._started if entry.state is State.FAILED]
        failed = f"; not restored: {'; '.join(failures)}" if failures else ""
        return f"restored {finished} of {len(self._started)} inputs{failed}"
