"""Locks on outputs: only one process writes an output at a time; temporary files of a killed one are deleted.

The lock file ``.OUT.lock`` is next to the output while it is written. It records the process that holds it and, before
they are used, all temporary names of the output, so that a later run deletes only what was recorded there. If the file
system supports it (flock), the system also holds the lock and releases it when the process ends, for any reason. The
lock files of the package filelock are not sufficient: some versions empty them, and they contain no record.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import secrets
import stat
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

from decrappify._common.argument_names import setting
from decrappify._common.files.atomic import sync_file, sync_folder
from decrappify.errors import OutputError, OutputExistsError, OutputInUseError
from decrappify.io.store.durable import file_age, identity, output_errors, remove, same_content
from decrappify.io.store.lock_errors import foreign_lock, lock_in_use, lock_of_another_user
from decrappify.io.store.lock_record import (
    HEARTBEAT_S,
    Holder,
    LockRecord,
    append_entry,
    holder_entry,
    is_lock,
    parse_lock,
    read_entries,
)

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

logger = logging.getLogger(__name__)

_KINDS = "new|old|trash|partial"
_ATTEMPTS, _PAUSE_S = 50, 0.02
_NOT_A_FILE = {errno.ELOOP, errno.EISDIR, errno.ENXIO}  # a link, a folder, a socket
_NOT_OURS = {errno.EACCES, errno.EPERM}
_LONGEST_NAME = 150  # bytes of an output's name that leave space for the added parts of a file name
_held: weakref.WeakSet[OutputLock] = weakref.WeakSet()


class OutputLock:
    """The lock on an output, held until `release`.

    Parameters
    ----------
    target : Path
        The output, a file or folder that need not exist; its parent folder must exist.
    shown : Path, optional
        The name for messages; `target` by default.

    Attributes
    ----------
    target : Path
        The output, with its folder resolved.
    placed_by : str or None
        Key of a killed run that had renamed the existing output to its final name; an empty string for a run
        without a key.
    unfinished : Path or None
        While this path exists and the output was placed, `release` keeps the record for a later run.

    Raises
    ------
    OutputError
        If another process, or another thread of this one, holds the lock, or it cannot be written.
    """

    def __init__(self, target: Path, *, shown: Path | None = None) -> None:
        self._shown = shown or target
        self.target = target.absolute().parent.resolve() / target.name
        self._path = lock_path(self.target)
        self._stem = _stem(self.target.name)
        self._mutex = threading.Lock()
        self._pid = os.getpid()
        self._placed = False
        self.unfinished: Path | None = None
        self._descriptor: int | None = None
        self._record = LockRecord()
        with output_errors(self._shown):
            self._holder, self._descriptor = self._acquire()
        _held.add(self)
        self._ended = threading.Event()
        self._heart: threading.Thread | None = threading.Thread(target=self._beat, name="decrappify lock", daemon=True)
        try:
            self._heart.start()
        except RuntimeError:  # no thread can be started: the system's lock still protects against runs on this machine
            self._heart = None
        self.placed_by: str | None = None
        try:
            with output_errors(self._shown):
                self._recover()
        except BaseException:
            self.release()
            raise

    def temporary(self, kind: str, suffix: str = "") -> Path:
        """Return an unguessable name next to the output, recorded in the lock file before it is used.

        Parameters
        ----------
        kind : {"new", "old", "trash", "partial"}
            Purpose of the name.
        suffix : str
            Suffix, for writers that choose the format by it.
        """
        name = f".{self._stem}.{secrets.token_hex(16)}.{kind}{suffix}"
        self._append({"temporary": name})
        return self.target.with_name(name)

    def place(self, new: Path, *, overwrite: bool, run_key: str = "") -> None:
        """Rename a finished file or folder to the output's name; an old output is replaced (almost) atomically.

        Parameters
        ----------
        new : Path
            On the same disk as the output. The content of a folder must be on the disk already.
        overwrite : bool
            Whether an existing output may be replaced.
        run_key : str
            Passed to a later run as `placed_by`, if this run is killed before it has cleaned up.

        Raises
        ------
        OutputExistsError
            If the output exists, `overwrite` is False, and it is not an equal one just placed by a killed run.
        """
        sync_folder(new) if new.is_dir() else sync_file(new)
        if os.path.lexists(self.target) and not overwrite:
            if self.placed_by is None or not same_content(new, self.target):
                raise OutputExistsError(
                    f"{self._shown} already exists; choose another name, or replace it with "
                    f"{setting('overwrite', True)}"
                )
            self.dispose(new)
        else:
            self._append({"placing": {"identity": identity(new), "run_key": run_key}})
            self._rename(new)
        self._placed = True

    def dispose(self, path: Path) -> None:
        """Delete a file or folder under an unguessable name, so that a killed run leaves no half-deleted `path`.

        A path that does not exist is ignored.
        """
        if os.path.lexists(path):
            trash = self.temporary("trash")
            path.rename(trash)
            remove(trash)

    def release(self) -> None:
        """Delete temporary files and the lock file; a second call, and one in a forked child, has no effect."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None or self._pid != os.getpid():
            return
        self._ended.set()
        if self._heart is not None:
            self._heart.join()
        self._descriptor = descriptor
        try:
            with suppress(OSError):
                self._recover()
            with suppress(OSError):
                if self._placed and self.unfinished is not None and self.unfinished.exists():
                    self._append({"released": self._holder.token})
                else:
                    self._delete()
        finally:
            self._descriptor = None
            os.close(descriptor)

    def _acquire(self) -> tuple[Holder, int]:
        for _ in range(_ATTEMPTS):
            descriptor = self._open()
            try:
                holder = self._try(descriptor)
            except BaseException:
                os.close(descriptor)
                raise
            if holder is not None:
                return holder, descriptor
            os.close(descriptor)
            time.sleep(_PAUSE_S)
        raise OutputInUseError(f"{self._shown} is being written by another process; wait until it has ended")

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
        try:
            descriptor = os.open(self._path, flags, 0o644)
        except OSError as error:
            if error.errno in _NOT_A_FILE:
                raise foreign_lock(self._path) from error
            if error.errno in _NOT_OURS and self._path.is_file():
                raise lock_of_another_user(self._shown, self._path) from error
            raise
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):  # a pipe
            os.close(descriptor)
            raise foreign_lock(self._path)
        return descriptor

    def _try(self, descriptor: int) -> Holder | None:
        """Acquire the lock if it is free; return None if it changed meanwhile, to try again."""
        kept, free = _lock_by_system(descriptor)
        if free and not self._is_current(descriptor):
            return None  # deleted by its holder between opening and locking it
        age = file_age(os.fstat(descriptor), self._path.parent)
        content = read_entries(descriptor)
        if not is_lock(content):
            raise foreign_lock(self._path)
        before = parse_lock(content)
        if not free:
            if not before.unreleased:
                return None  # its holder has not written its entry yet
            last = before.unreleased[-1]
            if not last.is_alive(age, free_by_system=False):
                return None  # the holder was killed, and a child of it has not closed the inherited file yet
            raise lock_in_use(self._shown, last, age)
        for holder in before.unreleased:
            if holder.is_alive(age, free_by_system=kept):
                raise lock_in_use(self._shown, holder, age)
        mine = Holder.present(locked_by_system=kept)
        try:
            append_entry(descriptor, holder_entry(mine))
        except OSError:
            if not content:
                self._path.unlink(missing_ok=True)
            raise
        if not kept:
            self._check_first(descriptor, mine, {holder.token for holder in before.unreleased})
        if before.unreleased:
            logger.warning(
                "%s: %s ended without releasing its lock; the lock is taken over", self._shown, before.unreleased[-1]
            )
        self._record = before
        return mine

    def _check_first(self, descriptor: int, mine: Holder, ended: set[str]) -> None:
        """Raise OutputError if another process wrote its entry first, which decides if the system has no locks."""
        time.sleep(_PAUSE_S)
        others = [each for each in parse_lock(read_entries(descriptor)).unreleased if each.token not in ended]
        if others and others[0].token != mine.token:
            append_entry(descriptor, {"released": mine.token})
            raise lock_in_use(self._shown, others[0], 0.0)

    def _is_current(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self._path.lstat())
        except FileNotFoundError:
            return False

    def _recover(self) -> None:
        """Restore an output that was about to be replaced, and delete all recorded temporary names."""
        placing = self._record.placing
        placed = placing is not None and placing.get("identity") == identity(self.target) is not None
        for name in self._record.temporary:
            kind = re.fullmatch(rf"\.{re.escape(self._stem)}\.[0-9a-f]{{32}}\.({_KINDS})(\.[\w.-]*)?", name)
            if kind is None:
                continue
            path = self.target.with_name(name)
            if not os.path.lexists(path):
                continue
            if kind[1] != "old" or placed:
                remove(path)
            elif not os.path.lexists(self.target):
                path.rename(self.target)
            else:
                logger.warning("%s was being replaced, but another file has its name now: the earlier one is kept as "
                    "%s",
                               self._shown, path)  # fmt: skip
        self.placed_by = str(placing.get("run_key", "")) if placing is not None and placed else None

    def _rename(self, new: Path) -> None:
        old = None
        if os.path.lexists(self.target) and (new.is_dir() or self.target.is_dir()):
            old = self.temporary("old")
            self.target.rename(old)
        new.replace(self.target)
        try:
            for folder in dict.fromkeys((self.target.parent, new.parent)):
                sync_folder(folder)
        except OSError as error:
            logger.warning("%s is complete, but the disk did not confirm its name (%s) and may lose it in a power cut; "
                           "check the disk", self._shown, error.strerror)  # fmt: skip
        if old is not None:
            try:
                remove(old)
            except OSError as error:  # files of another user; the new output is complete
                logger.warning("%s was replaced, but the old one could not be deleted (%s) and is kept as %s",
                               self._shown, error.strerror, old)  # fmt: skip

    def _delete(self) -> None:
        try:
            self._path.unlink(missing_ok=True)
        except OSError:  # Windows cannot delete an open file
            self._append({"released": self._holder.token})

    def _append(self, entry: dict[str, Any]) -> None:
        with self._mutex:
            if self._descriptor is None:
                raise OutputError(f"the lock on {self._shown} was lost; repeat the run")
            append_entry(self._descriptor, entry)
            self._record = parse_lock(read_entries(self._descriptor))

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT_S):
            with suppress(OSError):
                os.utime(self._path)


@contextmanager
def locked(target: Path) -> Iterator[OutputLock]:
    """Hold the lock on an output within a ``with`` block."""
    lock = OutputLock(target)
    try:
        yield lock
    finally:
        lock.release()


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Hold the lock on a folder in which files are written, such as a run folder; the lock file is in it."""
    lock = OutputLock(folder / "decrappify", shown=folder)
    try:
        yield
    finally:
        lock.release()


def lock_path(target: Path) -> Path:
    """Return the path of the lock of an output."""
    return target.with_name(f".{_stem(target.name)}.lock")


def _stem(name: str) -> str:
    raw = os.fsencode(name)
    return name if len(raw) <= _LONGEST_NAME else sha256(raw).hexdigest()


def _lock_by_system(descriptor: int) -> tuple[bool, bool]:
    """Lock a file; return whether the system supports locks here, and whether this one was free."""
    if fcntl is None:
        return False, True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True, False
    except OSError:  # a network share without locks
        return False, True
    return True, True


def _forget_in_child() -> None:
    """Close inherited descriptors after a fork, so that a child that outlives its parent does not keep the lock."""
    for lock in list(_held):
        descriptor, lock._descriptor = lock._descriptor, None
        if descriptor is not None:
            with suppress(OSError):
                os.close(descriptor)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
