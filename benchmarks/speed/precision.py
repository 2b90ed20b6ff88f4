"""Agreement of bfloat16 with float32 for each model, its effect on the restoration, and the times of both.

Held-out movies and micrographs (first frames, central pixels, as uint16 with 1000 gray levels between background and
bright structures) are degraded with the crappifier of the model's card and restored in both precisions, alternately.
Times are CPU times of complete restorations in memory with one thread. Colorizers color photographs of scikit-image.

    python benchmarks/speed/precision.py                                   # 5 minutes on one core
    python benchmarks/speed/precision.py --model run/model.safetensors     # also this model or colorizer
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[2]))  # the root of the repository

from benchmarks.harness import corpus
from benchmarks.harness.results import Benchmark, Job, Row, parser, table
from decrappify import InferenceOptions, Movie, load_model
from decrappify.model import Model, shipped_models

Array = NDArray[Any]

SIDE, FRAMES, ROUNDS, SEED = 512, 6, 3, 1
TIMED_SIDE = 1024  # of the result
LEVELS, BLACK = 1000.0, 100.0
PHOTOS = ("chelsea.png", "astronaut.png", "camera.png")
RENDER_FACTOR = 8
PRECISIONS = ("float32", "bfloat16")


def references(task: str) -> list[Movie]:
    """Read the held-out movies or micrographs as uint16."""
    from decrappify.normalization import measure

    found = []
    for name in corpus.TEST_EM if task == "EM" else corpus.TEST_MOVIES:
        movie = corpus.load(name)
        rows, columns = (slice(max(0, (n - SIDE) // 2), (n + SIDE) // 2) for n in movie.shape[3:])
        frames = np.asarray(movie.select(slice(0, FRAMES), 0))[:, 0, 0, rows, columns]
        unit = measure(Movie.from_array(frames)).apply(frames)
        found.append(Movie.from_array(np.clip(LEVELS * unit + BLACK, 0, 65535).round().astype(np.uint16)))
    return found


def options(precision: str) -> InferenceOptions:
    return InferenceOptions(device="cpu", precision=precision, backend="torch")


def alternately(run: Callable[[str], Array]) -> tuple[dict[str, Array], dict[str, float]]:
    """Run in both precisions, alternately; return the results and the median CPU seconds after the first round."""
    results: dict[str, Array] = {}
    seconds: dict[str, list[float]] = {precision: [] for precision in PRECISIONS}
    for _ in range(1 + ROUNDS):
        for precision in PRECISIONS:
            started = time.process_time()
            results[precision] = run(precision)
            seconds[precision].append(time.process_time() - started)
    return results, {precision: statistics.median(times[1:]) for precision, times in seconds.items()}


def measure_restoration(model: Model) -> Row:
    """Compare both precisions of a restoration model on every reference."""
    from decrappify import Crappifier
    from decrappify.crappify import crappify_movie
    from decrappify.metrics.fidelity import psnr
    from decrappify.restoration import Restorer

    agreements, changes, differences = [], [], []
    for reference in references("EM" if model.name.startswith("em") else "fluorescence"):
        source = np.asarray(crappify_movie(reference, Crappifier.from_dict(model.crappifier), seed=SEED))
        exact, rounded = (_restored(source, model, precision) for precision in PRECISIONS)
        height, width = exact.shape[1:]
        target = np.asarray(reference)[:, 0, 0, :height, :width].astype(np.float32)
        agreements.append(float(psnr(rounded, exact)))
        changes.append(float(psnr(rounded, target) - psnr(exact, target)))
        differences.append((rounded - exact).ravel())
    shape = (FRAMES, 1, 1, TIMED_SIDE // model.scale, TIMED_SIDE // model.scale)
    tiles = [-(-wanted // n) for wanted, n in zip(shape, source.shape, strict=True)]
    large = np.tile(source, tiles)[tuple(map(slice, shape))]
    taken = alternately(lambda precision: _restored(large, model, precision, "uint16"))[1]
    every = np.concatenate(differences)
    return {
        "gate": Restorer(model, inference=InferenceOptions(device="cpu")).network.agreement_db,
        "agreement": min(agreements),
        "agreement_median": statistics.median(agreements),
        "psnr_change": max(changes, key=abs),
        "rms": float(every.std() / LEVELS),
        "mean": float(every.mean() / LEVELS),
        "largest": float(np.abs(every).max() / LEVELS),
        "cpu_seconds_of": taken,
        "ratio": taken["float32"] / taken["bfloat16"],
    }


def _restored(source: Array, model: Model, precision: str, dtype: str = "float32") -> Array:
    from decrappify import RestorationOptions, restore

    movie, chosen = Movie.from_array(source), RestorationOptions(dtype=dtype)
    return np.asarray(restore(movie, model, inference=options(precision), options=chosen))[:, 0, 0]


def measure_colorizer(model: Model) -> Row:
    """Compare both precisions of a colorizer on gray photographs."""
    import skimage
    from PIL import Image

    from decrappify.colorization.colorizer import Colorizer

    colorizers = {p: Colorizer(model, render_factor=RENDER_FACTOR, inference=options(p)) for p in PRECISIONS}
    folder = Path(skimage.__file__).parent / "data"
    photos = [np.asarray(Image.open(folder / name).convert("L")) for name in PHOTOS]
    results, taken = alternately(lambda p: np.concatenate([colorizers[p](photo).ravel() for photo in photos]))
    change = results["bfloat16"].astype(int) - results["float32"]
    return {
        "gate": Colorizer(model, inference=InferenceOptions(device="cpu")).network.agreement_db,
        "gray_levels": float(np.abs(change).mean()),
        "largest": int(np.abs(change).max()),
        "cpu_seconds_of": taken,
        "ratio": taken["float32"] / taken["bfloat16"],
    }


def measure(name: str) -> Row:
    from decrappify._common.processes.processor import onednn_level

    model = load_model(name)
    task = "colorization" if model.card.get("task") == "colorization" else "restoration"
    row = (measure_colorizer if task == "colorization" else measure_restoration)(model)
    network = str(model.network.architecture["name"])
    return {"task": task, "model": model.name, "network": network, "level": onednn_level()} | row


def section(rows: list[Row]) -> str:
    """Format one table of restoration models and one of colorizers."""
    levels = ", ".join(sorted({row["level"] for row in rows}))
    parts = [
        "## bfloat16 against float32",
        f"oneDNN level {levels}, one thread, torch. Agreement: PSNR of the bfloat16 result against that in float32; "
        'on the simulated source it is the condition of `precision="auto"` (55 dB; colorization 40 dB). Differences '
        "are in percent of the range between background and bright structures. Ratio: CPU time of a complete "
        f"restoration of {FRAMES} frames ({TIMED_SIDE} x {TIMED_SIDE} pixels in the result) in float32 / bfloat16, "
        f"medians of {ROUNDS} alternate runs.",
    ]
    restorers = [row for row in rows if row["task"] == "restoration"]
    header = ["model", "network", "simulated source, dB", "held-out, lowest dB", "median dB", "PSNR change, dB"]
    header += ["RMS, %", "mean, %", "largest, %", "ratio"]
    cells = [
        [
            *(r["model"], r["network"], r["gate"], r["agreement"], r["agreement_median"], r["psnr_change"]),
            *(100 * r["rms"], 100 * r["mean"], 100 * r["largest"], r["ratio"]),
        ]
        for r in restorers
    ]
    if cells:
        parts.append(table(header, cells, (0, 0, 1, 1, 1, 4, 3, 4, 2, 2)))
    colorizers = [row for row in rows if row["task"] == "colorization"]
    header = ["colorizer", "network", "simulated source, dB", "mean change, gray levels", "largest", "ratio"]
    cells = [[r["model"], r["network"], r["gate"], r["gray_levels"], r["largest"], r["ratio"]] for r in colorizers]
    if cells:
        parts.append(table(header, cells, (0, 0, 1, 2, 0, 2)))
    return "\n\n".join(parts)


def main() -> None:
    """Run the missing rows and write the section."""
    import torch

    from benchmarks.harness.scoring import identity

    arguments = parser(__doc__)
    arguments.add_argument("--model", nargs="+", default=[], help="also these model files")
    args = arguments.parse_args()
    torch.set_num_threads(args.threads)
    settings = {
        "side": SIDE,
        "timed": TIMED_SIDE,
        "frames": FRAMES,
        "rounds": ROUNDS,
        "seed": SEED,
        "threads": args.threads,
    }
    names = {name: name for name in shipped_models()} | {Path(path).parent.name: path for path in args.model}
    jobs = {key: Job(settings | {"model": identity(path)}, partial(measure, path)) for key, path in names.items()}
    Benchmark("precision", args, arguments).run(jobs, section)


if __name__ == "__main__":
    main()
