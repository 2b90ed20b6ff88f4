"""Content of a lock file: the holder of the lock, its start time, and the temporary names in use."""

from __future__ import annotations

import errno
import json
import os
import secrets
import shlex
import socket
import sys
import time
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any

import psutil

from decrappify._common.checks import json_value
from decrappify.errors import without_secrets

FORMAT = "decrappify lock 1"
HEARTBEAT_S, STALE_S = 20.0, 120.0  # interval between updates of a held lock; age at which its holder counts as ended
_START = json.dumps({"format": FORMAT})[:-1].encode()
_COMMAND_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that holds, or held, a lock.

    Attributes
    ----------
    token : str
        Random identifier of this acquisition.
    pid, process_started : int, float
        Process id, and start of the process (seconds since 1970), as ids are reused.
    host, boot : str
        Machine, and an identifier of its current boot.
    locked_by_system : bool
        Whether the system also keeps the lock, and releases it when the process ends.
    started, command : str
        Start time and command line, for messages.
    """

    token: str
    pid: int
    process_started: float
    host: str
    boot: str
    locked_by_system: bool
    started: str
    command: str

    @classmethod
    def present(cls, *, locked_by_system: bool) -> Holder:
        """Return the record of this process."""
        command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]) if sys.argv else "python"
        return cls(
            token=secrets.token_hex(16),
            pid=os.getpid(),
            process_started=psutil.Process().create_time(),
            host=socket.gethostname(),
            boot=boot_name(),
            locked_by_system=locked_by_system,
            started=time.strftime("%Y-%m-%d %H:%M:%S"),
            command=without_secrets(command)[:_COMMAND_LENGTH],
        )

    def is_alive(self, age_s: float, *, free_by_system: bool) -> bool:
        """Return whether the holder may still write.

        Parameters
        ----------
        age_s : float
            Seconds since the lock file was last updated.
        free_by_system : bool
            Whether the system supports locks here, and reported this one as free.
        """
        here = self.boot == boot_name()
        if here and self.locked_by_system and free_by_system:
            return False
        if here and self.host == socket.gethostname():
            try:
                process = psutil.Process(self.pid)
                return bool(
                    abs(process.create_time() - self.process_started) < 2 and process.status() != psutil.STATUS_ZOMBIE
                )
            except (psutil.Error, ValueError, OverflowError):  # numbers that are not process ids
                return False
        return age_s < STALE_S

    def __str__(self) -> str:
        # Truncated, as a damaged lock file may contain texts of any length.
        pid, host, started = str(self.pid)[:20], str(self.host)[:80], str(self.started)[:32]
        return f"process {pid} on {host} (since {started}: {str(self.command)[:_COMMAND_LENGTH]})"


@dataclass
class LockRecord:
    """All entries of a lock file.

    Attributes
    ----------
    holders : dict of str to Holder
        Holders by token, in order of acquisition.
    released : set of str
        Tokens of the holders that finished their work.
    temporary : list of str
        Names in the lock's folder that belong to the output.
    placing : dict or None
        The output that the last renaming moves to the final name: its `identity`, and the `run_key` of its run.
    """

    holders: dict[str, Holder] = field(default_factory=dict)
    released: set[str] = field(default_factory=set)
    temporary: list[str] = field(default_factory=list)
    placing: dict[str, Any] | None = None

    @property
    def unreleased(self) -> list[Holder]:
        """Return the holders that have not finished their work."""
        return [holder for token, holder in self.holders.items() if token not in self.released]


def is_lock(content: bytes) -> bool:
    """Return whether a file is a lock of this package, possibly truncated by a crash."""
    content = content.strip(b"\0\n")
    return content.startswith(_START) or _START.startswith(content)


def parse_lock(content: bytes) -> LockRecord:
    """Read the entries of a lock file; damaged lines are skipped."""
    record = LockRecord()
    for line in content.split(b"\n"):
        try:
            _apply(record, json_value(line.strip(b"\0")))
        except (ValueError, TypeError, KeyError):
            continue
    return record


def lock_line(entry: dict[str, Any]) -> bytes:
    """Return one entry as bytes; it begins with a line end, in case the previous line was truncated."""
    return b"\n" + json.dumps(entry, ensure_ascii=True).encode() + b"\n"


def holder_entry(holder: Holder) -> dict[str, Any]:
    """Return the entry of a holder."""
    return {"format": FORMAT, "holder": asdict(holder)}


def read_entries(descriptor: int) -> bytes:
    """Read an open lock file from its start."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    with os.fdopen(os.dup(descriptor), "rb") as file:
        return file.read()


def append_entry(descriptor: int, entry: dict[str, Any]) -> None:
    """Write one entry to the end of an open lock file, and wait until it is on the disk."""
    line = lock_line(entry)
    if os.write(descriptor, line) != len(line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(descriptor)


@cache
def boot_name() -> str:
    """Return an identifier of the current boot of this machine."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return f"{socket.gethostname()} {round(psutil.boot_time() / 60)}"


def _apply(record: LockRecord, entry: Any) -> None:
    if not isinstance(entry, dict):
        return
    if "holder" in entry:
        values = entry["holder"]
        holder = Holder(**{each.name: values[each.name] for each in fields(Holder)})
        if isinstance(holder.pid, int) and isinstance(holder.process_started, float):
            record.holders[str(holder.token)] = holder
    elif "released" in entry:
        record.released.add(str(entry["released"]))
    elif "temporary" in entry:
        record.temporary.append(str(entry["temporary"]))
    elif "placing" in entry and isinstance(entry["placing"], dict):
        record.placing = entry["placing"]
