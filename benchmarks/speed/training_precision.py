"""Held-out PSNR of short training runs in float32 and bfloat16; rows and table of training_speed.py."""

from __future__ import annotations

import statistics
import time
from typing import Any

import torch

from benchmarks.harness.results import Row, table

PRECISIONS = ("float32", "bfloat16")


def measure_curves(films: list[Any], crappifier: str, seeds: int, steps: int) -> Row:
    """Train with both precisions alternately, from the same weights and on the same data for each seed."""
    from decrappify import DataOptions, TrainingConfig
    from decrappify.networks import create
    from decrappify.training.data.training_data import Split, read_training_data
    from decrappify.training.supervised.run import run_training

    runs: list[Row] = []
    for seed in range(seeds):
        run: Row = {"seed": seed}
        for precision in PRECISIONS:
            config = TrainingConfig(
                max_steps=steps, validate_every=steps // 4, device="cpu", precision=precision, seed=seed
            )
            split = Split(n_frames=config.n_frames, options=DataOptions(validation=films[-1:]))
            data = read_training_data(films[:-1], crappifier, None, split)
            torch.manual_seed(seed)
            network = create(config.network, n_frames=config.n_frames)
            training = data.training(config.patch_size, steps * config.batch_size, seed)
            started = time.process_time()
            result = run_training(network, training, data.held_out(64, 0, config.patch_size), config)
            run[precision] = {"curve": result.curve, "cpu_s": time.process_time() - started}
        runs.append(run)
    return {"kind": "curves", "seeds": seeds, "steps": steps, "runs": runs}


def curves_table(row: Row) -> str:
    """Format the curves, and compare the difference of the precisions with that of the seeds."""
    steps = [step for step, _ in row["runs"][0]["float32"]["curve"]]
    header = ["seed", "precision", *(f"step {step}, dB" for step in steps), "CPU s"]
    lines = [
        [str(run["seed"]), precision, *(psnr for _, psnr in run[precision]["curve"]), run[precision]["cpu_s"]]
        for run in row["runs"]
        for precision in PRECISIONS
    ]
    last = {precision: [run[precision]["curve"][-1][1] for run in row["runs"]] for precision in PRECISIONS}
    change = [after - before for before, after in zip(*last.values(), strict=True)]
    apart = max(last["float32"]) - min(last["float32"])
    taken = [run["float32"]["cpu_s"] / run["bfloat16"]["cpu_s"] for run in row["runs"]]
    return table(header, lines, (0, 0, *[2] * len(steps), 0)) + (
        "\n\nPSNR of the averaged weights on 32 held-out patches. After the last step bfloat16 changes it by "
        f"{statistics.mean(change):+.3f} dB (mean; {min(change):+.3f} to {max(change):+.3f}); seeds in float32 differ "
        f"by {apart:.3f} dB. Complete runs, validation included: {statistics.median(taken):.2f} times as fast."
    )
