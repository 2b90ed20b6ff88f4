"""Checks of a command with damaged files or arguments: exit code, lines, inputs and outputs."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import signal
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from .checks import Fault, attempt, check_message, check_metadata, describe_error, is_printable
from .commands import COMMAND, command_files

CPU_S = 4.0  # until a command receives Ctrl-C, as damaged settings may request a long computation
_EXIT_CODES = 0, 2, 130
_LONGEST_LINE = 1000
_OPENED = (".zarr", ".tif", ".tiff", ".mp4", ".mkv", ".mov", ".png", ".jpg", ".jpeg", ".bmp", ".safetensors")


def check_command_folder(folder: Path) -> str:
    """Check exit code, lines, inputs and outputs of a command run in its folder."""
    from click.testing import CliRunner

    from decrappify.cli import main

    arguments = json.loads((folder / COMMAND).read_text())["arguments"]
    before = _content(folder)
    with contextlib.chdir(folder), _stderr() as printed, _ctrl_c() as stopped:
        result = CliRunner().invoke(main, arguments)
    try:
        outcome = _check_result(result, stopped, printed, folder)
        is_complete = result.exit_code == 0 or " is complete" in result.stderr  # Ctrl-C arrived after writing
        _check_outputs(0 if is_complete else result.exit_code, arguments, before, folder)
    except Fault as fault:
        raise Fault(f"{_shown(arguments)}: {fault}") from fault
    return outcome


def _check_result(result: Any, stopped: list[int], printed: list[bytes], folder: Path) -> str:
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise Fault(describe_error(result.exception))
    if result.exit_code not in _EXIT_CODES or (result.exit_code == 130 and not stopped):
        raise Fault(f"exit code {result.exit_code}: {result.output[-300:]!r}")
    bad = sorted({character for character in result.output if character != "\n" and not is_printable(character)})
    if bad or "Traceback" in result.output:
        raise Fault(f"prints {bad!r}: {result.output[:500]!r}")
    lines = result.stderr.splitlines()
    for line in lines:
        if not line.startswith("decrappify: "):
            raise Fault(f"a line on stderr that is not ours: {line[:300]!r}")
        check_message(line, Path("x" * _LONGEST_LINE))
    if result.exit_code and not lines:
        raise Fault(f"exit code {result.exit_code} without a line")
    if printed[0].strip():
        raise Fault(f"a library prints: {printed[0][:300]!r}")
    return {0: "read", 130: "stopped"}.get(result.exit_code, "refused")


_SCENE_RECORD = re.compile(r"\..+\.scenes\.json")


def _check_outputs(exit_code: int, arguments: list[str], before: dict[Path, str], folder: Path) -> None:
    """Check that only the output was changed, that it opens, and that it exists if and only if the exit code is 0."""
    after = _content(folder)
    names = _outputs(arguments, folder)
    ours = partial(_belongs, names)
    lost = [path for path, digest in before.items() if after.get(path) != digest and not ours(path.relative_to(folder))]
    if lost:
        raise Fault(f"exit code {exit_code}: changed {sorted(str(path.relative_to(folder)) for path in lost)[:5]}")
    new = [path for path in after if path not in before or after[path] != before[path]]
    stray = [path for path in new if not ours(path.relative_to(folder))]
    if exit_code and "all" in arguments:  # the record of restored scenes is kept until all are finished
        stray = [path for path in stray if not _SCENE_RECORD.fullmatch(path.name)]
    if stray:
        raise Fault(f"exit code {exit_code}: wrote {sorted(str(path.relative_to(folder)) for path in stray)[:5]}")
    if exit_code == 0:
        for name in names:
            if not (folder / name).exists():
                raise Fault(f"exit code 0 without {name}")
            hidden = [path.name for path in (folder / name).parent.iterdir() if path.name.startswith(f".{name.name}.")]
            if hidden and not os.path.lexists(folder / f"{name}.partial"):
                raise Fault(f"exit code 0 leaves {hidden}")
    written = {path for path in new if _top(path.relative_to(folder), names)}
    whole = {_top(path.relative_to(folder), names) for path in written} - {None}
    if exit_code and whole and arguments[0] not in ("train", "colorize") and "all" not in arguments:
        raise Fault(f"exit code {exit_code}, but {sorted(map(str, whole))} exists")
    for name in sorted(whole):
        _check_opens(folder / name, written)


def _outputs(arguments: list[str], folder: Path) -> list[Path]:
    """Return the output of a command line, relative to the folder; none if the line cannot be parsed."""
    import click

    from decrappify.cli import main
    from decrappify.errors import DecrappifyError

    name, *rest = arguments
    try:
        with contextlib.chdir(folder):
            values = main.commands[name].make_context(name, list(rest), resilient_parsing=False).params
    except (click.exceptions.Exit, click.ClickException, DecrappifyError, OSError):  # the last two from --plugin
        return []
    output = values.get("output")
    if name == "train":
        text = re.search(r'(?m)^output *= *"([^"\\]*)"', (folder / "run.toml").read_text(errors="replace"))
        output = output or Path(text[1] if text else "runs/run")
    if output is None:
        return []
    if values.get("scene") == "all":
        return _scene_outputs(folder, values["source"], output)
    return [Path(os.path.normpath(output))]


def _scene_outputs(folder: Path, source: Path, output: Path) -> list[Path]:
    """Return the finished or unfinished outputs of all scenes; none if the command must refuse them."""
    import warnings

    from decrappify.errors import DecrappifyError
    from decrappify.io import scenes
    from decrappify.io.scene_names import scene_outputs

    with contextlib.chdir(folder), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = [Path(os.path.normpath(path)) for path in scene_outputs(output, scenes(source))]
        except (DecrappifyError, OSError, ValueError):
            return []
        return [path for path in found if os.path.lexists(path) or os.path.lexists(f"{path}.partial")]


def _belongs(names: list[Path], path: Path) -> bool:
    """Return whether a path is an output, is inside one, or is its working folder, lock or temporary file."""
    for name in names:
        if path == name or path.is_relative_to(name) or path.is_relative_to(name.with_name(f"{name.name}.partial")):
            return True
        depth = len(name.parent.parts)
        if path.parts[:depth] == name.parent.parts and path.parts[depth].startswith(f".{name.name}."):
            return True
    return False


def _top(path: Path, names: list[Path]) -> Path | None:
    """Return the output that contains a file; None for files of an unfinished output."""
    return next((name for name in names if path == name or path.is_relative_to(name)), None)


def _check_opens(path: Path, written: set[Path]) -> None:
    """Check that an output can be read completely; in a folder of images, those written by the command."""
    from decrappify.io import open_movie
    from decrappify.model import load_model

    def read() -> None:
        with open_movie(path) as movie:
            check_metadata(movie)
            for t in range(min(len(movie), 30)):
                movie.frame(t)

    if path.suffix == ".safetensors":
        outcome, _ = attempt("load_model of the output", lambda: load_model(path), path)
    elif path.is_dir() and not (path / "zarr.json").exists():  # a folder of photographs may have any name
        for entry in sorted(path.iterdir()):
            is_new = any(file.is_relative_to(entry) for file in written)
            if is_new and not entry.name.startswith(".") and entry.suffix in _OPENED:
                _check_opens(entry, written)
        return
    else:
        outcome, _ = attempt("open_movie of the output", read, path)
    if outcome != "read":
        raise Fault(f"the output {path.name} cannot be read")


def _content(folder: Path) -> dict[Path, str]:
    """Return a digest of every file."""
    return {path: hashlib.blake2b(path.read_bytes()).hexdigest() for path in command_files(folder)}


def _shown(arguments: list[str]) -> str:
    return " ".join(ascii(each)[1:-1][:80] or "''" for each in arguments)


@contextlib.contextmanager
def _stderr() -> Iterator[list[bytes]]:
    """Collect the output of libraries to the standard error below Python."""
    printed = [b""]
    with tempfile.TemporaryFile() as file:
        kept = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            yield printed
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            printed[0] = file.read(1 << 16)


@contextlib.contextmanager
def _ctrl_c() -> Iterator[list[int]]:
    """Send Ctrl-C to a command that computes for too long."""
    stopped: list[int] = []
    is_running = True

    def stop(number: int, _: Any) -> None:
        if is_running:
            stopped.append(number)
            signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, CPU_S)
    try:
        yield stopped
    except KeyboardInterrupt:  # between the end of the command and this line
        sys.exc_info()
    finally:
        is_running = False
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
