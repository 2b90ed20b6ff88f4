"""Rows and sections shared by all benchmarks: resumable rows, and one section of RESULTS.md per script.

A benchmark defines its rows and a function for each. Every finished row is stored immediately in results/NAME.json,
with its settings and with the command, date, machine and versions that produced it. The table in RESULTS.md is built
from that file alone. A row with unchanged settings is not run again, so an interrupted benchmark can be resumed, and
several processes may share one (`--only`). Rows with different settings are never combined in a table.
"""

from __future__ import annotations

import argparse
import datetime
import fcntl
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from decrappify._common.atomic import write_file

Row = dict[str, Any]
BENCHMARKS = Path(__file__).parents[1]
# Options that do not change a measured value.
_NOT_IN_THE_COMMAND = {
    "results",
    "only",
    "again",
    "table",
    "import_from",
    "scratch",
    "runs",
    "environments",
    "folder",
    "device",
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
    made.add_argument("--table", action="store_true", help="run no rows; write the section from the stored rows")
    made.add_argument("--results", type=Path, default=BENCHMARKS / "RESULTS.md", help="file to write the section to")
    made.add_argument("--threads", type=int, default=1, help="threads of torch")
    return made


class Benchmark:
    """Rows and section of one script."""

    def __init__(self, name: str, args: argparse.Namespace, options: argparse.ArgumentParser) -> None:
        self.name, self.args, self._options = name, args, options
        self.folder: Path = args.results.parent / "results"
        self._rows_file = self.folder / f"{name}.json"
        self.folder.mkdir(parents=True, exist_ok=True)

    def run(self, jobs: Mapping[str, Job], section: Callable[[list[Row]], str]) -> None:
        """Run the jobs that have no row yet; store each row and rewrite the section immediately.

        `section` receives the available rows, in the order of the jobs, and returns the text above the provenance.
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
        print(f"wrote the section {self.name} of {self.args.results}")

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
            key: {"key": key, **stored[key]["row"]}
            for key, job in jobs.items()
            if key in stored and stored[key]["settings"] == _plain(job.settings)
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
                action.option_strings[0] if value is True else " ".join([action.option_strings[0], *map(str, values)])
            )
        return " ".join(words)

    def _stored(self) -> dict[str, Any]:
        return json.loads(self._rows_file.read_text()) if self._rows_file.exists() else {}

    def _write(self, jobs: Mapping[str, Job], section: Callable[[list[Row]], str]) -> None:
        rows = self.matching(jobs)
        if not rows:
            return
        stored = self._stored()
        made = list({json.dumps(stored[key]["made"], sort_keys=True): stored[key]["made"] for key in rows}.values())
        missing = [key for key in jobs if key not in rows]
        parts = [section(list(rows.values())).strip(), _origin(made)]
        if missing:
            parts.insert(1, f"{len(missing)} of {len(jobs)} rows have not been run: {', '.join(missing)}.")
        with _locked(self.folder):
            _replace_section(self.args.results, self.name, "\n\n".join(parts))


def environment() -> Row:
    """Return the date, the machine and the versions, for the provenance of a row."""
    import numpy as np
    import psutil
    import torch

    import decrappify

    return {
        "day": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"{torch.backends.cpu.get_cpu_capability()}, {round(psutil.virtual_memory().total / 2**30)} GiB",
        "versions": f"decrappify {decrappify.__version__}, Python {platform.python_version()}, "
        f"torch {torch.__version__}, numpy {np.__version__}",
    }


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
    return "\n".join(lines)


def _replace_section(path: Path, name: str, body: str) -> None:
    """Replace the text between the markers of `name`; all other text of the file is kept."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    old = path.read_text(encoding="utf-8") if path.exists() else "# Results\n"
    section = f"{begin}\n{body}\n{end}"
    if begin in old and end in old:
        head, _, rest = old.partition(begin)
        new = head + section + rest.partition(end)[2]
    else:
        new = f"{old.rstrip()}\n\n{section}\n"
    _replace(path, new)


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
