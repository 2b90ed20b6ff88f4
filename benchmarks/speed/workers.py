"""Restoration of one movie by several single-thread workers on one machine: scaling, and cost against a plain run.

Synthetic movies, OME-Zarr → OME-Zarr. Movie: with N workers it has N times as many frames, so that the time would
stay the same if nothing were shared. Large frame: one frame, which the workers divide. The variants of a round
alternate: a plain run in one process with one thread, and Dask clusters of 1, 2 and 4 workers, started anew in every
round. A cluster restores a movie of a few frames first, so that imports and the loading of the model are not in the
time of the run; they are in the time of the start. Every result is compared with that of the plain run, byte by byte.

    python benchmarks/speed/workers.py --scratch FOLDER    # 15 minutes on 2 idle cores

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
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the root of the repository

from benchmarks.harness.results import Benchmark, Job, Row, parser, table
from benchmarks.harness.synthetic_movie import SEED, generate
from benchmarks.peers.worker import peak_memory

PLAIN = 0  # number of workers of a run without a cluster
MOVIE, LARGE_FRAME = "weak", "large frame"  # rows
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


def measure(lengths: Mapping[int, int], size: int, model: str, rounds: int, folder: Path) -> Row:
    """Measure the alternating variants, each turn in a separate process.

    `lengths` are the frames of the movie by the number of workers.
    """
    folder.mkdir()
    warm = generate(folder / "warm-source.ome.zarr", WARM_FRAMES, min(size, 512))
    turns: dict[str, list[Row]] = {str(n): [] for n in lengths}
    known: dict[int, str] = {}  # digests of plain runs by the length
    spawn = multiprocessing.get_context("spawn")
    os.environ["OMP_NUM_THREADS"] = "1"

    def turn(n: int, length: int) -> Row:
        # A result contains the name of its input, so that movies of one length have one name.
        source = generate(folder / f"source-{length}.ome.zarr", length, size)
        with ProcessPoolExecutor(1, mp_context=spawn) as pool:
            return pool.submit(run, n, model, warm, source, folder / "restored.ome.zarr").result()

    for number in range(rounds):
        for n, length in lengths.items():
            made = turn(n, length)
            turns[str(n)].append(made)
            if n == PLAIN:
                known[length] = made["digest"]
            print(f"round {number + 1}, {n} workers: {made['seconds']:.1f} s", flush=True)
    for length in set(lengths.values()) - set(known):  # a plain run of each length to compare with
        known[length] = turn(PLAIN, length)["digest"]
    equal = {
        str(n): all(one["digest"] == known[length] for one in turns[str(n)])
        for n, length in lengths.items()
        if n != PLAIN
    }
    for one in chain.from_iterable(turns.values()):
        del one["digest"]
    shutil.rmtree(folder)
    return {"turns": turns, "equal": equal, "frames": {str(n): k for n, k in lengths.items()}, "cores": os.cpu_count()}


def section(rows: list[Row]) -> str:
    """Format a table for the movies, and one for the large frame."""
    parts = [
        "## Several workers\n\n"
        f"OME-Zarr → OME-Zarr, uint16, seed {SEED}; {rows[0]['cores']} cores. Medians of alternating rounds. Times as "
        "fast: frames per second relative to one worker. CPU s / frame: of this process and all workers. Peak: of the "
        f"memory of one worker. Start: the cluster and a movie of {WARM_FRAMES} frames. Equal: to the file of a plain "
        "run, byte for byte."
    ]
    for row in rows:
        settings = row["job"]
        extent = f"frames of {settings['size']} × {settings['size']}"
        title = (
            f"One frame of {settings['size']} × {settings['size']}"
            if row["key"] == LARGE_FRAME
            else f"Movies, {extent}"
        )
        overhead = _median(row, 1, "seconds") / _median(row, PLAIN, "seconds") - 1
        parts.append(
            f"### {title}\n\nModel {settings['model']}, {settings['rounds']} rounds. One worker takes "
            f"{100 * overhead:.0f} % longer than a plain run.\n\n{_table(row)}"
        )
    return "\n\n".join(parts)


def _table(row: Row) -> str:
    header = ["workers", "frames", "seconds", "times as fast", "CPU s / frame"]
    header += ["peak of a worker, MiB", "start, s", "equal"]
    lines: list[list[Any]] = []
    for key, frames in row["frames"].items():
        n, reference = int(key), 1 if int(key) else PLAIN
        lines.append(
            [
                n or "plain run",
                frames,
                _median(row, n, "seconds"),
                speed(row, n) / speed(row, reference),
                _median(row, n, "cpu_s") / frames,
                _median(row, n, "peak_mib"),
                _median(row, n, "start_s"),
                {True: "yes", False: "NO", None: ""}[row["equal"].get(key)],
            ]
        )
    return table(header, lines, (0, 0, 1, 2, 3, 0, 1, 0))


def speed(row: Row, n_workers: int) -> float:
    """Return the frames per second with a number of workers."""
    return float(row["frames"][str(n_workers)] / _median(row, n_workers, "seconds"))


def _median(row: Row, n_workers: int, name: str) -> float:
    return statistics.median(one[name] for one in row["turns"][str(n_workers)])


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4], help="numbers of workers")
    options.add_argument("--frames", type=int, default=192, help="frames of the movie per worker")
    options.add_argument("--size", type=int, default=512, help="side of the frames of the movie")
    options.add_argument("--large", type=int, default=6000, help="side of the large frame")
    options.add_argument("--rounds", type=int, default=3, help="rounds of each variant")
    options.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()), help="folder for the movies")
    args = options.parse_args()
    variants = (PLAIN, *args.workers)
    shared = {"workers": args.workers, "rounds": args.rounds}
    with tempfile.TemporaryDirectory(dir=args.scratch) as folder:
        jobs = {}
        for key, model, frames, size in (
            (MOVIE, "fluorescence-movie", args.frames, args.size),
            (LARGE_FRAME, "fluorescence-still", 1, args.large),
        ):
            lengths = {n: frames * max(n, 1) if key == MOVIE else frames for n in variants}
            run_all = partial(measure, lengths, size, model, args.rounds, Path(folder) / "workers")
            jobs[key] = Job({"model": model, "frames": frames, "size": size} | shared, run_all)
        Benchmark("workers", args, options).run(jobs, section)


if __name__ == "__main__":
    main()
