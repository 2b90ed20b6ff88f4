"""Journals of the processes that write regions of one growing store, each with a separate lock.

The folder ``regions`` of the working folder contains ``NAME.journal`` for each region in work, and its lock. The
journal of the store is written by the holder of the lock on the output only, who moves the records of finished regions
into it. Tasks of an earlier coordinating process, which may still be active after that process has ended, are stopped
by a token: every new holder of the lock on the output replaces it.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

from decrappify._common.files.atomic import write_file
from decrappify.errors import OutputInUseError
from decrappify.io.store.durable import output_errors
from decrappify.io.store.locks import OutputLock
from decrappify.io.store.planes.journal import Journal
from decrappify.io.store.planes.plane_sync import PlaneSync
from decrappify.io.store.working_paths import STORE

logger = logging.getLogger(__name__)

T = TypeVar("T")

PART = "part-"  # beginning of the names of regions that are not written by tasks of a coordinating process
_FOLDER, _TOKEN, _SUFFIX = "regions", "token", ".journal"
_LONGEST_WAIT_S, _PAUSE_S = 600.0, 0.5


class LiveRegion(NamedTuple):
    """A region that another process is writing: its name, and the error that names the process."""

    name: str
    error: OutputInUseError


def regions_folder(working: Path) -> Path:
    """Return the folder of the journals in a working folder."""
    return working / _FOLDER


def create_regions(working: Path) -> str:
    """Create the folder of the journals if needed, and return a new token for the tasks of this process."""
    regions_folder(working).mkdir(exist_ok=True)
    return renew_token(working)


def renew_token(working: Path) -> str:
    """Replace the token, so that tasks with an earlier one stop; return the new one."""
    token = secrets.token_hex(16)
    write_file(regions_folder(working) / _TOKEN, token.encode())
    return token


def has_token(working: Path, token: str) -> bool:
    """Return whether a token is the current one."""
    try:
        return (regions_folder(working) / _TOKEN).read_bytes() == token.encode()
    except OSError:
        return False


def region_journal(working: Path, name: str) -> Path:
    """Return the journal of a region."""
    return regions_folder(working) / f"{name}{_SUFFIX}"


def locked_region(working: Path, name: str, shown: Path, *, longest_wait_s: float = 0.0) -> OutputLock:
    """Acquire the lock on a region.

    Parameters
    ----------
    working : Path
        The working folder.
    name : str
        Name of the region.
    shown : Path
        Output named in messages.
    longest_wait_s : float
        Time to wait for a process that writes the region.

    Raises
    ------
    OutputInUseError
        If another process writes the region after that time.
    """
    return patiently(lambda: OutputLock(region_journal(working, name), shown=shown), longest_wait_s)


def patiently(acquire: Callable[[], T], longest_wait_s: float) -> T:
    """Call a function that acquires a lock, and wait while another process holds it.

    Raises
    ------
    OutputInUseError
        If it is still held after the longest wait.
    """
    end, is_logged = time.monotonic() + longest_wait_s, False
    while True:
        try:
            return acquire()
        except OutputInUseError as error:
            if time.monotonic() >= end:
                raise
            if not is_logged:
                logger.info("waiting: %s", error)
                is_logged = True
            time.sleep(_PAUSE_S)


def live_regions(working: Path, shown: Path) -> Iterator[LiveRegion]:
    """Yield the regions that are being written."""
    for path in sorted(regions_folder(working).glob(f".*{_SUFFIX}.lock")):
        name = path.name.removeprefix(".").removesuffix(".lock")
        try:
            OutputLock(path.with_name(name), shown=shown).release()
        except OutputInUseError as error:
            yield LiveRegion(name.removesuffix(_SUFFIX), error)


def wait_for_tasks(working: Path, shown: Path, longest_wait_s: float = _LONGEST_WAIT_S) -> list[LiveRegion]:
    """Wait until no task of a coordinating process writes a region; return the other regions that are being written.

    Raises
    ------
    OutputInUseError
        If a task has not ended after the longest wait.
    """
    end, is_logged = time.monotonic() + longest_wait_s, False
    while True:
        live = list(live_regions(working, shown))
        tasks = [region for region in live if not region.name.startswith(PART)]
        if not tasks:
            return live
        if time.monotonic() >= end:
            raise tasks[0].error
        if not is_logged:
            logger.warning("%s: waiting until %d tasks of an earlier run end", shown, len(tasks))
            is_logged = True
        time.sleep(_PAUSE_S)


def absorb_regions(working: Path, shown: Path, *, shared: bool = False) -> None:
    """Move the records of all regions into the journal of the store; call it with the lock on the output.

    Tasks of an earlier coordinating process are stopped.

    Parameters
    ----------
    working : Path
        The working folder.
    shown : Path
        Output named in messages.
    shared : bool
        Whether other processes may still write their parts; their records remain in their journals.

    Raises
    ------
    OutputInUseError
        If a region is being written, except a part if `shared`.
    """
    if not regions_folder(working).is_dir():
        return
    with output_errors(shown):
        renew_token(working)
    live = wait_for_tasks(working, shown)
    if live and not shared:
        raise live[0].error
    kept = {region.name for region in live}
    found = [
        path
        for path in sorted(regions_folder(working).glob(f"*{_SUFFIX}"))
        if path.name.removesuffix(_SUFFIX) not in kept
    ]
    if not found or not (working / "journal").is_file():
        return
    store, regions = Journal(working / "journal"), [Journal(path) for path in found]
    store.append_from_here()
    try:
        for region in regions:
            _append(store, region)
        _synchronize(working, store)
    finally:
        store.close()
    for region in regions:
        if region.done or not region.state:  # otherwise, the state may explain why its process was killed
            forget_region(region.path)


def forget_rectangles(working: Path) -> None:
    """Regard planes of which only rectangles are finished as unfinished; call it with the lock on the output."""
    journal = Journal(working / "journal")
    if journal.rectangles:
        journal.append_from_here()
        try:
            journal.forget_rectangles()
            _synchronize(working, journal)
        finally:
            journal.close()


def forget_region(path: Path) -> None:
    """Delete the journal of a region after its records were moved."""
    path.unlink(missing_ok=True)


def _synchronize(working: Path, journal: Journal) -> None:
    """Wait until all planes of the journal of the store are on the disk, and record it."""
    store = working / STORE
    n_levels = sum(entry.name.isdecimal() for entry in store.iterdir()) if store.is_dir() else 0
    PlaneSync(store, n_levels, journal).run()


def _append(store: Journal, region: Journal) -> None:
    if region.within is not None:
        for place in sorted(region.done - store.done):
            store.record_rectangle(*place, region.within, region.notes.get(place, {}))
    else:
        _append_planes(store, region)
    smaller, used = region.state.get("tile_size"), store.state.get("tile_size")
    if isinstance(smaller, int) and isinstance(used, int) and smaller < used:
        store.save_state(store.state | {"tile_size": smaller})


def _append_planes(store: Journal, region: Journal) -> None:
    for place, note in region.notes.items():
        store.record_note(*place, note)
    for place in sorted(region.done):
        store.record_plane(*place, is_on_disk=place not in region.unsynced)
