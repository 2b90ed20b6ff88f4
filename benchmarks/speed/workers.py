"""Restoration of one movie by several single-thread workers on one machine: weak scaling, and cost against a plain run.

Synthetic movies, OME-Zarr → OME-Zarr. With N workers the movie has N times as many frames, so that the time would stay
the same if nothing were shared. The variants of a round alternate: a plain run in one process with one thread, and
Dask clusters of 1, 2 and 4 workers, started anew in every round. A cluster restores a movie of a few frames first, so
that imports and the loading of the model are not in the time of the run; they are in the time of the start. Every
result is compared with that of the plain run, byte by byte.

    python benchmarks/speed/workers.py --scratch FOLDER    # 10 minutes on 2 idle cores

More workers than idle cores cannot be faster; the number of cores is stated.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the root of the repository

from benchmarks.harness.results import Benchmark, Job, Row, parser, table
from benchmarks.harness.synthetic_movie import SEED, generate
from benchmarks.peers.worker import peak_memory

PLAIN = 0  # number of workers of a run without a cluster
WARM_FRAMES = 2


def run(n_workers: int, model: str, warm: Path, source: Path, target: Path) -> Row:
    """Restore once in this process, or with workers; return wall time, CPU time of all workers and peak memory."""
    import torch

    torch.set_num_threads(1)
    started = time.perf_counter()
    if n_workers == PLAIN:
        return _timed(None, model, warm, source, target, started)
    from distributed import Client

    from decrappify.restoration.distributed.cluster import local_cluster

    with local_cluster(n_workers) as cluster, Client(cluster) as client:
        return _timed(client, model, warm, source, target, started)


def _timed(client: Any, model: str, warm: Path, source: Path, target: Path, started: float) -> Row:
    from decrappify import restore

    restore(warm, model, target.with_name("warm.ome.zarr"), cluster=client, overwrite=True)
    start_s, before = time.perf_counter() - started, _cpu_seconds(client)
    began = time.perf_counter()
    restore(source, model, target, cluster=client, overwrite=True)
    seconds = time.perf_counter() - began
    peaks = [peak_memory()] if client is None else list(client.run(peak_memory).values())
    return {
        "start_s": start_s,
        "seconds": seconds,
        "cpu_s": _cpu_seconds(client) - before,
        "peak_mib": max(peaks) / 2**20,
        "digest": digest(target),
    }


def _cpu_seconds(client: Any) -> float:
    """Return the CPU seconds of this process and of all workers so far."""
    return time.process_time() + (0.0 if client is None else sum(client.run(time.process_time).values()))


def digest(store: Path) -> str:
    """Return a digest of names and content of all files of a store."""
    found = hashlib.sha256()
    for path in sorted(path for path in store.rglob("*") if path.is_file()):
        found.update(str(path.relative_to(store)).encode() + b"\0" + path.read_bytes())
    return found.hexdigest()


def measure(numbers: Sequence[int], frames: int, size: int, model: str, rounds: int, folder: Path) -> Row:
    """Measure the alternating variants, each turn in a separate process."""
    folder.mkdir()
    warm = generate(folder / "warm-source.ome.zarr", WARM_FRAMES, size)
    turns: dict[str, list[Row]] = {str(n): [] for n in (PLAIN, *numbers)}
    digests: dict[int, str] = {}
    spawn = multiprocessing.get_context("spawn")
    os.environ["OMP_NUM_THREADS"] = "1"
    for number in range(rounds):
        for n in (PLAIN, *numbers):
            length = frames * max(n, 1)
            # A result contains the name of its input, so that movies of one length have one name.
            source = generate(folder / f"source-{length}.ome.zarr", length, size)
            with ProcessPoolExecutor(1, mp_context=spawn) as pool:
                made = pool.submit(run, n, model, warm, source, folder / "restored.ome.zarr").result()
                turns[str(n)].append(made)
            print(f"round {number + 1}, {n} workers: {made['seconds']:.1f} s", flush=True)
    for n in numbers:  # a plain run of each length to compare with
        source = folder / f"source-{frames * n}.ome.zarr"
        known = turns[str(PLAIN)][0]["digest"] if n == 1 else None
        if known is None:
            with ProcessPoolExecutor(1, mp_context=spawn) as pool:
                known = pool.submit(run, PLAIN, model, warm, source, folder / "restored.ome.zarr").result()["digest"]
        digests[n] = known
    equal = {str(n): all(one["digest"] == digests[n] for one in turns[str(n)]) for n in numbers}
    for found in turns.values():
        for one in found:
            del one["digest"]
    shutil.rmtree(folder)
    return {"turns": turns, "equal": equal, "cores": os.cpu_count()}


def section(rows: list[Row]) -> str:
    """Format the table of all numbers of workers."""
    row = rows[0]
    settings = row["job"]
    plain = _median(row, PLAIN, "seconds")
    one = _median(row, 1, "seconds") if "1" in row["turns"] else plain
    header = [
        "workers",
        "frames",
        "seconds",
        "times as fast",
        "CPU s / frame",
        "peak of a worker, MiB",
        "start, s",
        "equal",
    ]
    lines: list[list[Any]] = []
    for key in row["turns"]:
        n = int(key)
        frames = settings["frames"] * max(n, 1)
        seconds = _median(row, n, "seconds")
        lines.append(
            [
                n or "plain run",
                frames,
                seconds,
                max(n, 1) * (one if n else plain) / seconds,
                _median(row, n, "cpu_s") / frames,
                _median(row, n, "peak_mib"),
                _median(row, n, "start_s"),
                {True: "yes", False: "NO", None: ""}[row["equal"].get(key)],
            ]
        )
    return (
        "## Several workers\n\n"
        f"Model {settings['model']}. {settings['frames']} frames of {settings['size']} × {settings['size']} uint16 per "
        f"worker, seed {SEED}, OME-Zarr → OME-Zarr; {row['cores']} cores. Medians of {settings['rounds']} alternating "
        "rounds.\n\n"
        f"{table(header, lines, (0, 0, 1, 2, 3, 0, 1, 0))}\n\n"
        "Times as fast: frames per second relative to one worker. CPU s / frame: of this process and all workers. "
        "Peak: of the memory of one worker. Start: the cluster and a movie of "
        f"{WARM_FRAMES} frames. Equal: to the file of a plain run, byte for byte. One worker takes "
        f"{100 * (one / plain - 1):.0f} % longer than a plain run."
    )


def _median(row: Row, n_workers: int, name: str) -> float:
    return statistics.median(one[name] for one in row["turns"][str(n_workers)])


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--model", default="fluorescence-movie", help="shipped name or model file")
    options.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4], help="numbers of workers")
    options.add_argument("--frames", type=int, default=192, help="frames per worker")
    options.add_argument("--size", type=int, default=512, help="side of the frames")
    options.add_argument("--rounds", type=int, default=3, help="rounds of each variant")
    options.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()), help="folder for the movies")
    args = options.parse_args()
    settings = {"model": args.model, "workers": args.workers, "frames": args.frames, "size": args.size}
    settings |= {"rounds": args.rounds}
    with tempfile.TemporaryDirectory(dir=args.scratch) as folder:
        job = partial(measure, args.workers, args.frames, args.size, args.model, args.rounds, Path(folder) / "workers")
        Benchmark("workers", args, options).run({"weak": Job(settings, job)}, section)


if __name__ == "__main__":
    main()
