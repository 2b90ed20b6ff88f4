"""Memory of a restoration, CPU time of its start, and its CPU time without the network.

Each row is measured in separate processes, and compares values of one run.

- memory: peak of importing decrappify and opening a movie, of importing torch, and of restoring movies of 2048 × 2048
  uint16 of two lengths, with the default tiles; with torch as installed here, and with its build without GPUs
- start: CPU seconds of `decrappify restore` for 10 frames of 512 × 512, and of importing torch
- network: CPU seconds per megapixel of the network on one tile of 1024 × 1024, and of the complete restoration of 12
  such frames, from memory to memory and from disk to disk, in one thread

    python benchmarks/speed/overhead.py --scratch FOLDER --cpu-python PYTHON    # 8 minutes on 2 idle cores

Ratios and memory are also valid on a machine that is shared with others.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the root of the repository

from benchmarks.harness.results import Benchmark, Job, Row, parser, table
from benchmarks.harness.synthetic_movie import generate
from benchmarks.peers.worker import peak_memory

PRECISIONS = ("bfloat16", "float32")
CPU_BUILD = "memory, CPU build of torch"  # row
SIDE, SHARE_FRAMES, START_FRAMES = 1024, 12, 10


def child(task: str, source: str, target: str, model: str, precision: str) -> dict[str, Any]:
    """Run one task in this process, and return its peak memory and CPU seconds."""
    import decrappify

    found: dict[str, Any] = {}
    if task == "torch":
        import torch

        found["build"] = torch.__version__
    elif task == "open":
        decrappify.open_movie(source)
    elif task == "network":
        import torch

        from decrappify.inference.network import InferenceNetwork

        network = InferenceNetwork(decrappify.load_model(model).network, device="cpu", precision=precision)
        tile = torch.rand(1, network.n_channels, SIDE, SIDE)
        network(tile)
        found["cpu_s"] = min(_cpu_seconds(lambda: network(tile)) for _ in range(5))
    else:
        import numpy as np

        from decrappify import InferenceOptions

        movie: Any = source
        if task == "memory":
            movie = decrappify.Movie.from_array(np.asarray(decrappify.open_movie(source)))
        loaded, options = decrappify.load_model(model), InferenceOptions(device="cpu", precision=precision)
        output = None if task == "memory" else target
        found["cpu_s"] = _cpu_seconds(lambda: decrappify.restore(movie, loaded, output, inference=options))
    return found | {"peak_mib": peak_memory() / 2**20}


def _cpu_seconds(run: Any) -> float:
    started = time.process_time()
    run()
    return time.process_time() - started


def in_process(
    task: str, args: argparse.Namespace, source: Path, precision: str = "auto", python: Path | str = sys.executable
) -> Row:
    """Run one task in a child process with one thread."""
    target = args.scratch / "restored.ome.zarr"
    shutil.rmtree(target, ignore_errors=True)
    command = [python, __file__, "--child", task, source, target, args.model, precision]
    done = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    shutil.rmtree(target, ignore_errors=True)
    if done.returncode:
        sys.exit(f"the child process failed:\n{done.stderr}")
    found: Row = json.loads(done.stdout.splitlines()[-1])
    return found


def movie_of(args: argparse.Namespace, n_frames: int, side: int) -> Path:
    """Return the synthetic movie of a length and size."""
    return generate(args.scratch / f"source-{side}-{n_frames}.ome.zarr", n_frames, side)


def measure_memory(args: argparse.Namespace, python: Path | str = sys.executable) -> Row:
    """Measure the peak memory of each step with the packages of an interpreter."""
    short, long = (movie_of(args, n_frames, 2048) for n_frames in args.frames)
    row: Row = {"kind": "memory", "opening": in_process("open", args, short, python=python)["peak_mib"]}
    imported = in_process("torch", args, short, python=python)
    row |= {"torch": imported["peak_mib"], "build": imported["build"]}
    for precision in PRECISIONS:
        row[precision] = [in_process("disk", args, source, precision, python)["peak_mib"] for source in (short, long)]
    return row


def measure_cpu_build(args: argparse.Namespace) -> Row:
    """Measure the peak memory of each step with the build of torch without GPUs."""
    if args.cpu_python is None:
        sys.exit("pass --cpu-python, the interpreter of an environment with decrappify and the CPU build of torch")
    return measure_memory(args, args.cpu_python)


def measure_start(args: argparse.Namespace) -> Row:
    """Measure the CPU seconds of the command line on a short movie, three times."""
    source, target = movie_of(args, START_FRAMES, 512), args.scratch / "restored.ome.zarr"
    command = [sys.executable, "-m", "decrappify", "restore", str(source), str(target), "--model", args.model]
    row: Row = {"kind": "start", "restore": [], "torch": []}
    for _ in range(3):
        shutil.rmtree(target, ignore_errors=True)
        row["restore"].append(_children_seconds(command))
        row["torch"].append(_children_seconds([sys.executable, "-c", "import torch"]))
    shutil.rmtree(target, ignore_errors=True)
    return row


def _children_seconds(command: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure_network(args: argparse.Namespace, precision: str) -> Row:
    """Measure the network alone and complete restorations."""
    source, megapixels = movie_of(args, SHARE_FRAMES, SIDE), SIDE**2 / 1e6
    row: Row = {"kind": "network", "precision": precision}
    row["network"] = in_process("network", args, source, precision)["cpu_s"] / megapixels
    for task in ("memory", "disk"):
        row[task] = in_process(task, args, source, precision)["cpu_s"] / megapixels / SHARE_FRAMES
    return row


def section(rows: list[Row], args: argparse.Namespace) -> str:
    """Format one paragraph or table for each group of rows."""
    parts = [f"## Overhead of a restoration\n\nModel {args.model}, one thread, synthetic uint16 movies."]
    for row in (row for row in rows if row["kind"] == "memory"):
        header = [f"step, torch {row['build']}", "peak memory, MiB", "beyond importing torch, MiB"]
        lines: list[list[Any]] = [["import decrappify, open the movie", row["opening"], None]]
        lines.append(["import torch", row["torch"], 0.0])
        for precision in PRECISIONS:
            for n_frames, peak in zip(args.frames, row[precision], strict=True):
                lines.append([f"restore {n_frames} frames of 2048 × 2048, {precision}", peak, peak - row["torch"]])
        parts.append(table(header, lines, (0, 0, 0)))
    if any(row["kind"] == "memory" for row in rows):
        parts.append(
            "Movies of at least 50 megapixels (12 of these frames) run on OpenVINO if it is installed and measured to "
            "be faster, which takes about 300 MiB more than torch."
        )
    for row in (row for row in rows if row["kind"] == "start"):
        whole, alone = min(row["restore"]), min(row["torch"])
        parts.append(
            f"`decrappify restore` of {START_FRAMES} frames of 512 × 512: {whole:.2f} CPU seconds, of which importing "
            f"torch takes {alone:.2f} (the least of three runs each); ratio {whole / alone:.2f}."
        )
    network = [row for row in rows if row["kind"] == "network"]
    if network:
        header = ["precision", "network, CPU s/MP", "memory → memory", "ratio", "disk → disk", "ratio"]
        lines = [
            [r["precision"], r["network"], r["memory"], r["memory"] / r["network"], r["disk"], r["disk"] / r["network"]]
            for r in network
        ]
        parts.append(table(header, lines, (0, 3, 3, 2, 3, 2)))
    return "\n\n".join(parts)


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(child(*sys.argv[2:])))
        return
    options = parser(__doc__)
    options.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()), help="folder for the movies")
    options.add_argument("--frames", type=int, nargs=2, default=[4, 12], help="lengths of the movies")
    options.add_argument("--model", default="fluorescence-movie", help="shipped name or model file")
    options.add_argument("--cpu-python", type=Path, help="interpreter of an environment with the CPU build of torch")
    args = options.parse_args()
    args.scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=args.scratch) as folder:
        args.scratch = Path(folder)
        settings = {"model": args.model}
        jobs = {"memory": Job(settings | {"frames": args.frames}, partial(measure_memory, args))}
        jobs[CPU_BUILD] = Job(settings | {"frames": args.frames}, partial(measure_cpu_build, args))
        jobs["start"] = Job(settings, partial(measure_start, args))
        for precision in PRECISIONS:
            jobs[f"network {precision}"] = Job(settings, partial(measure_network, args, precision))
        Benchmark("overhead", args, options).run(jobs, lambda rows: section(rows, args))


if __name__ == "__main__":
    main()
