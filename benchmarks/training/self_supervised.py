"""Movies without clean data: `adapt` against Noise2Void of CAREamics, both trained on the noisy movie itself.

The noisy movies are those of adaptation.py (seed 1, its first 40 frames). Noise2Void starts from random weights, as it
has no trained model to start from, and is trained on all frames for --minutes of CPU time on one thread, then restores
them frame by frame. The results of `adapt` (about 5 minutes of CPU time) and of the shipped model are those of
adaptation.py.

    python benchmarks/training/self_supervised.py --runs FOLDER --environments FOLDER    # 6 rows of 11 minutes
"""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

sys.path.insert(0, str(Path(__file__).parents[2]))  # the root of the repository

from benchmarks.harness import corpus
from benchmarks.harness.results import BENCHMARKS, Benchmark, Job, Row, parser, table
from benchmarks.peers.client import Worker
from benchmarks.peers.methods import add_environments
from benchmarks.training.adaptation import FIGURES, N_FRAMES, noise_parts

SEED = 1
LEVELS = ("10 photons", "3 photons")
ADAPTED = BENCHMARKS / "results" / "adaptation.json"


def measure(name: str, level: str, args: argparse.Namespace) -> Row:
    """Train Noise2Void on one noisy movie, restore it, and score the result."""
    from benchmarks.harness.scoring import degrade, figures, truths

    file = name.rpartition("/")[2].partition(".")[0]
    home = args.runs / f"{file}_{level.replace(' ', '_')}"
    noisy, restored = home / "noisy" / f"{file}.tif", home / "restored.tif"
    (reference,) = truths(name, N_FRAMES).values()
    noisy.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(noisy, degrade(reference, noise_parts(level), SEED), metadata={"axes": "TYX"})
    model = home / f"model-{len(list(home.glob('model-*')))}"
    with Worker("careamics", environments=args.environments, log=home / "log.txt") as worker:
        trained = worker.ask(
            "train", low=noisy.parent, high=None, model=model, cpu_seconds=60 * args.minutes, seed=SEED
        )
        worker.ask("load", model=model)
        worker.ask("restore", source=noisy, output=restored)
    scores = figures(np.asarray(tifffile.imread(restored)), reference)
    return {"file": file, "level": level} | trained | {figure: scores[figure] for figure in FIGURES}


def section(rows: list[Row]) -> str:
    """Format one line per movie and level."""
    head = ["movie", "level", "best Gaussian", "Noise2Void", "shipped", "adapted", "flicker, Noise2Void"]
    head += ["flicker, adapted", "CPU s, Noise2Void", "CPU s, adapt"]
    lines = []
    for row in rows:
        own = adapted(row)
        ours, given = own["adapted"], own["shipped"]
        flicker = (100 * row["flicker_floor"], 100 * ours["flicker_floor"])
        levels = (own["gaussian"], row["psnr"], given["psnr"], ours["psnr"])
        lines.append([row["file"], row["level"], *levels, *flicker, row["cpu_seconds"], own["adapt_cpu_seconds"]])
    lead = [adapted(row)["adapted"]["psnr"] - row["psnr"] for row in rows]
    return (
        "## Movies without clean data\n\nPSNR in dB against the reference; flicker in % of the range. "
        f"`adapt` over Noise2Void: {min(lead):.1f} to {max(lead):.1f} dB (mean {sum(lead) / len(lead):.1f} dB). "
        f"{rows[0]['settings']}; {rows[0]['versions']}.\n\n" + table(head, lines, (0, 0, 2, 2, 2, 2, 2, 2, 0, 0))
    )


def adapted(row: Row) -> dict[str, Any]:
    """Return the row of adaptation.py on the same noisy movie."""
    rows: dict[str, Any] = json.loads(ADAPTED.read_text())
    found: dict[str, Any] = rows[f"{row['file']}, {row['level']}, seed {SEED}"]["row"]
    return found


def main() -> None:
    """Run the missing rows and write the section."""
    options = parser(__doc__)
    options.add_argument("--minutes", type=float, default=10.0, help="CPU minutes of training for each movie")
    options.add_argument("--runs", type=Path, default=Path("runs/self_supervised"), help="folder of movies and models")
    add_environments(options)
    args = options.parse_args()
    jobs = {
        f"{name.rpartition('/')[2].partition('.')[0]}, {level}": Job(
            {"name": name, "level": level, "minutes": args.minutes, "seed": SEED}, partial(measure, name, level, args)
        )
        for level in LEVELS
        for name in corpus.TEST_MOVIES
    }
    Benchmark("self_supervised", args, options).run(jobs, section)


if __name__ == "__main__":
    main()
