"""Quality of decrappify, CAREamics and PSSR2 after training on equal data for equal CPU time.

Every method is trained for each task on the same files, in its own process and environment, on one thread, until it
has spent --minutes of CPU time; then it restores the test files, and `decrappify.benchmark` scores all results alike:
one affine fit to the reference for each test movie (short and long exposures have different gray levels), then PSNR
over the range of that reference. Three seeds. The peers run with the settings that their documentation recommends, and
with the better of two settings if a short trial was inconclusive; these are listed in the workers in peers/. No setting
is chosen on the test files. From 40 minutes on, PSSR2 is trained at its default width, too.

- simulated cell: moving cells with a known reference, 3-frame windows if a method supports them.
- exposures, microtubules, wide field: measured pairs, the left part of the field for training, the right for testing.
- micrograph × 4: every fourth pixel of a FIB-SEM image; CAREamics receives the bicubic upscaling, as it keeps the size.

    python benchmarks/training/quality.py --runs FOLDER --environments FOLDER    # 57 rows of 3 minutes on one core
    python benchmarks/training/quality.py --only "exposures, careamics, seed 0"  # two processes can share the rows
    python benchmarks/training/quality.py --minutes 40 --seeds 0 --tasks exposures --name quality_40min

The environments of the peers are created on first use (9 GB, their version pins are incompatible with decrappify's).
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

sys.path.insert(0, str(Path(__file__).parents[2]))  # the root of the repository

from benchmarks.harness.results import Benchmark, Job, Row, parser, table
from benchmarks.peers.methods import DEFAULT_WIDTH, LABELS, METHODS, add_environments, run_of, train
from benchmarks.peers.tasks import TASKS, folder_of
from decrappify.benchmarking import BenchmarkOptions

ONE_SEED = "pssr, 3 frames"  # not better than one frame within these budgets
WIDE_FROM_MINUTES = 40  # a step of PSSR2 at its default width takes about ten times that of a quarter of it
WITH_IMAGE = ("simulated cell", "exposures", "microtubules")
BASELINES = ("input", "gaussian", "nlm")
FIGURES = {"psnr": "PSNR, dB", "ssim": "SSIM", "frc_px": "FRC 0.5, px", "tde": "TDE", "flicker_floor": "flicker floor"}


def measure(task: str, method: str, seed: int, args: argparse.Namespace) -> Row:
    """Train and restore with one method in its own process, then score its files."""
    home, run = folder_of(task, args.runs), run_of(task, method, seed, args)
    program = method.partition(",")[0]
    trained = train(method, task, seed, run, args)
    restored = {path.stem: run / path.name for path in sorted((home / "test" / "low").glob("*.tif"))}
    return {"task": task, "method": method, "program": program} | trained | score(home, {method: restored})[method]


def score(home: Path, results: dict[str, dict[str, Path]], baselines: tuple[str, ...] = ()) -> dict[str, Row]:
    """Score stored results and baselines: the mean of each metric over the test files, and the PSNR of each file."""
    from decrappify import Movie, benchmark

    def stored(files: dict[str, Path]) -> Any:
        return lambda movie: tifffile.imread(files[movie.name])

    pairs = [
        tuple(
            Movie.from_array(tifffile.imread(home / "test" / kind / path.name), name=path.stem)
            for kind in ("low", "high")
        )
        for path in sorted((home / "test" / "low").glob("*.tif"))
    ]
    report = benchmark(
        {name: stored(files) for name, files in results.items()},
        pairs,
        baselines=baselines,
        options=BenchmarkOptions(levels="fit"),
    )
    return {
        name: {figure: _known(report.mean(name, figure)) for figure in FIGURES}
        | {"each_psnr": {view: score.values["psnr"] for view, score in scores.items()}}
        for name, scores in report.scores.items()
    }


def measure_baseline(task: str, name: str, args: argparse.Namespace) -> Row:
    """Score one baseline, which needs no training."""
    (found,) = score(folder_of(task, args.runs), {}, (name,)).values()
    return {"task": task, "method": name} | found


def section(rows: list[Row], args: argparse.Namespace) -> str:
    """Format one table of PSNR for all tasks, then one table for each task."""
    parts = [
        f"## {args.title}\n\n"
        f"{args.minutes:g} CPU minutes of training on one thread for every method, from identical files; mean ± "
        "standard deviation over seeds. PSNR in dB, relative to the range of the reference of each test movie, after "
        "one affine fit of the complete movie, the same for every method. Best Gaussian: σ in space (and time) "
        "optimized against the reference for each test movie. Bold: the best trained method."
    ]
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    shown = [name for name in LABELS if any(row["method"] == name for row in rows)]
    parts.append(table(["task", *(LABELS[name] for name in shown)], [_overview(rows, task, shown) for task in tasks]))
    for task in tasks:
        lines = [_line(rows, task, name) for name in shown if _of(rows, task, name)]
        header = ["method", *_figures(task).values(), "steps", "training images, thousands", "parameters, thousands"]
        parts.append(f"### {task.capitalize()}\n\n{TASKS[task].description}\n\n{table(header, lines)}")
        if task in WITH_IMAGE and (shown_here := panel(task, args)):
            parts.append(shown_here)
    about = {
        row["method"]: f"- {row['program']}: {row['settings']} ({row['versions']})" for row in rows if "program" in row
    }
    return "\n\n".join([*parts, "\n".join(dict.fromkeys(about.values()))])


def _figures(task: str) -> dict[str, str]:
    timeless = TASKS[task].windows != "frames"
    return {key: label for key, label in FIGURES.items() if not (timeless and key in ("tde", "flicker_floor"))}


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def panel(task: str, args: argparse.Namespace) -> str | None:
    """Write a detail of the first test file as restored with the first seed, in the reference's gray levels."""
    from benchmarks.harness.panels import save_panel
    from decrappify.metrics.fidelity import affine_fit

    home = folder_of(task, args.runs)
    source = min((home / "test" / "low").glob("*.tif"))
    ours = "decrappify, 3 frames" if TASKS[task].windows else "decrappify"
    files = {"source": source} | {
        LABELS[method]: run_of(task, method, args.seeds[0], args) / source.name
        for method in (ours, "careamics", "pssr")
    }
    image = args.results.parent / "results" / f"{args.name}_{task.replace(' ', '_').replace('×', 'x')}.png"
    if not all(path.exists() for path in files.values()):  # on another machine: the image as it was written
        return f"![{' | '.join([*files, 'reference'])}](results/{image.name})" if image.exists() else None
    truth = _middle(tifffile.imread(home / "test" / "high" / source.name))
    images = {}
    for label, path in files.items():
        shown = _middle(tifffile.imread(path)).astype(np.float64)
        fit = affine_fit(shown, truth) if shown.shape == truth.shape else affine_fit(truth, truth)
        images[label] = fit.slope * shown + fit.intercept
    return save_panel(image, images | {"reference": truth}, detail=128)


def _middle(image: Any) -> Any:
    return image if image.ndim == 2 else image[len(image) // 2]


def _of(rows: list[Row], task: str, method: str) -> list[Row]:
    return [row for row in rows if row["task"] == task and row["method"] == method]


def _overview(rows: list[Row], task: str, shown: list[str]) -> list[str]:
    found = {name: [row["psnr"] for row in _of(rows, task, name)] for name in shown}
    learnt = {name: statistics.mean(values) for name, values in found.items() if values and name in METHODS}
    best = max(learnt, key=learnt.__getitem__, default=None)
    cells = {name: _spread(values, 2) for name, values in found.items()}
    return [task, *(f"**{text}**" if name == best else text for name, text in cells.items())]


def _line(rows: list[Row], task: str, name: str) -> list[str]:
    found = _of(rows, task, name)
    digits = {"psnr": 2, "frc_px": 2, "flicker_floor": 4}
    cells = [_spread([row[figure] for row in found], digits.get(figure, 3)) for figure in _figures(task)]
    counts = [("steps", 1), ("images_seen", 1000), ("parameters", 1000)]
    return [
        LABELS[name],
        *cells,
        *(_spread([row[key] / unit for row in found if key in row], 0) for key, unit in counts),
    ]


def _spread(values: list[float | None], digits: int) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    middle = f"{statistics.mean(known):.{digits}f}"
    return middle if len(known) == 1 or not digits else f"{middle} ± {statistics.stdev(known):.{digits}f}"


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--minutes", type=float, default=2.0, help="CPU minutes of training for each model")
    options.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    options.add_argument("--runs", type=Path, default=Path("runs/quality"), help="folder of tasks and trained models")
    add_environments(options)
    options.add_argument("--name", default="quality", help="name of the section, for a second table")
    options.add_argument("--title", default="Quality at equal data and equal CPU time", help="title of the section")
    args = options.parse_args()
    jobs = {}
    for task in args.tasks:
        data = {"task": TASKS[task].description}
        for name in BASELINES:
            jobs[f"{task}, {name}"] = Job(data, partial(measure_baseline, task, name, args))
    methods = [name for name in METHODS if name != DEFAULT_WIDTH or args.minutes >= WIDE_FROM_MINUTES]
    for seed, task, method in ((s, t, m) for s in args.seeds for t in args.tasks for m in methods):
        if METHODS[method] == 1 or (TASKS[task].windows and (seed == args.seeds[0] or method != ONE_SEED)):
            settings = {"task": TASKS[task].description, "minutes": args.minutes, "seed": seed}
            jobs[f"{task}, {method}, seed {seed}"] = Job(settings, partial(measure, task, method, seed, args))
    Benchmark(args.name, args, options).run(jobs, lambda rows: section(rows, args))


if __name__ == "__main__":
    main()
