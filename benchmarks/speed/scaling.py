"""Cost of restoring, against the length of a movie, its frame size, tiles, their overlap, and threads.

Each variant is a separate process that restores one synthetic movie repeatedly, OME-Zarr → OME-Zarr, as a user
would. The variants of a row alternate, --rounds times after one turn as warm-up, so that other load on the machine
affects all of them; medians are reported, single values are in the rows' JSON.

- frames, size: a long movie should not need more time per megapixel than a short one, nor more memory.
- tiles, overlap: the pixels computed twice, from the geometry, against the CPU time that they need; and the difference
  from the frame restored in one tile.
- threads: 1 and 2.

    python benchmarks/speed/scaling.py                        # 6 minutes on 2 idle cores
    python benchmarks/speed/scaling.py --only "cpu frames"

If torch finds a CUDA GPU there are rows for it too, of larger movies and with the peak memory of the GPU; --device
runs the rows of one device only. The scratch folder needs 100 MB, with a GPU 1 GB.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))  # the root of the repository

from benchmarks.harness.devices import DEVICES, chosen_devices
from benchmarks.harness.results import Benchmark, Job, Row, parser, table
from benchmarks.harness.synthetic_movie import SEED, generate
from benchmarks.peers.worker import forget_peak, peak_memory
from decrappify.inference.options import InferenceOptions


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One call of `restore`; a tile size or overlap of None is chosen by `restore`."""

    frames: int
    size: int
    threads: int
    device: str
    tile: int | None = None
    overlap: int | None = None


def variants(device: str, threads: int) -> dict[str, list[Variant]]:
    """Return the alternating variants of each row; the first of tiles and overlap uses one tile for the whole frame."""
    gpu = device == "cuda"
    make = partial(Variant, threads=threads, device=device)
    size, side = (1024, 2048) if gpu else (512, 768)
    rows = {
        "frames": [make(frames=n, size=size) for n in ((8, 16, 32, 64) if gpu else (2, 4, 8, 16))],
        "size": [make(frames=4, size=n) for n in ((256, 512, 1024, 2048) if gpu else (128, 256, 512, 1024, 2048))],
        "tiles": [make(frames=2, size=side, tile=n) for n in (side, 512, 384, 256, 192, 128, 96)],
        "overlap": [make(frames=2, size=side, tile=side)]
        + [make(frames=2, size=side, tile=256, overlap=n) for n in (0, 24, 48, 88, 128)],
    }
    if not gpu:
        rows["threads"] = [Variant(frames=4, size=size, threads=n, device=device) for n in (1, 2)]
    return rows


def prepare(variant: Variant, model: str) -> Row:
    """Load the model and libraries in the child process; return the tile layout and the idle memory."""
    import torch

    from decrappify import load_model
    from decrappify.restoration import Restorer

    torch.set_num_threads(variant.threads)
    loaded = load_model(model)
    restorer = Restorer(
        loaded, inference=InferenceOptions(tile_size=variant.tile, tile_overlap=variant.overlap, device=variant.device)
    )
    grid = restorer.grid((variant.size, variant.size))
    name = torch.cuda.get_device_name() if variant.device == "cuda" else ""
    computed = len(grid) * grid.tile_shape[0] * grid.tile_shape[1] / variant.size**2
    made: Row = {
        "tile_used": grid.tile_shape[0],
        "overlap_used": grid.overlap if len(grid) > 1 else 0,
        "tiles": len(grid),
    }
    made |= {"computed": computed, "precision": restorer.network.precision, "device_name": name}
    del restorer
    gc.collect()
    return made | {"idle_mib": forget_peak() / 2**20}


def turn(variant: Variant, model: str, source: Path, target: Path) -> Row:
    """Restore once, in the child process."""
    import torch

    from decrappify import restore

    gc.collect()
    gpu = variant.device == "cuda"
    if gpu:
        torch.cuda.reset_peak_memory_stats()
    forget_peak()
    started, cpu_started = time.perf_counter(), time.process_time()
    restore(
        source,
        model,
        target,
        inference=InferenceOptions(tile_size=variant.tile, tile_overlap=variant.overlap, device=variant.device),
        overwrite=True,
    )
    if gpu:
        torch.cuda.synchronize()
    row = {"seconds": time.perf_counter() - started, "cpu_s": time.process_time() - cpu_started}
    return row | {
        "peak_mib": peak_memory() / 2**20,
        "gpu_mib": torch.cuda.max_memory_allocated() / 2**20 if gpu else None,
    }


def measure(made: Sequence[Variant], model: str, rounds: int, folder: Path) -> Row:
    """Measure the alternating variants of one row."""
    spawn = multiprocessing.get_context("spawn")
    os.environ["OMP_WAIT_POLICY"] = "passive"  # otherwise waiting threads of the children count as CPU time
    with ExitStack() as stack:
        pools = [stack.enter_context(ProcessPoolExecutor(1, mp_context=spawn)) for _ in made]
        starting = [pool.submit(prepare, variant, model) for pool, variant in zip(pools, made, strict=True)]
        rows = [asdict(variant) | begun.result() for variant, begun in zip(made, starting, strict=True)]
        paths = [(_source(variant, folder), folder / f"restored-{i}.ome.zarr") for i, variant in enumerate(made)]
        turns: list[list[Row]] = [[] for _ in made]
        for _ in range(1 + rounds):
            for found, pool, variant, files in zip(turns, pools, made, paths, strict=True):
                found.append(pool.submit(turn, variant, model, *files).result())
    for row, found in zip(rows, turns, strict=True):
        row |= {name: [one[name] for one in found[1:]] for name in ("seconds", "cpu_s")}
        row["peak_mib"] = max(one["peak_mib"] for one in found) - row["idle_mib"]
        row["gpu_mib"] = None if found[0]["gpu_mib"] is None else max(one["gpu_mib"] for one in found)
        row["megapixels"] = row["frames"] * row["size"] ** 2 / 1e6
    if len({variant.tile for variant in made}) > 1:
        _compare(rows, [target for _, target in paths])
    shutil.rmtree(folder)
    return {"rounds": rounds, "variants": rows}


def _source(variant: Variant, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return generate(folder / f"source-{variant.size}-{variant.frames}.ome.zarr", variant.frames, variant.size)


def _compare(rows: Sequence[Row], files: Sequence[Path]) -> None:
    """Add the difference of each result from the first one, in gray levels."""
    from decrappify import open_movie

    whole, *others = (np.asarray(open_movie(path)).astype(np.int64) for path in files)
    for row, other in zip(rows[1:], others, strict=True):
        difference = np.abs(other - whole)
        row["differ"], row["largest"] = float((difference > 0).mean()), int(difference.max())


def section(rows: list[Row]) -> str:
    """Format one table for each row, with its interpretation."""
    parts = [
        "## Cost of restoring\n\n"
        f"Model {rows[0]['job']['model']}. uint16 movies, seed {SEED}, OME-Zarr → OME-Zarr, in a separate process, "
        "including reading, writing and the start of a run (model file, normalization, plan). Medians of "
        f"{rows[0]['rounds']} alternating rounds. s/MP and CPU s/MP: per megapixel of the source, CPU seconds of all "
        "threads. Memory: peak above that "
        "of the idle process with the model loaded."
    ]
    for row in rows:
        device, kind = row["key"].split()
        parts += [_TITLES[kind].format(where=_where(row, device)), _TABLES[kind](row["variants"])]
    return "\n\n".join(parts)


_TITLES = {
    "frames": "### Length of the movie ({where})",
    "size": "### Side of the frames ({where})",
    "tiles": "### Side of the tiles ({where})",
    "overlap": "### Overlap of the tiles ({where})",
    "threads": "### Threads ({where})",
}


def _where(row: Row, device: str) -> str:
    one = row["variants"][0]
    if device == "cuda":
        return f"{one['device_name']}, {one['precision']}"
    many = {variant["threads"] for variant in row["variants"]}
    return f"CPU, {one['precision']}" + (
        f", {one['threads']} thread{'s' * (one['threads'] > 1)}" if len(many) == 1 else ""
    )


def _costs(row: Row) -> list[Any]:
    """Return the last columns of every table."""
    seconds, cpu = (statistics.median(row[name]) / row["megapixels"] for name in ("seconds", "cpu_s"))
    return [seconds, cpu, row["peak_mib"], *([] if row["gpu_mib"] is None else [row["gpu_mib"]])]


def _table(rows: Sequence[Row], names: Mapping[str, Callable[[Row], Any]], digits: Sequence[int] = ()) -> str:
    header = [*names, "s/MP", "CPU s/MP", "memory, MiB"] + ([] if rows[0]["gpu_mib"] is None else ["GPU, MiB"])
    lines = [[*(value(row) for value in names.values()), *_costs(row)] for row in rows]
    before = [*digits, *[0] * (len(names) - len(digits))]
    return table(header, lines, (*before, 3, 3, 0, *[0] * (len(header) - len(before) - 3)))


def _frames(rows: Sequence[Row]) -> str:
    text = _table(rows, {"frames": lambda r: r["frames"], "MP": lambda r: r["megapixels"]}, (0, 1))
    if len(rows) < 2:
        return text
    megapixels = [row["megapixels"] for row in rows]
    rate, start = np.polyfit(megapixels, [statistics.median(row["cpu_s"]) for row in rows], 1)
    longest, shortest = rows[-1], rows[0]
    return (
        f"{text}\n\nFrames of {rows[0]['size']} × {rows[0]['size']}. Linear fit of the CPU seconds: {start:.2f} s per "
        f"run and {rate:.3f} s per megapixel. Memory for {longest['frames']} frames relative to {shortest['frames']}: "
        f"{longest['peak_mib'] / shortest['peak_mib']:.2f}."
    )


def _sizes(rows: Sequence[Row]) -> str:
    names: dict[str, Callable[[Row], Any]] = {
        "side": lambda r: r["size"],
        "MP of a frame": lambda r: r["size"] ** 2 / 1e6,
        "tiles": lambda r: r["tiles"],
        "of side": lambda r: r["tile_used"],
    }
    return (
        _table(rows, names, (0, 2))
        + f"\n\n{rows[0]['frames']} frames each; tiles as planned from the free memory at that time."
    )


def _tiles(rows: Sequence[Row]) -> str:
    time_of = "seconds" if rows[0]["device"] == "cuda" else "cpu_s"
    first = statistics.median(rows[0][time_of])
    names: dict[str, Callable[[Row], Any]] = {
        "tile size set": lambda r: r["tile"],
        "used": lambda r: r["tile_used"],
        "overlap": lambda r: r["overlap_used"],
        "tiles": lambda r: r["tiles"],
        "pixels computed": lambda r: r["computed"],
        "twice, expected %": lambda r: 100 * (1 - 1 / r["computed"]),
        "found %": lambda r: 100 * (1 - first / statistics.median(r[time_of])),
        "pixels that differ, %": lambda r: 100 * r["differ"] if "differ" in r else None,
        "largest difference": lambda r: r.get("largest"),
    }
    return (
        _table(rows, names, (0, 0, 0, 0, 2, 0, 0, 3, 0))
        + f"\n\n{rows[0]['frames']} frames of {rows[0]['size']} × {rows[0]['size']}. Pixels computed: by the network, "
        "per pixel of the frame. Twice, expected: share of the computed pixels that is due to the overlap of tiles; "
        "found: that share derived from the time, relative to the frame in one tile, which includes the other costs "
        "and savings of tiles. Differences: in gray levels, from the frame restored in one tile."
    )


def _threads(rows: Sequence[Row]) -> str:
    wall = [statistics.median(row["seconds"]) for row in rows]
    return (
        _table(rows, {"threads": lambda r: r["threads"]})
        + f"\n\n{rows[0]['frames']} frames of {rows[0]['size']} × {rows[0]['size']}. Speed-up of {rows[-1]['threads']} "
        f"threads: {wall[0] / wall[-1]:.2f}."
    )


_TABLES: dict[str, Callable[[Sequence[Row]], str]] = {
    "frames": _frames,
    "size": _sizes,
    "tiles": _tiles,
    "overlap": _tiles,
    "threads": _threads,
}


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--device", choices=DEVICES, help="run only the rows of this device")
    options.add_argument("--model", default="fluorescence-movie", help="shipped name or model file")
    options.add_argument("--rounds", type=int, default=3, help="rounds of each variant")
    options.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()), help="folder for the movies")
    options.set_defaults(threads=2)
    args = options.parse_args()
    from benchmarks.harness.scoring import identity
    from decrappify import load_model

    model = f"{load_model(args.model).name} ({identity(args.model)})"
    benchmark = Benchmark("scaling", args, options)
    with tempfile.TemporaryDirectory(dir=args.scratch) as folder:
        jobs = {
            device: {
                f"{device} {kind}": Job(
                    {"model": model, "rounds": args.rounds, "variants": [asdict(variant) for variant in made]},
                    partial(measure, made, args.model, args.rounds, Path(folder) / f"{device}-{kind}"),
                )
                for kind, made in variants(device, args.threads).items()
            }
            for device in DEVICES
        }
        benchmark.run(chosen_devices(benchmark, jobs, args), section)


if __name__ == "__main__":
    main()
