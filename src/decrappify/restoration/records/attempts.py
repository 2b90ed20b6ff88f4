"""Detection of runs killed by the system for lack of memory, from the record that each run leaves in its state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from decrappify.errors import DecrappifyError
from decrappify.io.store.lock_record import boot_name
from decrappify.restoration.outputs.results import Planes

_KEY = "attempt"


@contextmanager
def recorded_attempt(result: Planes, planes_done: int, earlier: Any = None) -> Iterator[None]:
    """Record in the state of a result that a run is active, until it ends for any reason except being killed.

    Parameters
    ----------
    result : Planes
        The result; its state is saved on entry and on exit.
    planes_done : int
        Planes finished before this run.
    earlier : mapping or None
        The record of the previous run, if it was killed.
    """
    repeated = isinstance(earlier, Mapping) and earlier.get("planes_done") == planes_done
    kills = _number(earlier, "kills") + 1 if repeated else 0
    result.state[_KEY] = {"planes_done": planes_done, "kills": kills} | _out_of_memory_kills()
    result.save_state()
    try:
        yield
    finally:
        result.state.pop(_KEY, None)
        with suppress(OSError, DecrappifyError):  # a full disk has already raised an error
            result.save_state()


def taken_from(state: dict[str, Any]) -> Any:
    """Remove and return the record of a killed run from a saved state, None if the run ended otherwise."""
    return state.pop(_KEY, None)


def died_of_memory(earlier: Any, planes_done: int) -> bool:
    """Return whether the run that left `earlier` was killed for lack of memory before it finished a single plane.

    Linux counts such kills since its start. On other systems, a second kill without a finished plane is regarded as one
    for lack of memory.
    """
    if not isinstance(earlier, Mapping) or earlier.get("planes_done") != planes_done:
        return False
    now = _out_of_memory_kills()
    if not now:
        return _number(earlier, "kills") >= 1
    if earlier.get("boot") != now["boot"]:
        return False
    return _number(earlier, "out_of_memory_kills") < int(now["out_of_memory_kills"])


def _number(record: Any, name: str) -> int:
    value = record.get(name) if isinstance(record, Mapping) else None
    return value if isinstance(value, int) else 0


def _out_of_memory_kills(proc: Path = Path("/proc")) -> dict[str, Any]:
    """Return the number of processes killed for lack of memory, and the boot to which it applies; empty if unknown."""
    try:
        counters = dict(line.split(maxsplit=1) for line in (proc / "vmstat").read_text().splitlines())
        return {"out_of_memory_kills": int(counters["oom_kill"]), "boot": boot_name()}
    except (OSError, ValueError, KeyError):
        return {}
