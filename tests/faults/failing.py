"""Run a command in child processes, in each of which one file operation fails, and run it again.

Started as a script like `killing`, with ``failing_calls.c`` loaded before the C library, so that operations of
libraries in C and Rust fail too: ``python failing.py FOLDER OUTPUT HOW OVERWRITE TRIES``. If TRIES is ``full-disk``,
the folder must be on a separate small disk; if HOW is ``reading``, OUTPUT is an input. Writes a JSON summary to the
standard output.
"""

from __future__ import annotations

import ctypes
import errno
import gc
import json
import math
import os
import shutil
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from tempfile import gettempdir
from typing import NamedTuple

Command = Callable[[Path], object]

OPEN, WRITE, SYNC, RENAME, REMOVE, MKDIR, TRUNCATE, READ = (1 << bit for bit in range(8))
CHANGES = OPEN | WRITE | SYNC | RENAME | REMOVE | MKDIR | TRUNCATE
_GROWS = OPEN | WRITE | SYNC | MKDIR  # operations that require space
SECONDS = 60
_FREE_KB = (0, 4, 8, 16, 32, 64, 128, 256)  # free space of a full disk
_DOCUMENTED = {"out/.decrappify-run.json"}  # left by an unfinished run


class Fault(NamedTuple):
    """The error of the first operation that fails, and the kinds of later operations that fail too."""

    error: int
    lasting: int = 0

    def __str__(self) -> str:
        return f"{errno.errorcode[self.error]}{' from then on' if self.lasting else ''}"


FAULTS = (
    Fault(errno.ENOSPC, _GROWS),
    Fault(errno.EIO),
    Fault(errno.EROFS, CHANGES),
    Fault(errno.EDQUOT, _GROWS),
    Fault(errno.EACCES),
    Fault(errno.EIO, CHANGES),
    Fault(errno.ENOSPC),
)
_READING_FAULTS = (Fault(errno.EIO, READ), Fault(errno.EACCES, READ), Fault(errno.EIO), Fault(errno.ESTALE, READ))
_REASONS = {
    errno.ENOSPC: ("the disk is full", "No space left"),
    errno.EDQUOT: ("the disk is full", "quota"),
    errno.EIO: ("Input/output error", "damaged"),
    errno.EROFS: ("Read-only file system",),
    errno.EACCES: ("Permission denied", "Input/output error", "no permission"),
}


@dataclass
class Summary:
    """Result of a sweep."""

    operations: int = 0
    tried: int = 0
    refused: int = 0
    failures: list[str] = field(default_factory=list)


class End(NamedTuple):
    """Result of a run.

    Attributes
    ----------
    code : int
        0, 2 for an error in one line, 1 for any other error, or the negative number of a signal.
    message : str
        The error line, or a traceback.
    count : int
        Number of file operations.
    where : str
        The operation that failed first.
    stderr : str
        Other text on the standard error.
    """

    code: int
    message: str
    count: int
    where: str
    stderr: str


def contents(folder: Path) -> dict[str, bytes]:
    """Return the contents of all files below a folder, and its empty folders."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"<folder>"
        for path in sorted(folder.rglob("*"))
        if path.is_file() or not any(path.iterdir())
    }


def sweep(folder: Path, output: str, command: Command, tries: int) -> Summary:
    """Run `command` with a fault of `FAULTS` at one of its file operations below `folder`, for `tries` of them.

    The command must succeed, or end in one line that names the output and the reason, and change only the output, which
    is as before or complete. Repeated without a fault, it must create the same files as an undisturbed run.
    """
    template = folder.with_name(f"{folder.name}-template")
    shutil.copytree(folder, template)
    summary, before = Summary(), contents(folder)
    undisturbed = run(folder, command)
    if undisturbed.code:
        summary.failures.append(f"undisturbed: {undisturbed.message}")
        return summary
    expected, summary.operations = contents(folder), undisturbed.count
    stride = max(1, math.ceil(summary.operations / tries))
    for number, at in enumerate(range(0, summary.operations, stride)):
        _put_back(folder, template)
        fault = FAULTS[number % len(FAULTS)]
        end = run(folder, command, at, fault)
        summary.tried += 1
        summary.refused += end.code == 2
        problem = _problem(folder, output, before, expected, end, fault) or _repeated(
            folder, command, expected, end, fault
        )
        if problem:
            summary.failures.append(
                f"operation {at} ({fault}: {end.where}): {problem} [{end.code}: {end.message[-1500:]}]"
            )
    return summary


def full_disk_sweep(folder: Path, output: str, command: Command) -> Summary:
    """Run `command` on a disk with each amount of free space in `_FREE_KB`; check the same as `sweep`."""
    template, ballast = folder.with_name(f"{folder.name}-template"), folder.with_name("ballast")
    shutil.copytree(folder, template)
    summary, before = Summary(), contents(folder)
    undisturbed = run(folder, command)
    if undisturbed.code:
        summary.failures.append(f"undisturbed: {undisturbed.message}")
        return summary
    expected = contents(folder)
    for free in _FREE_KB:
        _put_back(folder, template)
        disk = os.statvfs(folder)
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, disk.f_bavail * disk.f_frsize - 1024 * free)
        end = run(folder, command)
        ballast.unlink()
        summary.tried += 1
        summary.refused += end.code == 2
        problem = _problem(folder, output, before, expected, end, FAULTS[0])
        problem = problem or _repeated(folder, command, expected, end, FAULTS[0])
        if problem:
            summary.failures.append(f"{free} kB free: {problem} [{end.code}: {end.message[-1500:]}]")
    return summary


def _put_back(folder: Path, template: Path) -> None:
    shutil.rmtree(folder)
    shutil.copytree(template, folder)


def reading_sweep(folder: Path, name: str, tries: int) -> Summary:
    """Read a movie with faults at `tries` operations: the pixels must be equal, or one line must name the file."""
    summary, pixels = Summary(), _pixels(folder / name)

    def read(folder: Path) -> None:
        assert _pixels(folder / name) == pixels, "other pixels"

    undisturbed = run(folder, read, kinds=READ)
    if undisturbed.code:
        summary.failures.append(f"undisturbed: {undisturbed.message}")
    summary.operations = undisturbed.count
    stride = max(1, math.ceil(summary.operations / tries))
    for number, at in enumerate(range(0, summary.operations, stride)):
        fault = _READING_FAULTS[number % len(_READING_FAULTS)]
        end = run(folder, read, at, fault, READ)
        summary.tried += 1
        summary.refused += end.code == 2
        is_named = end.code == 0 or Path(name).stem in end.message or Path(end.where).name in end.message
        if end.code not in (0, 2) or not is_named or "\n" in end.message or "Traceback" in end.stderr:
            summary.failures.append(
                f"operation {at} ({fault}: {end.where}): [{end.code}: {end.message[-1500:]}] {end.stderr[-500:]}"
            )
    return summary


def _pixels(path: Path) -> str:
    """Return a digest of the pixels of a movie, read plane by plane."""
    from decrappify.io import open_movie

    digest = sha256()
    with open_movie(path) as movie:
        for t, c, z in movie.planes():
            digest.update(movie.frame(t, c, z).tobytes())
    return digest.hexdigest()


def _problem(
    folder: Path, output: str, before: dict[str, bytes], expected: dict[str, bytes], end: End, fault: Fault
) -> str:
    """Return the problem that a fault caused, or an empty string."""
    found = contents(folder)
    is_complete = _part(found, output) == _part(expected, output)
    if end.code not in (0, 2) or "Traceback" in end.stderr or "ignored" in end.stderr:
        return f"exit code {end.code}: {end.stderr[-1500:]}"
    if end.code == 2:
        if "\n" in end.message or not any(reason in end.message for reason in _REASONS[fault.error]):
            return "the message does not state the reason"
        if output not in end.message:
            return "the message does not name the output"
        if is_complete and _part(before, output) != _part(expected, output):
            return "rejected, but the output is complete"
    elif not is_complete:
        return "the output is not complete, with exit code 0"
    if not is_complete and (wrong := _mixed(_part(before, output), _part(found, output), _part(expected, output))):
        return f"the output is neither as before nor complete: {wrong[:5]}"
    others = [name for name in before if not _belongs(name, output) and found.get(name) != before[name]]
    if others:
        return f"{others} were changed"
    left = {name for name in found.keys() - before.keys() if not _belongs(name, f"{output}.partial")}
    left = {name for name in left if (not _belongs(name, output) or _is_hidden(name)) and name not in _DOCUMENTED}
    if any(_belongs(name, f"{output}.partial") for name in found):
        left.discard(f".{output}.lock")  # it identifies the run of the working folder
    if left and _can_clean_up(fault, end):
        return f"{sorted(left)} are left"
    return ""


def _mixed(before: dict[str, bytes], found: dict[str, bytes], expected: dict[str, bytes]) -> list[str]:
    """Return the files of an output that are lost, or equal neither the earlier nor the expected ones."""
    kept = set(found.values())
    lost = [name for name, content in before.items() if found.get(name) != expected.get(name) and content not in kept]
    allowed = ((before.get(name), expected.get(name), b"<folder>") for name in found)
    return lost + [name for (name, content), each in zip(found.items(), allowed, strict=True) if content not in each]


def _can_clean_up(fault: Fault, end: End) -> bool:
    return not fault.lasting & REMOVE and not end.where.startswith(("unlink", "rmdir", "rename"))


def _repeated(folder: Path, command: Command, expected: dict[str, bytes], end: End, fault: Fault) -> str:
    """Run the command again without a fault; return the problem, or an empty string."""
    if end.code == 0 and contents(folder) == expected:
        return ""
    again = run(folder, command)
    if again.code == 2 and "exists" in again.message and (end.code == 0 or not _can_clean_up(fault, end)):
        return ""  # the output is complete, or could not be deleted
    if again.code:
        return f"the second run ended with {again.code}: {again.message[-900:]}"
    found = contents(folder)
    different = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
    different = [name for name in different if not name.endswith(".previous.pt")]  # copy of a complete checkpoint
    if not _can_clean_up(fault, end):  # locks of finished files
        different = [name for name in different if not name.endswith(".lock")]
    return f"after the second run, these differ: {different[:6]}" if different else ""


def _belongs(name: str, output: str) -> bool:
    return Path(name).parts[0] == output


def _part(files: dict[str, bytes], output: str) -> dict[str, bytes]:
    return {name: content for name, content in files.items() if _belongs(name, output) and not _is_hidden(name)}


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") for part in Path(name).parts)


def run(folder: Path, command: Command, at: int = -1, fault: Fault = FAULTS[0], kinds: int = CHANGES) -> End:
    """Run the command in a forked child in which file operation `at` fails; -1 for none."""
    from decrappify.errors import DecrappifyError

    calls = ctypes.CDLL(None)
    calls.faults_where.restype = ctypes.c_char_p
    log = Path(gettempdir()) / f"decrappify-failing-{os.getpid()}"
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        code, message = 1, ""
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(descriptor, 2)
        calls.alarm(SECONDS)
        try:
            calls.faults_arm(os.fsencode(folder.resolve()), kinds, at, fault.error, fault.lasting)
            command(folder)
            code = 0
        except DecrappifyError as error:
            code, message = 2, str(error)
        except BaseException:  # noqa: BLE001 - including SystemExit and KeyboardInterrupt
            message = traceback.format_exc()[-4000:]
        gc.collect()  # errors in destructors are reported now
        calls.faults_disarm()
        report = [message, calls.faults_count(), calls.faults_where().decode() if at >= 0 else ""]
        os.write(writing, json.dumps(report).encode())
        os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        report = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    message, count, where = json.loads(report) if report else (f"ended after at most {SECONDS} s", 0, "")
    stderr = log.read_text(errors="replace")
    log.unlink()
    return End(code, message, count, where.replace(f"{folder.resolve()}/", ""), stderr)


def main(folder: str, output: str, how: str, overwrite: str, tries: str) -> None:
    """Load all modules by a run in a copy of the folder, sweep, and print the summary."""
    if how == "reading":
        _pixels(Path(folder) / output)
        sys.stdout.write(json.dumps(vars(reading_sweep(Path(folder), output, int(tries)))) + "\n")
        return
    from writing import command_of

    command = command_of(how, output, overwrite=overwrite == "overwrite")
    warm = Path(folder).with_name("warm")
    shutil.copytree(folder, warm)
    command(warm)
    shutil.rmtree(warm)
    gc.collect()
    gc.freeze()  # otherwise, garbage collection in each child would copy the memory of all modules
    if tries == "full-disk":
        found = full_disk_sweep(Path(folder), output, command)
    else:
        found = sweep(Path(folder), output, command, int(tries))
    sys.stdout.write(json.dumps(vars(found)) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
