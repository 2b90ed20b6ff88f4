"""Speed and memory of restoring a large movie, and its share of the processor's peak.

- memory: 2048 × 2048 uint16, OME-Zarr → OME-Zarr, in its own process, for each of --frames: peak memory and
  megapixels per second. The peaks of the longest and the shortest movie should agree to 5 %.
- paths: --path-frames frames restored from memory to memory and from disk to disk, alternately: ratio of the times.
- flops: the network's GFLOP/s against a 3 × 3 convolution of 64 channels measured in the same run, with 1 and 2
  threads.

    python benchmarks/speed/throughput.py --scratch FOLDER --threads 2    # 20 minutes on 2 idle cores
    python benchmarks/speed/throughput.py --scratch FOLDER --threads 2 --crop 1024   # a quarter of the pixels

The scratch folder needs 4 GB. Times are only valid on an otherwise idle machine.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))  # the root of the repository

from benchmarks.harness.results import Benchmark, Job, Row, parser, table
from benchmarks.harness.synthetic_movie import SEED, generate
from benchmarks.peers.worker import peak_memory
from decrappify import Movie
from decrappify.inference.options import InferenceOptions
from decrappify.restoration import RestorationOptions

SIZE, ROUNDS, THREADS = 2048, 3, (1, 2)


def child(source: str, target: str, model: str, threads: int) -> None:
    """Restore one movie and print time and peak memory of this process."""
    import torch

    from decrappify import restore

    torch.set_num_threads(threads)
    started = time.perf_counter()
    restore(source, model, target, inference=InferenceOptions(device="cpu"))
    seconds = time.perf_counter() - started
    print(json.dumps({"restore_seconds": seconds, "peak_mib": peak_memory() / 2**20}))


def measure_memory(n_frames: int, args: argparse.Namespace, folder: Path) -> Row:
    """Restore from disk to disk in a child process."""
    source = generate(folder / f"source-{args.crop}-{n_frames}.ome.zarr", n_frames, args.crop)
    os.sync()  # so that the source is not written to the disk while the child is measured
    target = folder / f"restored-{n_frames}.ome.zarr"
    command = [sys.executable, __file__, "--child", source, target, args.model, args.threads]
    shutil.rmtree(target, ignore_errors=True)
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"the child process failed:\n{done.stderr}")
    for path in (source, target):
        shutil.rmtree(path, ignore_errors=True)
    megapixels = n_frames * args.crop**2 / 1e6
    found = json.loads(done.stdout.splitlines()[-1])
    rate = {"mp_per_s": megapixels / found["restore_seconds"], "file_mib": megapixels * 2e6 / 2**20}
    return {"kind": "memory", "frames": n_frames, "size": args.crop} | found | rate


def measure_paths(args: argparse.Namespace, folder: Path) -> Row:
    """Restore the same frames from memory to memory and from disk to disk, alternately."""
    from decrappify import load_model, open_movie, restore

    source = generate(folder / f"source-{args.crop}-{args.path_frames}.ome.zarr", args.path_frames, args.crop)
    target = folder / "restored-paths.ome.zarr"
    model = load_model(args.model)
    loaded = Movie.from_array(np.asarray(open_movie(source)))

    def in_memory() -> None:
        restore(loaded, model, inference=InferenceOptions(device="cpu"))

    def on_disk() -> None:
        restore(source, model, target, inference=InferenceOptions(device="cpu"), overwrite=True)

    restore(loaded, model, options=RestorationOptions(frames=0), inference=InferenceOptions(device="cpu"))
    memory, disk = [], []
    for _ in range(ROUNDS):
        memory.append(_seconds(in_memory))
        disk.append(_seconds(on_disk))
    for path in (source, target):
        shutil.rmtree(path, ignore_errors=True)
    ratio = statistics.median(disk) / statistics.median(memory)
    return {
        "kind": "paths",
        "frames": args.path_frames,
        "size": args.crop,
        "memory": memory,
        "disk": disk,
        "ratio": ratio,
    }


def measure_flops(threads: int, args: argparse.Namespace) -> Row:
    """Measure GFLOP/s of the network on one tile, and of a convolution alone."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from decrappify import load_model
    from decrappify.inference.network import PRECISIONS, InferenceNetwork

    torch.set_num_threads(threads)
    network = InferenceNetwork(load_model(args.model).network, device="cpu")
    tile = torch.randn(1, network.n_channels, 512, 512)
    with FlopCounterMode(display=False) as counter:
        network(tile)
    flops = counter.get_total_flops()
    dtype = PRECISIONS[network.precision]
    convolution = torch.nn.Conv2d(64, 64, 3, padding=1, bias=False).to(dtype, memory_format=torch.channels_last)
    image = torch.randn(1, 64, 256, 256, dtype=dtype).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        rounds = [(_seconds(lambda: network(tile)), _seconds(lambda: convolution(image))) for _ in range(8)]
    seconds, peak_seconds = (min(times) for times in zip(*rounds, strict=True))
    torch.set_num_threads(args.threads)
    return {
        "kind": "flops",
        "threads": threads,
        "precision": network.precision,
        "gflop_per_mp": flops / 512**2 / 1e3,
        "gflops": flops / seconds / 1e9,
        "conv_gflops": 2 * 64 * 64 * 9 * 256**2 / peak_seconds / 1e9,
        "mp_per_s": 512**2 / 1e6 / seconds,
    }


def _seconds(run: Callable[[], Any]) -> float:
    gc.collect()
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def section(rows: list[Row], args: argparse.Namespace) -> str:
    """Format one table for each group of rows."""
    kinds = {kind: [row for row in rows if row["kind"] == kind] for kind in ("memory", "paths", "flops")}
    cost = kinds["flops"][0]["gflop_per_mp"] if kinds["flops"] else None
    peak = next((row["conv_gflops"] for row in kinds["flops"] if row["threads"] == args.threads), None)
    parts = [
        "## Throughput and memory\n\n"
        f"Model {rows[0]['job']['model']}{'' if cost is None else f', {cost:.1f} GFLOP per megapixel'}; "
        f"{args.threads} threads unless stated otherwise; uint16 movies, seed {SEED}, OME-Zarr → OME-Zarr, including "
        "the pyramid. GFLOP/s of "
        "complete movies count each pixel once, without the overlap of tiles."
    ]
    if kinds["memory"]:
        header = ["frames", "size", "raw movie, MiB", "seconds", "MP/s", "GFLOP/s", "of conv 3 × 3", "peak memory, MiB"]
        lines = [
            [
                *(r["frames"], f"{r['size']} × {r['size']}", r["file_mib"], r["restore_seconds"], r["mp_per_s"]),
                *(cost and cost * r["mp_per_s"], cost and peak and cost * r["mp_per_s"] / peak, r["peak_mib"]),
            ]
            for r in kinds["memory"]
        ]
        parts.append(table(header, lines, (0, 0, 0, 1, 3, 1, 2, 0)))
        peaks = [row["peak_mib"] for row in kinds["memory"]]
        if len(peaks) > 1:
            parts.append(
                f"Peak memory of the largest over the smallest: {max(peaks) / min(peaks):.3f} (target: at most 1.05)."
            )
    for row in kinds["paths"]:
        times = ["; ".join(f"{seconds:.2f}" for seconds in row[path]) for path in ("memory", "disk")]
        parts.append(
            f"{row['frames']} frames of {row['size']} × {row['size']}, alternately: memory {times[0]} s, "
            f"disk {times[1]} s; ratio of the medians {row['ratio']:.3f} (target: at most 1.2)."
        )
    if kinds["flops"]:
        header = [
            "threads",
            "precision",
            "network GFLOP/s",
            "conv 3 × 3 GFLOP/s",
            "share",
            "MP/s of one 512 × 512 tile",
        ]
        lines = [
            [r["threads"], r["precision"], r["gflops"], r["conv_gflops"], r["gflops"] / r["conv_gflops"], r["mp_per_s"]]
            for r in kinds["flops"]
        ]
        parts.append(table(header, lines, (0, 0, 1, 1, 2, 3)))
    return "\n\n".join(parts)


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        source, target, model, threads = sys.argv[2:]
        child(source, target, model, int(threads))
        return
    options = parser(__doc__)
    options.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()), help="folder for the movies")
    options.add_argument("--frames", type=int, nargs="+", default=[50, 200], help="lengths of the movies")
    options.add_argument("--path-frames", type=int, default=10, help="frames of the comparison of paths")
    options.add_argument("--crop", type=int, default=SIZE, help="side of the frames; smaller frames take less time")
    options.add_argument("--model", default="fluorescence-movie", help="shipped name or model file")
    args = options.parse_args()
    import torch

    from benchmarks.harness.scoring import identity
    from decrappify import load_model

    torch.set_num_threads(args.threads)
    model = f"{load_model(args.model).name} ({identity(args.model)})"
    settings = {"model": model, "threads": args.threads, "size": args.crop}
    args.scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=args.scratch) as folder:
        here = Path(folder)
        jobs = {f"flops {n} threads": Job(settings, partial(measure_flops, n, args)) for n in THREADS}
        jobs["paths"] = Job(settings | {"frames": args.path_frames}, partial(measure_paths, args, here))
        jobs |= {f"memory {n} frames": Job(settings, partial(measure_memory, n, args, here)) for n in args.frames}
        Benchmark("throughput", args, options).run(jobs, lambda rows: section(rows, args))


if __name__ == "__main__":
    main()
