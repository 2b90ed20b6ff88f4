"""Gain from fine-tuning on the same kind of movie: an upper bound for the held-out table.

The shipped movie model is fine-tuned for a few minutes on the first frames of each test movie (as a laboratory would
with its own clean movies) and tested on the last frames, with a gap between them. The gain shows which part of the
remaining error on a held-out movie is due to the training data.

    python benchmarks/training/in_domain.py                # 3 rows of about 4 minutes on one core
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the root of the repository

from benchmarks.harness import corpus
from benchmarks.harness.results import Benchmark, Job, Row, parser, table

KEPT, GAP = 12, 2
SEEDS = {"10 photons": 1, "40 photons": 2}


def measure(name: str, model: str, steps: int) -> Row:
    """Fine-tune on the first frames and test on the last frames."""
    import numpy as np

    from benchmarks.harness.scoring import LEVELS, degrade, figures, identity, restored
    from decrappify import DataOptions, TrainingConfig, load_model, train
    from decrappify.metrics.baselines import best_gaussian

    movie = corpus.load(name)
    tuned = train(
        movie[: -KEPT - GAP],
        "fluorescence-any",
        data=DataOptions(validation=movie[: -KEPT - GAP]),
        start_from=model,
        config=TrainingConfig(
            max_steps=steps,
            learning_rate=1e-3,
            stability_weight=0.25,
            keep="last",
            validate_every=steps,
            seed=0,
            device="cpu",
        ),
    )
    truth = np.asarray(movie[-KEPT:])[:, 0, 0].astype(np.float32)
    row: Row = {"file": movie.name, "model": f"{load_model(model).name} ({identity(model)})", "levels": {}}
    for level, seed in SEEDS.items():
        source = degrade(truth, LEVELS[level], seed)
        row["levels"][level] = {
            "gaussian": best_gaussian(source, truth).psnr,
            "shipped": figures(restored(source, model), truth)["psnr"],
            "tuned": figures(restored(source, tuned), truth)["psnr"],
        }
    return row


def section(rows: list[Row]) -> str:
    """Format one line per movie and level."""
    lines = [
        (row["file"], level, *scores.values(), scores["tuned"] - scores["gaussian"])
        for row in rows
        for level, scores in row["levels"].items()
    ]
    header = ("file", "level", "best Gaussian", "shipped model", "fine-tuned", "gain")
    return (
        f"## Held-out movies after training on the same kind of movie\n\nThe last {KEPT} frames of each test movie, "
        f"PSNR in dB relative to their range. Fine-tuned: {rows[0]['model']} after further training on the other "
        f"frames of the movie (with a gap of {GAP} frames). Gain: fine-tuned model over the best Gaussian.\n\n"
        + table(header, lines)
    )


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--steps", type=int, default=800, help="further training steps")
    options.add_argument("--movie", default="fluorescence-movie", help="model to start from")
    args = options.parse_args()
    import torch

    torch.set_num_threads(args.threads)
    from benchmarks.harness.scoring import identity

    settings: dict[str, Any] = {"steps": args.steps, "movie": identity(args.movie), "seeds": SEEDS}
    jobs = {
        name.rpartition("/")[2]: Job(settings, partial(measure, name, args.movie, args.steps))
        for name in corpus.TEST_MOVIES
    }
    Benchmark("in_domain", args, options).run(jobs, section)


if __name__ == "__main__":
    main()
