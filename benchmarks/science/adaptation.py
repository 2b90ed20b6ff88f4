"""Adaptation of a shipped model to held-out movies from their noise alone, and the gain that clean frames would bring.

Each test movie (its first 40 frames) is degraded; `adapt` calibrates the noise on the degraded movie itself, and the
adapted model restores all frames. Upper bound: the same number of steps of `train` on the reference, degraded with the
true noise. The run time of a row is that of the machine; the number of steps is fixed, so that rows can be compared.

    python benchmarks/science/adaptation.py                                          # 27 rows, about 5 minutes each
    python benchmarks/science/adaptation.py --only "cancer_cell_nuclei_48f, 10 photons, seed 1"
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the root of the repository

from benchmarks.harness import corpus
from benchmarks.harness.results import Benchmark, Job, Row, parser, table
from decrappify.crappify import Gaussian, Part, Poisson

N_FRAMES = 40
SEEDS = (1, 2, 3)
# Photons at the bright level, and read noise as a fraction of it.
NOISE = {"3 photons": (3.0, 0.02), "10 photons": (10.0, 0.02), "40 photons": (40.0, 0.01)}
FIGURES = ("psnr", "ssim", "tdr", "flicker_floor")


def noise_parts(level: str) -> tuple[Part, ...]:
    """Return the parts of the degradation."""
    photons, read_noise = NOISE[level]
    return Poisson(photons=photons), Gaussian(sigma=read_noise)


def measure(name: str, level: str, seed: int, model: str, steps: int, upper_bound: bool) -> Row:
    """Adapt to one degraded movie and score the results."""
    import time

    import numpy as np

    from benchmarks.harness.scoring import degrade, figures, identity, restored, truths
    from decrappify import AdaptationConfig, Movie, adapt, calibrate, load_model
    from decrappify.metrics.baselines import best_gaussian
    from decrappify.normalization import measure as levels_of

    (reference,) = truths(name, N_FRAMES).values()
    source = degrade(reference, noise_parts(level), seed)
    movie = Movie.from_array(source)
    gain = calibrate(movie).noise.gain
    started, cpu_before = time.perf_counter(), time.process_time()
    adapted = adapt(model, movie, config=AdaptationConfig(max_steps=steps, seed=seed, device="cpu"))
    row: Row = {
        "file": name.rpartition("/")[2].partition(".")[0],
        "level": level,
        "seed": seed,
        "adapt_seconds": round(time.perf_counter() - started),
        "adapt_cpu_seconds": round(time.process_time() - cpu_before),
        "gain_error": None
        if gain.value is None
        else gain.value / (levels_of(Movie.from_array(reference)).scale / NOISE[level][0]) - 1,
        "kept": adapted.card["adapted"]["kept"],
        "lead": adapted.card["adapted"]["lead"],
        "gaussian": best_gaussian(source, reference).psnr,
        "model": f"{load_model(model).name} ({identity(model)})",
    }
    results = {"shipped": restored(source, model), "adapted": restored(source, adapted)}
    if upper_bound:
        results["clean"] = restored(source, _with_clean_frames(np.asarray(reference), level, seed, model, steps))
    for method, result in results.items():
        scores = figures(result, reference)
        row[method] = {figure: scores[figure] for figure in FIGURES}
    return row


def _with_clean_frames(reference: Any, level: str, seed: int, model: str, steps: int) -> Any:
    """Continue the training on the reference, degraded with the true noise."""
    from decrappify import Crappifier, DataOptions, Movie, TrainingConfig, train

    movie = Movie.from_array(reference)
    return train(
        movie,
        Crappifier(noise_parts(level), name=level),
        data=DataOptions(validation=movie),
        start_from=model,
        config=TrainingConfig(
            max_steps=steps, learning_rate=5e-4, keep="last", validate_every=steps, seed=seed, device="cpu"
        ),
    )


def section(rows: list[Row]) -> str:
    """Format one line per movie, level and seed, and the means."""
    has_bound = any("clean" in row for row in rows)
    lines = [
        [row["file"], row["level"], row["seed"], row["gaussian"], row["shipped"]["psnr"], row["adapted"]["psnr"]]
        + [_gain(row, "adapted")]
        + ([_gain(row, "clean") if "clean" in row else None] if has_bound else [])
        + [100 * row[method]["flicker_floor"] for method in ("shipped", "adapted")]
        + [row["adapted"]["tdr"], None if row["gain_error"] is None else 100 * row["gain_error"]]
        + [row["kept"], row["adapt_cpu_seconds"]]
        for row in rows
    ]
    head = ["movie", "level", "seed", "best Gaussian", "shipped", "adapted", "gain"]
    head += ["gain with clean frames"] if has_bound else []
    head += ["flicker, shipped", "flicker, adapted", "TDR, adapted", "error of gain, %", "kept", "CPU s"]
    gains = [_gain(row, "adapted") for row in rows]
    flicker = [row["adapted"]["flicker_floor"] / row["shipped"]["flicker_floor"] - 1 for row in rows]
    return (
        "## Adaptation to held-out movies\n\nPSNR in dB against the reference; flicker in % of the range. Gain: over "
        f"the shipped model, {rows[0]['model']}. Mean gain {sum(gains) / len(gains):.2f} dB, lowest "
        f"{min(gains):.2f} dB; flicker changes by {100 * sum(flicker) / len(flicker):.0f} % on average, at most "
        f"{100 * max(flicker):.0f} %.\n\n" + table(head, lines)
    )


def _gain(row: Row, method: str) -> float:
    return float(row[method]["psnr"] - row["shipped"]["psnr"])


def main() -> None:
    """Run the missing rows and write the section."""
    options = parser(__doc__)
    options.add_argument("--model", default="fluorescence-movie", help="name or file of the given model")
    options.add_argument("--steps", type=int, default=1500, help="steps of each adaptation")
    options.add_argument("--upper-bound", action="store_true", help="also train on clean frames of the same movie")
    args = options.parse_args()
    import torch

    from benchmarks.harness.scoring import identity

    torch.set_num_threads(args.threads)
    settings = {"model": identity(args.model), "steps": args.steps, "upper_bound": args.upper_bound}
    jobs = {
        f"{name.rpartition('/')[2].partition('.')[0]}, {level}, seed {seed}": Job(
            settings | {"name": name, "level": level, "seed": seed},
            partial(measure, name, level, seed, args.model, args.steps, args.upper_bound),
        )
        for seed in SEEDS
        for level in NOISE
        for name in corpus.TEST_MOVIES
    }
    Benchmark("adaptation", args, options).run(jobs, section)


if __name__ == "__main__":
    main()
