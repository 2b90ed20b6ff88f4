"""Latency of `restore --follow`: time from a complete frame to its restored plane in the output.

A second process appends frames of a synthetic movie at a fixed interval, to an OME-Zarr store that grows, to one of
full length, or as TIFF files. The window of the model ends with the next frame, so that the latency is counted from the
time at which that frame is completely written. Frames that arrived before the normalization was measured are not
counted.

    python benchmarks/speed/follow.py --scratch FOLDER    # 2 minutes on 2 idle cores
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
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

INPUTS = {
    "growing OME-Zarr": "growing.zarr",
    "OME-Zarr of full length": "full.zarr",
    "TIFF, one file per frame": "files",
}
NORMALIZATION_FRAMES, TIMEOUT_S = 4, 5.0


def frame(t: int, side: int) -> np.ndarray[Any, Any]:
    """Return a noisy frame with a few moving bright squares."""
    rng = np.random.default_rng(t)
    values = np.full((side, side), 20.0)
    for number in range(30):
        y, x = ((37 * number + 3 * t) % (side - 16), (91 * number + 2 * t) % (side - 16))
        values[y : y + 16, x : x + 16] += 60
    return rng.poisson(values).astype(np.uint16) + 100


def appender(path: Path, n_frames: int, side: int) -> Callable[[int], None]:
    """Create an input, and return the function that appends frame `t`."""
    if path.suffix != ".zarr":
        import tifffile

        path.mkdir()
        return lambda t: tifffile.imwrite(path / f"frame_t{t:05d}.tif", frame(t, side))
    import zarr

    growing = path.name.startswith("growing")
    array = zarr.create_array(
        path,
        shape=(0 if growing else n_frames, side, side),
        chunks=(1, 256, 256),
        dtype="uint16",
        dimension_names=list("tyx"),
    )

    def append(t: int) -> None:
        if growing:
            array.resize((t + 1, side, side))
        array[t] = frame(t, side)

    return append


def acquire(path: Path, n_frames: int, side: int, interval: float, written: Any) -> None:
    """Append frames at an interval, and record when each is complete."""
    append, started = appender(path, n_frames, side), time.monotonic()
    for t in range(n_frames):
        time.sleep(max(0.0, started + t * interval - time.monotonic()))
        append(t)
        written[t] = time.monotonic()  # one clock for all processes


def measure(args: argparse.Namespace, name: str) -> Row:
    """Follow one acquisition, and measure the latency of its frames."""
    import torch

    import decrappify as dc

    torch.set_num_threads(args.threads)
    model, inference = dc.load_model(args.model), dc.InferenceOptions(device="cpu", precision="float32")
    with tempfile.TemporaryDirectory(dir=args.scratch) as folder:
        source, output = Path(folder) / INPUTS[name], Path(folder) / "restored.ome.zarr"
        written = multiprocessing.Array("d", args.frames)
        process = multiprocessing.get_context("fork").Process(
            target=acquire, args=(source, args.frames, args.side, args.interval, written)
        )
        restored: dict[int, float] = {}
        process.start()
        dc.follow(
            source,
            model,
            output,
            timeout_s=TIMEOUT_S,
            inference=inference,
            options=dc.RestorationOptions(normalization_frames=NORMALIZATION_FRAMES),
            on_plane=lambda t, c, z: restored.setdefault(t, time.monotonic()),
        ).close()
        process.join()
        started = time.perf_counter()
        with dc.open_movie(source) as movie:
            dc.restore(movie[:4], model, inference=inference).close()
        per_frame = (time.perf_counter() - started) / 4
    begun = restored[0]
    counted = [t for t in range(args.frames - 1) if written[t + 1] > begun]
    latencies = [restored[t] - written[t + 1] for t in counted]
    half = len(latencies) // 2
    return {
        "frames": args.frames,
        "counted": len(counted),
        "latency_s": statistics.median(latencies),
        "largest_s": max(latencies),
        "halves_s": [statistics.median(part) for part in (latencies[:half], latencies[half:])],
        "from_own_frame_s": statistics.median(restored[t] - written[t] for t in counted),
        "plain_s_per_frame": per_frame,
    }


def section(rows: list[Row], args: argparse.Namespace) -> str:
    """Format one row per input."""
    header = [
        "input",
        "frames",
        "latency, s",
        "largest, s",
        "first and second half, s",
        "from the frame itself, s",
        "plain run, s per frame",
    ]
    lines = [
        [
            row["key"],
            row["counted"],
            row["latency_s"],
            row["largest_s"],
            " and ".join(f"{value:.2f}" for value in row["halves_s"]),
            row["from_own_frame_s"],
            row["plain_s_per_frame"],
        ]
        for row in rows
    ]
    head = (
        f"## Latency of --follow\n\nModel {args.model}, frames of {args.side} × {args.side} uint16 every "
        f"{args.interval:g} s, {args.threads} thread, float32. Latency: median time from the complete next frame, with "
        "which the window ends, to the plane in the output. It includes 0.3 to 0.5 s in which a file must not change."
    )
    return f"{head}\n\n{table(header, lines, (0, 0, 2, 2, 0, 2, 2))}"


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()), help="folder for the movies")
    options.add_argument("--model", default="fluorescence-movie", help="shipped name or model file")
    options.add_argument("--frames", type=int, default=24, help="frames of each acquisition")
    options.add_argument("--side", type=int, default=256, help="rows and columns of a frame")
    options.add_argument("--interval", type=float, default=1.0, help="seconds between frames")
    args = options.parse_args()
    args.scratch.mkdir(parents=True, exist_ok=True)
    names = ("model", "frames", "side", "interval", "threads")
    settings = {name: getattr(args, name) for name in names}
    jobs = {name: Job(settings, partial(measure, args, name)) for name in INPUTS}
    Benchmark("follow", args, options).run(jobs, lambda rows: section(rows, args))


if __name__ == "__main__":
    main()
