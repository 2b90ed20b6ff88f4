"""Effect of single settings of the training of `fluorescence-still`, each changed alone, after equal steps.

The run file of the shipped model is trained with fewer steps, and again with one setting changed. The score is the gain
over the Gaussian filter with the highest PSNR, in dB, on the validation stills (the test files are not used), for 10,
40 and 100 photons, and for 30 photons with noise that is correlated between neighboring pixels.

    python benchmarks/training/training_choices.py               # 8 rows of 6000 steps: 100 minutes on one core
    python benchmarks/training/training_choices.py --only "stability weight 0.5"
"""

from __future__ import annotations

import sys
import tempfile
import tomllib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the root of the repository

from benchmarks.harness import corpus
from benchmarks.harness.results import Benchmark, Job, Row, parser, table

RUN_FILE = Path(__file__).parents[2] / "src/decrappify/model/shipped/fluorescence-still.toml"
NOISY_TARGETS = ["highres/aics_dna.tif", "highres/zebrafish_membranes_2.tif", "highres/fly_01_pos002_r.tif"]
# Changes of tables of the run file, by name of the row; "high_res +" appends files.
CHANGES: dict[str, dict[str, dict[str, Any]]] = {
    "as shipped": {},
    "stability weight 0.5": {"training": {"stability_weight": 0.5}},
    "loss charbonnier": {"training": {"loss": "charbonnier"}},
    "peak learning rate 1e-3": {"training": {"learning_rate": 1e-3}},
    "network base (5 times the parameters)": {"training": {"network": "base"}},
    "no binned copies": {"data": {"shrink": [1]}},
    "with noisy targets": {"data": {"high_res +": NOISY_TARGETS}},
    "uncorrelated noise only": {"crappifier": {"uncorrelated": True}},
}
SEED = 5  # of the noise


def run_file(changes: dict[str, dict[str, Any]], steps: int) -> dict[str, Any]:
    """Return the tables of the shipped run file with some values changed."""
    tables = tomllib.loads(RUN_FILE.read_text(encoding="utf-8"))
    tables["training"] |= {"max_steps": steps, "validate_every": steps}
    for name, values in changes.items():
        if name == "crappifier":
            tables[name] = uncorrelated(tables[name])
        else:
            tables[name] |= {key: value for key, value in values.items() if not key.endswith(" +")}
            for key in (key for key in values if key.endswith(" +")):
                tables[name][key[:-2]] = [*tables[name][key[:-2]], *values[key]]
    return tables


def uncorrelated(preset: str) -> dict[str, Any]:
    """Return a preset without its parts that draw correlated noise."""
    from dataclasses import replace

    from decrappify import Crappifier, crappifier_preset
    from decrappify.crappify import CorrelatedNoise, OneOf

    crappifier = crappifier_preset(preset)
    steps = tuple(
        replace(step, parts=tuple(part for part in step.parts if not isinstance(part, CorrelatedNoise)))
        if isinstance(step, OneOf)
        else step
        for step in crappifier.steps
    )
    return Crappifier(steps, name=f"{preset}, uncorrelated").to_dict()


def measure(changes: dict[str, dict[str, Any]], steps: int) -> Row:
    """Train one variation and score it."""
    import numpy as np

    from benchmarks.harness.scoring import LEVELS, degrade, restored, truths
    from decrappify._common.files.toml import to_toml
    from decrappify.crappify import CorrelatedNoise, Part, Poisson
    from decrappify.metrics.baselines import best_gaussian
    from decrappify.metrics.fidelity import psnr
    from decrappify.training.config.run_file import train_from_file

    more: dict[str, tuple[Part, ...]] = {
        "100 photons": (Poisson(photons=100.0),),
        "30 photons, correlated": (CorrelatedNoise(photons=30.0, read_noise=1.0, sigma=0.7),),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.toml"
        path.write_text(to_toml(run_file(changes, steps)), encoding="utf-8")
        model, _ = train_from_file(path)
    gains: dict[str, list[float]] = {}
    for name in corpus.VALIDATION_STILLS:
        for truth in truths(name, 1, side=512).values():
            for level, parts in (LEVELS | more).items():
                source = degrade(truth, parts, SEED)
                ours = psnr(restored(source, model), truth, data_range=float(np.ptp(truth)))
                gains.setdefault(level, []).append(ours - best_gaussian(source, truth).psnr)
    return {
        "gains": {level: float(np.mean(values)) for level, values in gains.items()},
        "n_parameters": model.n_parameters,
        "steps": steps,
    }


def section(rows: Sequence[Row]) -> str:
    """Format the table."""
    levels = list(rows[0]["gains"])
    lines = [
        [row["key"], row["n_parameters"] // 1000, *(row["gains"][level] for level in levels), round(row["cpu_seconds"])]
        for row in rows
    ]
    return (
        "## Settings of the training of `fluorescence-still`\n\n"
        f"Each row is the run file of the shipped model with {rows[0]['steps']} steps and one setting changed; one run "
        "each, seed of the run file. Gain over the Gaussian filter with the highest PSNR in dB, mean over the central "
        f"512 x 512 pixels of the {len(corpus.VALIDATION_STILLS)} validation stills, noise seed {SEED}. One run per "
        "setting: differences below about 0.1 dB are not significant.\n\n"
        + table(["setting", "k params", *levels, "CPU s"], lines)
    )


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--steps", type=int, default=6000, help="training steps of each row")
    args = options.parse_args()
    import torch

    torch.set_num_threads(args.threads)
    benchmark = Benchmark("training_choices", args, options)
    jobs = {
        name: Job({"steps": args.steps, "changes": changes}, partial(measure, changes, args.steps))
        for name, changes in CHANGES.items()
    }
    benchmark.run(jobs, section)


if __name__ == "__main__":
    main()
