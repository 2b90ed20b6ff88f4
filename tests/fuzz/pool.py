"""Check damaged files in a few workers, and collect the faults."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SEED = int(os.environ.get("DECRAPPIFY_FUZZ_SEED", "11"))
WORKERS = min(2, os.cpu_count() or 1)


@dataclass
class Tally:
    """Outcomes of the cases of one kind of file."""

    target: str
    tried: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def __str__(self) -> str:
        listed = ", ".join(f"{count} {name}" for name, count in sorted(self.outcomes.items()))
        return f"{self.target}: {self.tried} tried ({listed}) in {self.seconds:.0f} s"


def tries(default: int) -> int:
    """Return the number of damaged files to try: ``DECRAPPIFY_FUZZ_TRIES`` if set, else `default`."""
    return int(os.environ.get("DECRAPPIFY_FUZZ_TRIES", default))


def run_cases(
    target: str, check: str, sources: Sequence[tuple[Path, str]], count: int, *, preload: Sequence[str], keep: Path
) -> Tally:
    """Damage the sources in turn, `count` times in total, and check each result.

    Parameters
    ----------
    target : str
        Kind of file.
    check : str
        A key of `checks.CHECKS`.
    sources : sequence of (Path, str)
        Undamaged files or folders, and the file of a folder to open.
    count : int
        Number of damaged files.
    preload : sequence of str
        Modules that a worker imports once, before it forks.
    keep : Path
        Folder for the files that caused faults.
    """
    keep.mkdir(parents=True, exist_ok=True)
    tally, lock, begin = Tally(target), threading.Lock(), time.monotonic()
    jobs = _jobs(target, check, sources, count, keep)
    threads = [threading.Thread(target=_work, args=(jobs, tally, lock, list(preload), keep)) for _ in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tally.seconds = time.monotonic() - begin
    return tally


def _jobs(
    target: str, check: str, sources: Sequence[tuple[Path, str]], count: int, keep: Path
) -> Iterator[dict[str, Any]]:
    for number, (source, opened) in zip(range(count), itertools.cycle(sources), strict=False):
        yield {
            "target": target, "check": check, "source": str(source), "open": opened, "number": number, "seed": SEED,
            "keep": str(keep),
        }  # fmt: skip


def _work(jobs: Iterator[dict[str, Any]], tally: Tally, lock: threading.Lock, preload: list[str], keep: Path) -> None:
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]),
        "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
    }  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="z") as folder:
        environment["TMPDIR"] = folder
        command = [sys.executable, "-m", "tests.fuzz.worker", *preload]
        worker = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT, bufsize=1
        )
        assert worker.stdin is not None
        assert worker.stdout is not None
        while True:
            with lock:
                job = next(jobs, None)
            if job is None:
                break
            print(json.dumps(job | {"case": f"{folder}/case"}), file=worker.stdin, flush=True)
            answer = worker.stdout.readline()
            outcome = (
                json.loads(answer) if answer else {"outcome": "worker died", "text": f"it ended with {worker.wait()}"}
            )
            with lock:
                tally.tried += 1
                tally.outcomes[outcome["outcome"]] += 1
                if outcome["outcome"] not in ("read", "refused", "stopped"):
                    name = f"{Path(job['source']).name} #{job['number']}"
                    tally.faults.append(f"{name} ({outcome['outcome']}): {outcome['text']}")
            if not answer:
                break
        worker.stdin.close()
        worker.wait(60)
        worker.stdout.close()
