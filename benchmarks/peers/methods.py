"""Methods of the comparison with other programs, and the training of their models."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.harness.results import Row
from benchmarks.peers.client import Worker
from benchmarks.peers.tasks import TASKS, folder_of

# Frames per window, by method; the part before the comma is the program.
DEFAULT_WIDTH = "pssr, default width"
METHODS = {
    "decrappify": 1,
    "decrappify, 3 frames": 3,
    "careamics": 1,
    "pssr": 1,
    "pssr, 3 frames": 3,
    DEFAULT_WIDTH: 1,
}
SETTINGS = {DEFAULT_WIDTH: {"hidden": [64, 128, 256, 512, 1024]}}
LABELS = {
    "input": "input (bicubic)",
    "gaussian": "best Gaussian",
    "nlm": "non-local means",
    "decrappify": "decrappify, 1 frame",
    "decrappify, 3 frames": "decrappify, 3 frames",
    "careamics": "CAREamics (CARE)",
    "pssr": "PSSR2, 1 frame",
    "pssr, 3 frames": "PSSR2, 3 frames",
    DEFAULT_WIDTH: "PSSR2, default width",
}


def run_of(task: str, method: str, seed: int, args: argparse.Namespace) -> Path:
    """Return the folder of one trained model and its restored files."""
    home = folder_of(task, args.runs)
    return home / "methods" / f"{method.replace(', ', '-').replace(' ', '-')}_{args.minutes:g}min_seed{seed}"


def train(method: str, task: str, seed: int, run: Path, args: argparse.Namespace) -> Row:
    """Train in a worker process, then restore the test files into the run folder."""
    home = folder_of(task, args.runs)
    run.mkdir(parents=True, exist_ok=True)
    model = run / f"model-{len(list(run.glob('model-*')))}"
    with Worker(method.partition(",")[0], environments=args.environments, log=run / "log.txt", threads=1) as worker:
        answer = worker.ask(
            "train",
            low=home / "train" / "low",
            high=home / "train" / "high",
            model=model,
            cpu_seconds=60 * args.minutes,
            seed=seed,
            scale=TASKS[task].scale,
            n_frames=METHODS[method],
            **SETTINGS.get(method, {}),
        )
        worker.ask("load", model=model)
        for source in sorted((home / "test" / "low").glob("*.tif")):
            worker.ask("restore", source=source, output=run / source.name)
    return answer


def add_environments(options: argparse.ArgumentParser) -> None:
    """Add the option for the folder of the peers' environments."""
    options.add_argument(
        "--environments", type=Path, default=Path("runs/environments"), help="folder of the peers' environments"
    )
