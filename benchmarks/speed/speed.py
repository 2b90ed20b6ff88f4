"""Speed and memory of restorations by decrappify, CAREamics and PSSR2, also with OpenVINO.

All methods run in their own processes, each with the model that training/quality.py trained (simulated cell, the first
seed), and alternate on the same pixels, with the same number of threads, after a small still as warm-up.

- stills of 1024² and 2048² (--rounds turns), and a movie of 100 frames of 512² (one turn, as it is long), uint16,
  assembled from the noisy simulated cells
- memory: pixels in memory → pixels in memory. disk: TIFF file → TIFF file (stills). Zarr: Zarr → Zarr (the movie, if
  a method supports it)
- GFLOP/s counts each pixel once, without the overlap of tiles; the peak is a 3 × 3 convolution of 64 channels in
  float32 in this process, measured in every turn with the same threads

    python benchmarks/speed/speed.py --runs FOLDER --environments FOLDER --threads 2    # 20 minutes on 2 idle cores
    python benchmarks/speed/speed.py --threads 1 --only "movie 100 × 512², memory"

The folders are those of training/quality.py; missing models are trained first. Times are only valid on an otherwise
idle machine; CPU seconds are less affected by other load.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[2]))  # the root of the repository

from benchmarks.harness.results import Benchmark, Job, Row, parser, table
from benchmarks.peers.client import Worker
from benchmarks.peers.methods import LABELS, METHODS, add_environments, run_of, train
from benchmarks.peers.tasks import folder_of

TASK = "simulated cell"
SCENES = {"still 1024²": (1, 1024), "still 2048²": (1, 2048), "movie 100 × 512²": (100, 512)}
PATHS = ("memory", "disk", "Zarr")
ZARR = ("decrappify", "careamics")
# Row of the table: the method of training/quality.py that trained the model, and options of the restoration.
VARIANTS: dict[str, tuple[str, dict[str, str]]] = {
    "decrappify": ("decrappify", {"backend": "torch"}),
    "decrappify, float32": ("decrappify", {"backend": "torch", "precision": "float32"}),
    "decrappify, OpenVINO": ("decrappify", {"backend": "openvino"}),
    "decrappify, 3 frames": ("decrappify, 3 frames", {"backend": "torch"}),
    "careamics": ("careamics", {}),
    "careamics, OpenVINO": ("careamics", {"backend": "openvino"}),
    "pssr": ("pssr", {}),
    "pssr, OpenVINO": ("pssr", {"backend": "openvino"}),
}


def scene(n_frames: int, size: int, args: argparse.Namespace) -> Path:
    """Return the folder of a scene: the same pixels as TIFF, OME-Zarr and a plain Zarr array."""
    import zarr

    from decrappify import Movie, save_movie

    home = args.runs / "speed" / f"{n_frames}x{size}"
    if (home / "complete").exists():
        return home
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    cells = tifffile.imread(next((folder_of(TASK, args.runs) / "test" / "low").glob("*.tif")))
    pixels = together(cells, n_frames, size)
    tifffile.imwrite(home / "source.tif", pixels, imagej=True, metadata={"axes": "TYX"[-pixels.ndim :]})
    save_movie(Movie.from_array(pixels), home / "source.ome.zarr")
    chunks = (1, 256, 256)[-pixels.ndim :]
    zarr.create_array(home / "source.zarr", shape=pixels.shape, chunks=chunks, dtype=pixels.dtype)[...] = pixels
    (home / "complete").touch()
    return home


def together(cells: NDArray[Any], n_frames: int, size: int) -> NDArray[Any]:
    """Tile noisy cells side by side to a movie or a still; repeated in time if it is longer."""
    times = -(-size // cells.shape[-1])
    movie = np.stack([np.tile(cells[t % len(cells)], (times, times))[:size, :size] for t in range(n_frames)])
    return movie[0] if n_frames == 1 else movie


def model_of(method: str, args: argparse.Namespace) -> Path:
    """Return a method's model from training/quality.py, trained now if missing."""
    run = run_of(TASK, method, args.seeds[0], args)
    if not list(run.glob("model-*")):
        train(method, TASK, args.seeds[0], run, args)
    return max(run.glob("model-*"), key=lambda path: path.stat().st_mtime)


def psnr_of(method: str, args: argparse.Namespace) -> float:
    """Return the PSNR of the model's restored test files, scored as in training/quality.py."""
    from benchmarks.training.quality import score

    home, run = folder_of(TASK, args.runs), run_of(TASK, method, args.seeds[0], args)
    restored = {path.stem: run / path.name for path in (home / "test" / "low").glob("*.tif")}
    return float(score(home, {method: restored})[method]["psnr"])


def measure(name: str, path: str, args: argparse.Namespace) -> Row:
    """Measure all methods alternately on one scene."""
    n_frames, size = SCENES[name]
    home, warm = scene(n_frames, size, args), scene(min(n_frames, 3), 512, args)
    peak = convolution(args.threads)
    row: Row = {"scene": name, "path": path, "megapixels": n_frames * size**2 / 1e6, "conv_gflops": [], "methods": {}}
    with ExitStack() as stack:
        workers = {}
        for variant, (method, options) in VARIANTS.items():
            program = method.partition(",")[0]
            # A still has no neighboring frames: the input of a model of 3 frames would be three copies.
            if (path == "Zarr" and program not in ZARR) or (METHODS[method] > 1 and n_frames == 1):
                continue
            log = args.runs / "speed" / f"{program}.txt"
            worker = Worker(program, environments=args.environments, log=log, threads=args.threads)
            workers[variant] = stack.enter_context(worker)
            about = worker.ask("load", model=model_of(method, args), **options)
            found = {"psnr": psnr_of(method, args), "seconds": [], "cpu_seconds": [], "peak_mib": 0.0}
            row["methods"][variant] = about | found
            worker.ask("restore", source=warm / "source.tif", output=None)
        for _ in range(args.rounds if n_frames == 1 else 1):
            row["conv_gflops"].append(peak())
            for variant, worker in workers.items():
                answer = worker.ask("restore", **files(home, variant, path))
                found = row["methods"][variant]
                found["seconds"].append(answer["seconds"])
                found["cpu_seconds"].append(answer["cpu_seconds"])
                found["peak_mib"] = max(found["peak_mib"], answer["peak_mib"])
    return row


def files(home: Path, method: str, path: str) -> dict[str, Path | None]:
    """Return source and output of one turn; the output of an earlier turn is removed."""
    source, output = home / "source.tif", None
    if path == "disk":
        output = home / f"{method}.tif"
        output.unlink(missing_ok=True)
    elif path == "Zarr":
        own = method.startswith("decrappify")
        source = home / ("source.ome.zarr" if own else "source.zarr")
        output = home / (f"{method}.ome.zarr" if own else f"{method}.zarr")
        shutil.rmtree(output, ignore_errors=True)
    return {"source": source, "output": output}


def convolution(threads: int) -> Any:
    """Return a function that measures GFLOP/s of a 3 × 3 convolution of 64 channels, the best of eight."""
    import torch

    torch.set_num_threads(threads)
    conv = torch.nn.Conv2d(64, 64, 3, padding=1, bias=False).to(memory_format=torch.channels_last)
    image = torch.randn(1, 64, 256, 256).contiguous(memory_format=torch.channels_last)

    @torch.inference_mode()
    def run() -> float:
        times = []
        for _ in range(8):
            started = time.perf_counter()
            conv(image)
            times.append(time.perf_counter() - started)
        return 2 * 64 * 64 * 9 * 256**2 / min(times) / 1e9

    return run


def section(rows: list[Row], args: argparse.Namespace) -> str:
    """Format a table for each scene, with ratios."""
    parts = [
        f"## {args.title}\n\n"
        f"{args.threads} threads, medians of {args.rounds} turns (movies: one) in one run; s ×: seconds relative to "
        "those of decrappify, 1 frame. decrappify and OpenVINO compute in bfloat16 on processors that support it, the "
        "other programs and the convolution of the peak in float32. PSNR: of the model, on the test movie of "
        "quality.py. GFLOP/MP and GFLOP/s count each output pixel once, so the overlap of tiles lowers GFLOP/s. Peak: "
        "memory of the process during the restoration, including pixels and libraries."
    ]
    header = ["method", "PSNR, dB", "path", "s", "s ×", "MP/s", "CPU s/MP", "GFLOP/MP", "of conv 3 × 3", "peak, MiB"]
    for name in dict.fromkeys(row["scene"] for row in rows):
        lines = [line for row in rows if row["scene"] == name for line in _lines(row)]
        parts.append(f"### {name.capitalize()}\n\n" + table(header, lines, (0, 2, 0, 2, 2, 3, 2, 0, 2, 0)))
    return "\n\n".join(parts)


def _lines(row: Row) -> list[list[Any]]:
    peak, megapixels = statistics.median(row["conv_gflops"]), row["megapixels"]
    ours = statistics.median(row["methods"]["decrappify"]["seconds"])
    lines = []
    for method, found in row["methods"].items():
        seconds, cpu = statistics.median(found["seconds"]), statistics.median(found["cpu_seconds"])
        share = found["gflop_per_mp"] * megapixels / seconds / peak
        trained = VARIANTS[method][0]
        label = LABELS[trained] + method.removeprefix(trained)
        lines.append(
            [
                *(label, found["psnr"], row["path"], seconds, seconds / ours, megapixels / seconds),
                *(cpu / megapixels, found["gflop_per_mp"], share, found["peak_mib"]),
            ]
        )
    return lines


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--rounds", type=int, default=3, help="turns of each method on a still")
    options.add_argument("--minutes", type=float, default=2.0, help="CPU minutes that the models were trained for")
    options.add_argument("--seeds", type=int, nargs=1, default=[0], help="seed of the models")
    options.add_argument("--runs", type=Path, default=Path("runs/quality"), help="folder of quality.py")
    add_environments(options)
    options.add_argument("--name", default="speed", help="name of the section, for a second table")
    options.add_argument(
        "--title", default="Speed and memory compared with other programs", help="title of the section"
    )
    args = options.parse_args()
    settings = {"threads": args.threads, "rounds": args.rounds, "minutes": args.minutes, "seed": args.seeds[0]}
    jobs = {
        f"{name}, {path}": Job(settings, partial(measure, name, path, args))
        for name, (n_frames, _) in SCENES.items()
        for path in PATHS
        if path != ("disk" if n_frames > 1 else "Zarr")  # stills are TIFF files, movies Zarr stores
    }
    Benchmark(args.name, args, options).run(jobs, lambda rows: section(rows, args))


if __name__ == "__main__":
    main()
