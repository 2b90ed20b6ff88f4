"""Run a writing command in child processes, each of which is killed at one file event, and run it again.

Started as a script in a separate process with one thread, so that children can be forked after all modules are loaded:
``python killing.py FOLDER OUTPUT HOW OVERWRITE STRIDE``. Writes a JSON summary to the standard output.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

EVENTS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link"}
Command = Callable[[Path], None]


@dataclass
class Summary:
    """Result of a sweep."""

    events: int = 0
    tried: int = 0
    failures: list[str] = field(default_factory=list)


def contents(folder: Path) -> dict[str, bytes]:
    """Return the contents of all files below a folder, and its empty folders."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"<folder>"
        for path in sorted(folder.rglob("*"))
        if path.is_file() or not any(path.iterdir())
    }


def sweep(folder: Path, command: Command, stride: int = 1) -> Summary:
    """Kill `command` before each `stride`-th file event below `folder` and after the last one, and run it again.

    Each second run must succeed and create exactly the files of an undisturbed run. It may be rejected, as the output
    exists, only if the first run was killed after its last event.
    """
    template = folder.with_name(f"{folder.name}-template")
    shutil.copytree(folder, template)
    summary = Summary()
    code, report = _run(folder, command, None)
    if code:
        summary.failures.append(f"undisturbed: {report}")
        return summary
    expected = contents(folder)
    summary.events = int(report)
    for event in [*range(0, summary.events, stride), summary.events]:
        shutil.rmtree(folder)
        shutil.copytree(template, folder)
        summary.tried += 1
        code, report = _run(folder, command, event)
        if code != -signal.SIGKILL:
            summary.failures.append(f"event {event}: exit {code} instead of a kill: {report}")
            continue
        after_kill = sorted(path.name for path in folder.iterdir())
        code, report = _run(folder, command, None)
        if code and not (event == summary.events and "OutputExistsError" in report):
            summary.failures.append(f"event {event}: {report.strip()[-700:]} (left by the kill: {after_kill})")
        elif (found := contents(folder)) != expected:
            different = [name for name in found | expected if found.get(name) != expected.get(name)]
            summary.failures.append(f"event {event}: other files: {different[:6]} (left by the kill: {after_kill})")
    return summary


def _run(folder: Path, command: Command, killed_at: int | None) -> tuple[int, str]:
    """Run in a forked child; return its exit code, or minus the signal, and the number of events or an error."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        code, report = 1, ""
        try:
            events = _count_events(folder.resolve(), killed_at)
            command(folder)
            if killed_at is not None:
                os.kill(os.getpid(), signal.SIGKILL)
            code, report = 0, str(events[0])
        except BaseException:  # noqa: BLE001 - including SystemExit and KeyboardInterrupt
            report = traceback.format_exc()
        os.write(writing, report.encode()[-50_000:])
        os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        report = pipe.read().decode()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), report


def _count_events(folder: Path, killed_at: int | None) -> list[int]:
    """Count file events below a folder from now on, and kill this process before event `killed_at`."""
    count = [0]

    def count_event(path: object) -> None:
        if isinstance(path, int):
            try:
                path = Path(f"/proc/self/fd/{path}").readlink()
            except OSError:
                return
        if not isinstance(path, str | bytes | os.PathLike):
            return
        absolute = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - without following links
        if absolute == str(folder) or absolute.startswith(f"{folder}{os.sep}"):
            if count[0] == killed_at:
                os.kill(os.getpid(), signal.SIGKILL)
            count[0] += 1

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event not in EVENTS:
            return
        if event == "open":
            mode, flags = arguments[1], arguments[2]
            writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if not writes and not (isinstance(mode, str) and set(mode) & set("wax+")):
                return
        count_event(arguments[0])

    for name in ("fsync", "write"):
        original = getattr(os, name)

        def counted(descriptor: int, *rest: object, original: Callable[..., object] = original) -> object:
            count_event(descriptor)
            return original(descriptor, *rest)

        setattr(os, name, counted)
    sys.addaudithook(hook)
    return count


def main(folder: str, output: str, how: str, overwrite: str, stride: str) -> None:
    """Load all modules by a run in a copy of the folder, sweep, and print the summary."""
    from writing import command_of

    command = command_of(how, output, overwrite=overwrite == "overwrite")
    warm = Path(folder).with_name("warm")
    shutil.copytree(folder, warm)
    command(warm)
    shutil.rmtree(warm)
    sys.stdout.write(json.dumps(vars(sweep(Path(folder), command, int(stride)))) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
