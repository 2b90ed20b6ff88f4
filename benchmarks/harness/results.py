"""Rows and sections shared by all benchmarks: resumable rows, and one section of a page of results per script.

A benchmark defines its rows and a function for each. Every finished row is stored immediately in results/NAME.json,
with its settings and with the command, date, machine, versions and commit that produced it. The section, on the page of
pages.py, is built from that file alone. A row with unchanged settings is not run again, so an interrupted benchmark can
be resumed, and several processes may share one (`--only`). Rows with different settings are never combined in a table.
"""

from __future__ import annotations

import argparse
import datetime
import fcntl
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.harness.answers.registry import answer
from benchmarks.harness.pages import Page, page_of, write_section, write_summary
from decrappify._common.files.atomic import write_file

Row = dict[str, Any]
BENCHMARKS = Path(__file__).parents[1]
# A setting that cannot be determined here, such as the identity of an absent model file: equal to any stored one.
UNKNOWN = "unknown"
# Options that do not change a measured value.
_NOT_IN_THE_COMMAND = {
    "results",
    "only",
    "again",
    "table",
    "import_from",
    "scratch",
    "run",
    "runs",
    "environments",
    "folder",
    "device",
    "cpu_python",
}


@dataclass(frozen=True, slots=True)
class Job:
    """One row to measure: the `settings` (plain values) that determine its values, and the function to run."""

    settings: Mapping[str, Any]
    run: Callable[[], Row] = field(compare=False)


def parser(description: str | None) -> argparse.ArgumentParser:
    """Create a parser with the options of every benchmark; `description` is the module docstring."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--only", metavar="KEY", action="append", help="run only this row; may be repeated")
    made.add_argument("--again", action="store_true", help="run rows again that are already stored")
    made.add_argument(
        "--table",
        action="store_true",
        help="run no rows; write the section from the stored rows, also if their settings differ from the current ones",
    )
    made.add_argument(
        "--results",
        type=Path,
        default=BENCHMARKS / "RESULTS.md",
        help="file of the summary, next to the folder results",
    )
    made.add_argument("--threads", type=int, default=1, help="threads of torch")
    return made


class Benchmark:
    """Rows and section of one script."""

    def __init__(self, name: str, args: argparse.Namespace, options: argparse.ArgumentParser) -> None:
        self.name, self.args, self._options = name, args, options
        self.page: Page = page_of(name, Path(sys.argv[0]).stem)
        self.folder: Path = args.results.parent / "results"
        self._rows_file = self.folder / f"{name}.json"
        self.folder.mkdir(parents=True, exist_ok=True)

    def run(self, jobs: Mapping[str, Job], section: Callable[[list[Row]], str]) -> None:
        """Run the jobs that have no row yet; store each row and rewrite the section immediately.

        `section` receives the available rows, in the order of the jobs, each with its key and with the settings of its
        job, and returns the text above the provenance.
        """
        wanted = self.args.only or list(jobs)
        unknown = sorted(set(wanted) - set(jobs))
        if unknown:
            sys.exit(f"unknown row {unknown[0]!r}; rows: {', '.join(jobs)}")
        for key in [] if self.args.table else wanted:
            if key in self.matching(jobs) and not self.args.again:
                print(f"{key}: already stored (--again runs it again)")
                continue
            started, cpu_before = time.perf_counter(), time.process_time()
            row = jobs[key].run()
            made = {
                "seconds": round(time.perf_counter() - started),
                "cpu_seconds": round(time.process_time() - cpu_before),
            }
            self.add(key, jobs[key].settings, made | row)
            self._write(jobs, section)
            print(f"{key}: {json.dumps(row)}", flush=True)
        self._write(jobs, section)
        print(f"wrote the section {self.name} of {self.folder / self.page.name}.md")

    def add(self, key: str, settings: Mapping[str, Any], row: Row, origin: Row | None = None) -> None:
        """Store one row; safe while other processes store rows."""
        about = origin or environment() | {"command": self.command()}
        with _locked(self.folder):
            rows = self._stored()
            rows[key] = {"settings": dict(settings), "made": about, "row": row}
            _replace(self._rows_file, json.dumps(rows, indent=1) + "\n")

    def matching(self, jobs: Mapping[str, Job]) -> dict[str, Row]:
        """Return the stored rows with the current settings of the jobs, in the order of the jobs, each with its key."""
        stored = self._stored()
        return {
            key: _shown(key, stored[key])
            for key, job in jobs.items()
            if key in stored and not _changes(stored[key]["settings"], _plain(job.settings))
        }

    def command(self) -> str:
        """Return the command that measures all rows with the options of this process."""
        group, script = Path(sys.argv[0]).resolve().parts[-2:]
        words = [f"python benchmarks/{group}/{script}"]
        for action in self._options._actions:
            value = getattr(self.args, action.dest, None)
            if action.dest in _NOT_IN_THE_COMMAND or value in (None, action.default, argparse.SUPPRESS):
                continue
            values = value if isinstance(value, list) else [value]
            words.append(
                action.option_strings[0] if value is True else shlex.join([action.option_strings[0], *map(str, values)])
            )
        return " ".join(words)

    def _stored(self) -> dict[str, Any]:
        return json.loads(self._rows_file.read_text()) if self._rows_file.exists() else {}

    def _write(self, jobs: Mapping[str, Job], section: Callable[[list[Row]], str]) -> None:
        rows, note = self.matching(jobs), ""
        if not rows and self.args.table:
            rows, note = self._earlier(jobs)
        if not rows:
            return
        stored = self._stored()
        made = list({json.dumps(stored[key]["made"], sort_keys=True): stored[key]["made"] for key in rows}.values())
        missing = [key for key in jobs if key not in rows]
        shown = list(rows.values())
        title, _, text = section(shown).strip().partition("\n")
        # A line about all rows is misleading while some are missing.
        result = "" if missing else answer(self.name, shown)
        parts = [title, f"**Result.** {result}" if result else "", note, text.strip()]
        if missing:
            parts.append(f"{len(missing)} of {len(jobs)} rows have not been run: {', '.join(missing)}.")
        body = "\n\n".join(part for part in [*parts, _origin(made)] if part)
        with _locked(self.folder):
            write_section(self.folder, self.page, self.name, body)
            write_summary(self.args.results, self.folder)

    def _earlier(self, jobs: Mapping[str, Job]) -> tuple[dict[str, Row], str]:
        """Return the largest group of rows whose settings differ in the same way from those of the jobs, and a note."""
        stored = self._stored()
        groups: dict[str, dict[str, Row]] = {}
        for key, job in jobs.items():
            if key in stored:
                change = _changes(stored[key]["settings"], _plain(job.settings))
                groups.setdefault(change, {})[key] = _shown(key, stored[key])
        change, rows = max(groups.items(), key=lambda group: len(group[1]), default=("", {}))
        return rows, f"These rows have other settings than the script has now: {change}."


def environment() -> Row:
    """Return the date, the machine and the versions, for the provenance of a row."""
    import numpy as np
    import psutil
    import torch

    import decrappify

    commit = _commit(Path(decrappify.__file__).parent)
    return {
        "day": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"{torch.backends.cpu.get_cpu_capability()}, {round(psutil.virtual_memory().total / 2**30)} GiB",
        "versions": f"decrappify {decrappify.__version__}, Python {platform.python_version()}, "
        f"torch {torch.__version__}, numpy {np.__version__}",
    } | ({"commit": commit} if commit else {})


def _commit(package: Path) -> str:
    """Return the commit of the package in a checkout, marked if code has changed since; nothing if it is installed."""
    if shutil.which("git") is None or _git(package, "ls-files", "--error-unmatch", "__init__.py").returncode:
        return ""
    changed = any(_git(folder, "diff", "--quiet", "HEAD", "--", "*.py").returncode for folder in (package, BENCHMARKS))
    return _git(package, "rev-parse", "--short=7", "HEAD").stdout.strip() + " with changes" * changed


def _git(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=False)


def table(header: Sequence[str], rows: Sequence[Sequence[Any]], precision: int | Sequence[int] = 2) -> str:
    """Format a Markdown table; numbers are right-aligned with `precision` digits (for all columns, or one each)."""
    digits = [precision] * len(header) if isinstance(precision, int) else list(precision)
    text = [[_cell(value, d) for value, d in zip(row, digits, strict=True)] for row in rows]
    numeric = [all(not isinstance(row[i], str) for row in rows) for i in range(len(header))]
    lines = [header, ["---:" if right else "---" for right in numeric], *text]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Any, digits: int) -> str:
    if value is None or value != value:
        return "–"
    return f"{value:.{digits}f}" if isinstance(value, float) else str(value)


def _origin(made: Sequence[Row]) -> str:
    days = sorted({entry["day"] for entry in made})
    lines = [f"- date: {' to '.join(sorted({days[0], days[-1]}))} (UTC)"]
    for name in ("command", "machine", "versions", "note"):
        quote = "`" if name == "command" else ""
        lines += [f"- {name}: {quote}{text}{quote}" for text in dict.fromkeys(e[name] for e in made if name in e)]
    commits = dict.fromkeys(entry["commit"] for entry in made if "commit" in entry)
    return "\n".join([*lines, *([f"- commit: {', '.join(commits)}"] if commits else [])])


def _shown(key: str, stored: Row) -> Row:
    return {"key": key, "job": stored["settings"], **stored["row"]}


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return the settings that differ, with the value of the rows and the current one."""
    one, other = (dict(_flat(settings)) for settings in (before, now))
    shown = [
        f"{name} {one.get(name, 'not set')} (now {other.get(name, 'not set')})"
        for name in dict.fromkeys([*one, *other])
        if one.get(name) != other.get(name) and other.get(name) != UNKNOWN
    ]
    return ", ".join(shown)


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _replace(path: Path, text: str) -> None:
    write_file(path, text.encode(), temporary=path.with_name(f".{path.name}.{os.getpid()}"))


def _plain(settings: Mapping[str, Any]) -> Row:
    plain: Row = json.loads(json.dumps(dict(settings)))
    return plain


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock the folder; the lock is released when the process ends, also if it is killed."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
