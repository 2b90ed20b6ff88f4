"""Adaptation of a shipped model to held-out movies from their noise alone, and the gain that clean frames would bring.

Each test movie (its first 40 frames) is degraded; `adapt` calibrates the noise on the degraded movie itself, and the
adapted model restores all frames. Upper bound (rows "clean frames"): the same number of steps of `train` on the
reference, degraded with the true noise. The number of steps is fixed, so that rows can be compared.

    python benchmarks/training/adaptation.py                          # 36 rows, about 5 minutes of CPU time each
    python benchmarks/training/adaptation.py --only "cancer_cell_nuclei_48f, 10 photons, seed 1"
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


def measure(name: str, level: str, seed: int, model: str, steps: int) -> Row:
    """Adapt to one degraded movie and score the results."""
    import time

    from benchmarks.harness.scoring import restored
    from decrappify import AdaptationConfig, Movie, adapt, calibrate
    from decrappify.metrics.baselines import best_gaussian
    from decrappify.normalization import measure as levels_of

    reference, source = _pair(name, level, seed)
    movie = Movie.from_array(source)
    gain = calibrate(movie).noise.gain
    cpu_before = time.process_time()
    adapted = adapt(model, movie, config=AdaptationConfig(max_steps=steps, seed=seed, device="cpu"))
    cpu = round(time.process_time() - cpu_before)
    true_gain = levels_of(Movie.from_array(reference)).scale / NOISE[level][0]
    card = adapted.card["adapted"]
    return _facts(name, level, seed, model) | {
        "adapt_cpu_seconds": cpu,
        "gain_error": None if gain.value is None else gain.value / true_gain - 1,
        **{key: card[key] for key in ("kept", "lead", "share")},
        "gaussian": best_gaussian(source, reference).psnr,
        "shipped": _scores(restored(source, model), reference),
        "adapted": _scores(restored(source, adapted), reference),
    }


def measure_bound(name: str, level: str, model: str, steps: int) -> Row:
    """Continue the training on the reference, degraded with the true noise, and score the result."""
    from benchmarks.harness.scoring import restored
    from decrappify import Crappifier, DataOptions, Movie, TrainingConfig, train

    seed = SEEDS[0]
    reference, source = _pair(name, level, seed)
    movie = Movie.from_array(reference)
    trained = train(
        movie,
        Crappifier(noise_parts(level), name=level),
        data=DataOptions(validation=movie),
        start_from=model,
        config=TrainingConfig(
            max_steps=steps, learning_rate=5e-4, keep="last", validate_every=steps, seed=seed, device="cpu"
        ),
    )
    return _facts(name, level, seed, model) | {
        "shipped": _scores(restored(source, model), reference),
        "clean": _scores(restored(source, trained), reference),
    }


def _pair(name: str, level: str, seed: int) -> tuple[Any, Any]:
    """Return reference and source (T, Y, X)."""
    from benchmarks.harness.scoring import degrade, truths

    (reference,) = truths(name, N_FRAMES).values()
    return reference, degrade(reference, noise_parts(level), seed)


def _scores(result: Any, reference: Any) -> dict[str, Any]:
    from benchmarks.harness.scoring import figures

    scores = figures(result, reference)
    return {figure: scores[figure] for figure in FIGURES}


def _facts(name: str, level: str, seed: int, model: str) -> Row:
    from benchmarks.harness.scoring import identity
    from decrappify import load_model

    named = f"{load_model(model).name} ({identity(model)})"
    return {"file": _short(name), "level": level, "seed": seed, "model": named}


def _short(name: str) -> str:
    return name.rpartition("/")[2].partition(".")[0]


def section(rows: list[Row]) -> str:
    """Format one line per movie, level and seed, and the means."""
    bounds = {(row["file"], row["level"]): _gain(row, "clean") for row in rows if "clean" in row}
    adapted = [row for row in rows if "adapted" in row]
    lines = [
        [row["file"], row["level"], row["seed"], row["gaussian"], row["shipped"]["psnr"], row["adapted"]["psnr"]]
        + [_gain(row, "adapted"), bounds.get((row["file"], row["level"]))]
        + [100 * row[method]["flicker_floor"] for method in ("shipped", "adapted")]
        + [row[method]["tdr"] for method in ("shipped", "adapted")]
        + [None if row["gain_error"] is None else 100 * row["gain_error"]]
        + [row["kept"], row["share"], row["adapt_cpu_seconds"]]
        for row in adapted
    ]
    head = ["movie", "level", "seed", "best Gaussian", "shipped", "adapted", "gain", "gain with clean frames"]
    head += ["flicker, shipped", "flicker, adapted", "TDR, shipped", "TDR, adapted", "error of gain, %"]
    head += ["kept", "share", "CPU s"]
    gains = [_gain(row, "adapted") for row in adapted]
    flicker = [row["adapted"]["flicker_floor"] / row["shipped"]["flicker_floor"] - 1 for row in adapted]
    return (
        "## Adaptation to held-out movies\n\nPSNR in dB against the reference; flicker in % of the range. Gain: over "
        f"the shipped model, {adapted[0]['model']}. Mean gain {sum(gains) / len(gains):.2f} dB, lowest "
        f"{min(gains):.2f} dB; flicker changes by {100 * sum(flicker) / len(flicker):.0f} % on average, at most "
        f"{100 * max(flicker):+.0f} %. Share: of the adapted weights in the interpolation with the given ones. Clean "
        "frames: seed 1.\n\n" + table(head, lines)
    )


def _gain(row: Row, method: str) -> float:
    return float(row[method]["psnr"] - row["shipped"]["psnr"])


def main() -> None:
    """Run the missing rows and write the section."""
    options = parser(__doc__)
    options.add_argument("--model", default="fluorescence-movie", help="name or file of the given model")
    options.add_argument("--steps", type=int, default=2400, help="steps of each adaptation")
    args = options.parse_args()
    import torch

    from benchmarks.harness.scoring import identity

    torch.set_num_threads(args.threads)
    settings = {"model": identity(args.model), "steps": args.steps}
    cases = [(name, level) for level in NOISE for name in corpus.TEST_MOVIES]
    jobs = {
        f"{_short(name)}, {level}, seed {seed}": Job(
            settings | {"name": name, "level": level, "seed": seed},
            partial(measure, name, level, seed, args.model, args.steps),
        )
        for seed in SEEDS
        for name, level in cases
    } | {
        f"{_short(name)}, {level}, clean frames": Job(
            settings | {"name": name, "level": level},
            partial(measure_bound, name, level, args.model, args.steps),
        )
        for name, level in cases
    }
    Benchmark("adaptation", args, options).run(jobs, section)


if __name__ == "__main__":
    main()
