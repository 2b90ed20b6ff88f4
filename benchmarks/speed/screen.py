"""Cost of a screen: many positions with several channels, restored by `decrappify restore` with a folder of outputs.

Positions are simulated images of one time point, 2048 × 2048 px, 4 channels, uint16, in OME-Zarr. One process restores
a folder of some positions, another one a folder of one position, both in one thread. The difference is the cost of a
position, the rest that of starting a process. The totals for a screen of --positions are calculated from both.

    python benchmarks/speed/screen.py --scratch FOLDER    # 6 minutes on an idle core, 1 GB

CPU seconds, bytes and numbers of files are also valid on a machine that is shared with others.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))  # the root of the repository

from benchmarks.harness.results import Benchmark, Job, Row, parser, table
from benchmarks.harness.synthetic_movie import SyntheticFrames
from decrappify import Movie, save_movie

SIDE, CHANNELS, POSITIONS = 2048, 4, 4
CORES = (1, 16, 64, 256)
RAW_MB = SIDE**2 * CHANNELS * 2 / 1e6  # of one position, without compression
PRECISIONS = ("bfloat16", "float32")


def positions(folder: Path, count: int) -> Path:
    """Write a folder of positions."""
    folder.mkdir()
    frames = SyntheticFrames(POSITIONS * CHANNELS, SIDE)
    everything = slice(0, SIDE)
    for number in range(count):
        planes = [frames.read(number * CHANNELS + c, 0, 0, everything, everything) for c in range(CHANNELS)]
        names = tuple(f"channel {c}" for c in range(CHANNELS))
        save_movie(
            Movie.from_array(np.stack(planes)[None, :, None], axes="TCZYX", channel_names=names),
            folder / f"position{number}.ome.zarr",
        )
    return folder


def measure(args: argparse.Namespace, precision: str) -> Row:
    """Restore one position and some, each in a separate process."""
    row: Row = {"precision": precision, "megapixels": SIDE**2 * CHANNELS / 1e6, "positions": POSITIONS}
    for count in (1, POSITIONS):
        source = positions(args.scratch / f"raw{count}", count)
        output = args.scratch / f"restored{count}"
        command = [sys.executable, "-m", "decrappify", "restore", source, "--output-dir", output, "--quiet"]
        command += ["--model", args.model, "--device", "cpu", "--precision", precision]
        row[f"cpu_s {count}"], row[f"peak_mib {count}"] = _child(command)
        row |= {"in_mb": _megabytes(source) / count, "out_mb": _megabytes(output) / count}
        row["files_per_output"] = sum(path.is_file() for path in output.rglob("*")) / count
        shutil.rmtree(source)
        shutil.rmtree(output)
    return row


def _child(command: list[Any]) -> tuple[float, float]:
    """Return the CPU seconds and the peak memory, in MiB, of a command in one thread."""
    process = subprocess.Popen([str(word) for word in command], env=os.environ | {"OMP_NUM_THREADS": "1"})
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"the command failed: {' '.join(map(str, command))}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def costs(row: Row, n_positions: int) -> dict[str, float]:
    """Calculate the totals of a screen from a row.

    Returns
    -------
    dict
        ``start_s`` and ``position_s``: CPU seconds of a process and of a position; ``core_hours``: of all positions
        in long-lived processes; ``alone_hours``: with one process per position; ``in_tb``, ``out_tb``: terabytes;
        ``files``: number of files of the outputs; ``mb_per_core``: megabytes that a core reads and writes per second.

    >>> row = {"positions": 4, "cpu_s 1": 14.0, "cpu_s 4": 44.0, "in_mb": 20.0, "out_mb": 10.0, "files_per_output": 12}
    >>> found = costs(row, 3600)
    >>> found["start_s"], found["position_s"], found["core_hours"], found["alone_hours"], found["mb_per_core"]
    (4.0, 10.0, 10.0, 14.0, 3.0)
    """
    count = row["positions"]
    position = (row[f"cpu_s {count}"] - row["cpu_s 1"]) / (count - 1)
    start = row["cpu_s 1"] - position
    return {
        "start_s": start,
        "position_s": position,
        "core_hours": n_positions * position / 3600,
        "alone_hours": n_positions * (start + position) / 3600,
        "in_tb": n_positions * row["in_mb"] / 1e6,
        "out_tb": n_positions * row["out_mb"] / 1e6,
        "files": n_positions * row["files_per_output"],
        "mb_per_core": (row["in_mb"] + row["out_mb"]) / position,
    }


def cost_table(rows: list[Row], n_positions: int) -> str:
    """Return the table of totals, one line per precision."""
    lines = []
    for row in rows:
        found = costs(row, n_positions)
        names = ("position_s", "core_hours", "start_s", "alone_hours", "in_tb", "out_tb")
        lines.append([row["precision"], *(found[name] for name in names), found["files"] / 1e6])
    header = ["precision", "CPU s per position", "core hours", "CPU s per process", "core hours, a process each"]
    header += ["input, TB", "output, TB", "files of the outputs, millions"]
    return table(header, lines, (0, 1, 0, 1, 0, 2, 2, 1))


def rate_table(rows: list[Row], n_positions: int) -> str:
    """Return the table of times and data rates by the number of cores, one line per number and precision."""
    lines = []
    for row in rows:
        found = costs(row, n_positions)
        for cores in CORES:
            rate = cores * found["mb_per_core"]
            lines.append([row["precision"], cores, found["core_hours"] / cores, rate, rate * 8 / 1e3])
    header = ["precision", "cores", "hours", "read and written, MB/s", "the same, Gbit/s"]
    return table(header, lines, (0, 0, 1, 0, 2))


def section(rows: list[Row], args: argparse.Namespace) -> str:
    """Format the measured values and the totals."""
    header = ["precision", "1 position, CPU s", f"{POSITIONS} positions, CPU s", "peak memory, MiB"]
    header += ["input, MB per position", "output, MB per position", "files per output"]
    lines = [
        [row["precision"], row["cpu_s 1"]]
        + [row[name] for name in (f"cpu_s {POSITIONS}", f"peak_mib {POSITIONS}", "in_mb", "out_mb", "files_per_output")]
        for row in rows
    ]
    return "\n\n".join(
        [
            f"## Cost of a screen\n\nModel {args.model}, one thread; positions of {SIDE} × {SIDE} px, {CHANNELS} "
            f"channels, uint16 ({RAW_MB:.1f} MB without compression), OME-Zarr to OME-Zarr.",
            table(header, lines, (0, 1, 1, 0, 1, 1, 0)),
            f"Calculated for {args.positions:,} positions:",
            cost_table(rows, args.positions),
            rate_table(rows, args.positions),
        ]
    )


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()), help="folder for the images")
    options.add_argument("--model", default="fluorescence-still", help="shipped name or model file")
    options.add_argument("--positions", type=int, default=100_000, help="positions of the screen")
    args = options.parse_args()
    args.scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=args.scratch) as folder:
        args.scratch = Path(folder)
        jobs = {each: Job({"model": args.model}, partial(measure, args, each)) for each in PRECISIONS}
        Benchmark("screen", args, options).run(jobs, lambda rows: section(rows, args))


if __name__ == "__main__":
    main()
