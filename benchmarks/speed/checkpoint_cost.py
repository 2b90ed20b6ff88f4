"""Time and size of a training checkpoint: the basis of the default of `checkpoint_minutes`.

    python benchmarks/speed/checkpoint_cost.py

The tensors are those that a run saves: weights, both moments of AdamW, the running average and the best weights (not
the last two for the DeOldify generator, whose NoGAN run has a critic with its moments instead). Time includes fsync.
"""

from __future__ import annotations

import math
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[2]))  # the root of the repository

from benchmarks.harness.results import Benchmark, Job, Row, parser, table
from decrappify import TrainingConfig
from decrappify.networks import create
from decrappify.training import NoganConfig
from decrappify.training.engine.checkpoint import save_checkpoint

_BETWEEN_KILLS_S = 86_400

NETWORKS: dict[str, dict[str, int]] = {"small": {"small": 5}, "base": {"base": 5}, "large": {"large": 5}}
NETWORKS["deoldify-artistic and critic"] = {"deoldify-artistic": 3, "deoldify-critic": 3}


def measure(copies: dict[str, int], rounds: int) -> Row:
    """Save a number of copies of the weights of each network, repeatedly."""
    state: dict[str, Any] = {}
    for name, count in copies.items():
        weights = create(name).state_dict()
        state |= {f"{name} {i}": {key: value.clone() for key, value in weights.items()} for i in range(count)}
    seconds = []
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        path = Path(folder) / "checkpoint.pt"
        for _ in range(rounds):
            started = time.perf_counter()
            save_checkpoint(path, state)
            seconds.append(time.perf_counter() - started)
        size = path.stat().st_size
    return {"mb": size / 1e6, "median_s": statistics.median(seconds), "worst_s": max(seconds)}


def section(rows: list[Row]) -> str:
    """Format the table."""
    header = ["networks", "MB", "median, s", "worst, s", "checkpoint_minutes", "cost, %", "best interval, minutes"]
    lines = []
    for row in rows:
        config = NoganConfig() if "critic" in row["key"] else TrainingConfig()
        minutes, seconds = config.checkpoint_minutes, row["median_s"]
        best = math.sqrt(2 * seconds * _BETWEEN_KILLS_S) / 60
        lines.append([row["key"], row["mb"], seconds, row["worst_s"], minutes, 100 * seconds / (60 * minutes), best])
    return (
        "## Cost of a checkpoint\n\n"
        "`checkpoint_minutes`: its default. Cost: share of the time spent on checkpoints. Best interval: the one that "
        "minimizes the time lost to checkpoints and kills, sqrt(2 · cost · time between kills) (Young 1974), for one "
        "kill a day.\n\n"
    ) + table(header, lines, (0, 0, 2, 2, 0, 2, 0))


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--rounds", type=int, default=5, help="checkpoints of each network")
    args = options.parse_args()
    torch.set_num_threads(args.threads)
    jobs = {
        name: Job({"copies": copies, "rounds": args.rounds}, partial(measure, copies, args.rounds))
        for name, copies in NETWORKS.items()
    }
    Benchmark("checkpoint_cost", args, options).run(jobs, section)


if __name__ == "__main__":
    main()
