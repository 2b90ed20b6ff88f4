"""Benefit and cost of the stability loss, over its weight w.

Trains a small 3-frame network for w in 0, 0.25, 0.5, 1, 2 with 3 seeds each, all with equal steps, and scores it on
excluded frames of the training movies and on a simulated movie of a held-out seed (the test movies are not used to
choose w). The noise-draw difference is measured between two noise draws of each movie.

    python benchmarks/training/stability_weight.py              # 15 rows of 2 to 4 minutes on one core: 45 minutes
    python benchmarks/training/stability_weight.py --only "w 0 seed 0" --only "w 1 seed 0"
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the root of the repository

from benchmarks.harness import corpus
from benchmarks.harness.results import Benchmark, Job, Row, parser, table

WEIGHTS = (0.0, 0.25, 0.5, 1.0, 2.0)
SEEDS = (0, 1, 2)
LEVEL = "10 photons"
DRAWS = (21, 22)
NETWORK = {"depth": 2, "growth": 1.5, "blocks": 1, "stem": 2}
# Name and title of the metrics in addition to PSNR.
SCORES = (("flicker_floor", "FR, % of range"), ("draw", "draw difference, % of range"), ("tde", "TDE"), ("tdr", "TDR"))


@cache
def movies() -> tuple[list[Any], list[Any], dict[str, Any]]:
    """Return training and validation movies, and test references (T, Y, X) by name."""
    import numpy as np

    from decrappify.samples import simulate

    films = {name: corpus.load(name) for name in corpus.TRAIN_MOVIES}
    stills = [corpus.load(name) for name in corpus.TRAIN_STILLS]
    simulated = [
        simulate("cell", n_frames=24, size=(192, 192), speed_px=speed, seed=4000 + index).truth
        for index, speed in enumerate((0.2, 0.7, 1.5))
    ]
    truths = {name.rpartition("/")[2].partition(".")[0]: film[-10:] for name, film in films.items()}
    truths["simulated cell, 0.5 px/frame"] = simulate(
        "cell", n_frames=10, size=(160, 160), speed_px=0.5, seed=4100
    ).truth
    arrays = {name: np.asarray(movie)[:, 0, 0].astype(np.float32) for name, movie in truths.items()}
    training = [film[:-16] for film in films.values()] + stills[1:] + simulated
    return training, [film[-14:-11] for film in films.values()] + stills[:1], arrays


def measure(weight: float, seed: int, steps: int, base_channels: int) -> Row:
    """Train one network and score it."""
    import numpy as np

    from benchmarks.harness.scoring import LEVELS, degrade, figures, restored
    from decrappify import Crappifier, DataOptions, RunOptions, TrainingConfig, train
    from decrappify.crappify import Gaussian, Poisson
    from decrappify.metrics.temporal.stability import noise_draw_flicker

    training, validation, truths = movies()
    curve: list[tuple[int, float, float]] = []
    model = train(
        training,
        Crappifier((Poisson(photons=(3.0, 300.0)), Gaussian(sigma=(0.0, 0.1)))),
        data=DataOptions(validation=validation),
        config=TrainingConfig(
            network="residual-unet",
            max_steps=steps,
            learning_rate=2e-3,
            loss="charbonnier",
            stability_weight=weight,
            validate_every=max(1, steps // 4),
            seed=seed,
            device="cpu",
            network_settings=NETWORK | {"base_channels": base_channels},
        ),
        run=RunOptions(
            on_validation=lambda step, score: curve.append((step, round(score.psnr, 3), round(score.noise_draw, 5)))
        ),
    )
    scores = {}
    for name, truth in truths.items():
        draws = [restored(degrade(truth, LEVELS[LEVEL], draw), model) for draw in DRAWS]
        scores[name] = figures(draws[0], truth) | {"draw": noise_draw_flicker(*draws, data_range=float(np.ptp(truth)))}
    return {"w": weight, "net_seed": seed, "curve": curve, "scores": scores}


def section(rows: list[Row]) -> str:
    """Format mean and spread over seeds, and the change from w = 0."""
    weights = [weight for weight in WEIGHTS if any(row["w"] == weight for row in rows)]
    seeds = sorted({row["net_seed"] for row in rows})
    names = list(rows[0]["scores"])
    groups = {"mean of all movies": names} | {name: [name] for name in names}
    curves = "; ".join(
        f"w {row['w']:g}: " + " → ".join(f"{psnr:.2f}" for _, psnr, _ in row["curve"])
        for row in rows
        if row["net_seed"] == 0
    )
    parts = [
        "## Weight of the stability loss\n\n"
        f"Seeds {', '.join(map(str, seeds))}; mean ± standard deviation over seeds, and the change of the mean "
        f"from w = 0. Noise level: {LEVEL}. FR: flicker floor on static pixels. Draw difference: RMS difference "
        f"of the restorations of two noise draws / √2. Validation PSNR along training, seed 0: {curves} dB."
    ]
    for title, members in groups.items():
        lines = [_line(rows, weight, members) for weight in weights]
        parts.append(f"{title}\n\n" + table(["w", "PSNR", *(name for _, name in SCORES)], lines))
    return "\n\n".join(parts)


def _line(rows: Sequence[Row], weight: float, members: Sequence[str]) -> list[str]:
    cells = [f"{weight:g}", _cell(rows, weight, _score("psnr", members), 2, relative=False)]
    for figure, _ in SCORES:
        percent = figure in ("flicker_floor", "draw")
        cells.append(_cell(rows, weight, _score(figure, members, 100 if percent else 1), 3, relative=True))
    return cells


def _score(figure: str, members: Sequence[str], factor: float = 1) -> Callable[[Row], float]:
    return lambda row: factor * sum(row["scores"][name][figure] for name in members) / len(members)


def _cell(rows: Sequence[Row], weight: float, score: Callable[[Row], float], digits: int, *, relative: bool) -> str:
    values = {row["net_seed"]: score(row) for row in rows if row["w"] == weight}
    zero = {row["net_seed"]: score(row) for row in rows if row["w"] == 0 and row["net_seed"] in values}
    mean = sum(values.values()) / len(values)
    text = f"{mean:.{digits}f}"
    if len(values) > 1:
        text += f" ± {math.sqrt(sum((v - mean) ** 2 for v in values.values()) / (len(values) - 1)):.{digits}f}"
    if len(zero) < len(values) or weight == 0:
        return text
    before = sum(zero.values()) / len(zero)
    return f"{text} ({100 * (mean / before - 1):+.1f} %)" if relative else f"{text} ({mean - before:+.{digits}f})"


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--steps", type=int, default=3000, help="training steps of every row")
    options.add_argument("--base-channels", type=int, default=16, help="width of the network")
    args = options.parse_args()
    import torch

    torch.set_num_threads(args.threads)
    jobs = {
        f"w {weight:g} seed {seed}": Job(
            {"steps": args.steps, "base_channels": args.base_channels},
            partial(measure, weight, seed, args.steps, args.base_channels),
        )
        for seed in SEEDS
        for weight in WEIGHTS
    }
    Benchmark("stability_weight", args, options).run(jobs, section)


if __name__ == "__main__":
    main()
