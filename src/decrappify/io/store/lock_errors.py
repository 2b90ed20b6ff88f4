"""Errors for a lock that is held, or whose file cannot be used."""

from __future__ import annotations

from pathlib import Path

from decrappify.errors import OutputError, OutputInUseError
from decrappify.io.store.lock_record import STALE_S, Holder, boot_name, parse_lock


def lock_in_use(shown: Path, holder: Holder, age_s: float) -> OutputInUseError:
    """Return the error for an output that another process writes; `age_s` is that of the last update of the lock."""
    if holder.boot == boot_name():
        remedy = "wait until it has ended, or choose another name"
    else:
        remedy = (
            f"wait until it has ended; if it has, wait until its lock, updated {age_s:.0f} s ago, expires after "
            f"{STALE_S:.0f} s"
        )
    return OutputInUseError(f"{shown} is being written by {holder}; {remedy}")


def lock_of_another_user(shown: Path, path: Path) -> OutputInUseError:
    """Return the error for a lock file, at `path`, that only another user may open for writing."""
    try:
        holder = next(iter(reversed(parse_lock(path.read_bytes()).unreleased)), None)
    except OSError:
        holder = None
    return OutputInUseError(
        f"{shown} is being written by another user{f', {holder}' if holder else ''}; wait until that has "
        f"ended, or, if it was killed, delete its lock {path}, or choose another name"
    )


def foreign_lock(path: Path) -> OutputError:
    """Return the error for a file that has the name of a lock and other content."""
    return OutputError(
        f"{path} is not a lock of decrappify, which writes one under that name; rename it, or choose another output"
    )
