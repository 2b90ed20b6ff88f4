"""Validation PSNR of networks, losses and learning rates after equal CPU time.

Every candidate is trained for the same CPU seconds on one thread (steps = seconds / measured seconds per step, since
the learning-rate schedule needs the number of steps), with 3 frames, one crappifier of mixed noise levels, a stability
weight of 0.5 and the training corpus. The score is the best validation PSNR on frames and stills of the training corpus
that are excluded from training; test files are not used.

    # 10 rows of 200 CPU seconds: 35 minutes on one core
    python benchmarks/training/network_choice.py
    python benchmarks/training/network_choice.py --only "C48d2s2b1 charbonnier 0.001"
"""

from __future__ import annotations

import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the root of the repository

from benchmarks.harness import corpus
from benchmarks.harness.results import Benchmark, Job, Row, environment, parser, table

N_FRAMES, BATCH = 3, 8
# CPU seconds of a step without the network's passes, on one core: creating the tuples, and the optimizer.
SECONDS_BESIDE = 0.025
NETWORKS: dict[str, dict[str, Any]] = {
    "A32d2s1b1": {"base_channels": 32, "depth": 2, "growth": 2.0, "blocks": 1, "stem": 1},
    "C48d2s2b1": {"base_channels": 48, "depth": 2, "growth": 1.5, "blocks": 1, "stem": 2},
    "D64d2s2b1": {"base_channels": 64, "depth": 2, "growth": 1.5, "blocks": 1, "stem": 2},
    "H32d3s2b1": {"base_channels": 32, "depth": 3, "growth": 1.5, "blocks": 1, "stem": 2},
    "Cbias": {"base_channels": 48, "depth": 2, "growth": 1.5, "blocks": 1, "stem": 2, "bias": True},
}
CANDIDATES = (
    *((name, "charbonnier", 1e-3) for name in NETWORKS),
    ("C48d2s2b1", "charbonnier", 2e-3),
    ("C48d2s2b1", "charbonnier", 4e-3),
    ("C48d2s2b1", "rmse", 2e-3),
    ("C48d2s2b1", "l2", 2e-3),
    ("H32d3s2b1", "charbonnier", 3e-3),
)
IMPORTED = "rows of a first run of the same code were taken over"
# Stills of the training corpus that are used for validation only.
ASIDE = ("highres/dsb_nuclei_img2d.tif", "highres/ssi_vesicules924x924.png", "highres/hela_cells_rgb16.tif")


def movies() -> tuple[list[Any], list[Any]]:
    """Return training and validation movies.

    The last 6 frames of each movie validate; 2 frames before them are excluded.
    """
    films = [corpus.load(name) for name in corpus.TRAIN_MOVIES]
    stills = [corpus.load(name) for name in corpus.TRAIN_STILLS if name not in ASIDE]
    return [film[:-8] for film in films] + stills, [film[-6:] for film in films] + [corpus.load(name) for name in ASIDE]


def gflop_per_megapixel(name: str) -> float:
    """Count the floating-point operations of one forward pass, in units of 1e9 for a million pixels."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from decrappify.networks import create

    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        create("residual-unet", n_frames=N_FRAMES, **NETWORKS[name])(torch.zeros(1, N_FRAMES, 128, 128))
    return counter.get_total_flops() / 128**2 / 1e3


def seconds_per_step(name: str, patch_size: int = 64) -> float:
    """Measure the CPU seconds of one step: forward and backward pass of X1 and X2, and the remaining work."""
    import torch

    from decrappify.networks import create

    source = torch.randn(2 * BATCH, N_FRAMES, patch_size, patch_size)
    network = create("residual-unet", n_frames=N_FRAMES, **NETWORKS[name]).to(memory_format=torch.channels_last)
    network(source).square().mean().backward()
    started = time.process_time()
    for _ in range(3):
        network(source).square().mean().backward()
    return (time.process_time() - started) / 3 + SECONDS_BESIDE


def train(name: str, loss: str, learning_rate: float, cpu_seconds: float) -> Row:
    """Train one candidate from random weights and score it."""
    import torch

    from decrappify.crappify import Crappifier, Gaussian, Poisson
    from decrappify.datasets import TupleDataset
    from decrappify.networks import create
    from decrappify.training import TrainingConfig
    from decrappify.training.supervised.run import run_training

    torch.manual_seed(0)
    network = create("residual-unet", n_frames=N_FRAMES, **NETWORKS[name])
    steps = max(3, int(cpu_seconds / seconds_per_step(name)))
    config = TrainingConfig(
        n_frames=N_FRAMES,
        max_steps=steps,
        batch_size=BATCH,
        learning_rate=learning_rate,
        loss=loss,
        stability_weight=0.5,
        validate_every=max(1, steps // 3),
        device="cpu",
    )
    training, validation = movies()
    degrade = Crappifier((Poisson(photons=(3.0, 300.0)), Gaussian(sigma=(0.0, 0.1))))
    data = TupleDataset(training, degrade, n_frames=N_FRAMES, length=steps * BATCH, seed=0)
    checks = TupleDataset(validation, degrade, n_frames=N_FRAMES, patch_size=96, seed=1, augment=False)
    curve: list[tuple[int, float]] = []
    started = time.process_time()
    result = run_training(
        network, data, checks, config, on_validation=lambda step, score: curve.append((step, round(score.psnr, 2)))
    )
    return {
        "name": name,
        "loss": loss,
        "lr": learning_rate,
        "params": sum(parameter.numel() for parameter in network.parameters()),
        "steps": steps,
        "cpu": round(time.process_time() - started),
        "psnr": round(result.score["psnr"], 3),
        "src": round(result.score["psnr_source"], 2),
        "draw": round(result.score["noise_draw"], 4),
        "log": curve,
    }


def section(rows: list[Row]) -> str:
    """Format the table, best candidate first."""
    lines = []
    source = " to ".join(sorted({f"{row['src']:.2f}" for row in rows}))
    for row in sorted(rows, key=lambda row: -row["psnr"]):
        settings = ", ".join(f"{key} {value}" for key, value in NETWORKS[row["name"]].items())
        curve = " → ".join(f"{psnr:.2f}" for _, psnr in [entry for entry in row["log"] if entry[0]][:3])
        cost = gflop_per_megapixel(row["name"])
        lines.append(
            (
                *(row["name"], settings, row["loss"], f"{row['lr']:g}", row["params"] // 1000, cost, row["steps"]),
                *(row["cpu"], curve, float(row["psnr"]), float(row["draw"])),
            )
        )
    header = (
        "network",
        "settings",
        "loss",
        "peak rate",
        "k params",
        "GFLOP/MP",
        "steps",
        "CPU s",
        "dB at 1/3, 2/3, end",
    )
    return (
        "## Choice of the network: equal CPU seconds\n\n"
        f"Validation PSNR on held-out frames and stills of the training corpus (source: {source} dB), {N_FRAMES} "
        f"frames, batch {BATCH} of 64 × 64, 3 to 300 photons and read noise up to 10 %, w = 0.5, seed 0, one thread. "
        "Draw: RMS "
        "difference of two predictions from two noise draws / √2. Short runs favor small networks: read "
        "the curves as well.\n\n" + table((*header, "best dB", "draw"), lines, (0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 4))
    )


def key_of(name: str, loss: str, learning_rate: float) -> str:
    return f"{name} {loss} {learning_rate:g}"


def import_rows(benchmark: Benchmark, path: Path, jobs: dict[str, Job]) -> None:
    """Import rows that the same code wrote elsewhere, one JSON object per line; rows of other lengths are skipped."""
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        key = key_of(row["name"], row["loss"], row["lr"])
        if key in jobs and row.get("nf", N_FRAMES) == N_FRAMES and row.get("batch", BATCH) == BATCH:
            benchmark.add(
                key, jobs[key].settings, row, environment() | {"command": benchmark.command(), "note": IMPORTED}
            )


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--cpu-seconds", type=float, default=200, help="training time of a row")
    options.add_argument("--import", dest="import_from", type=Path, action="append", default=[], metavar="FILE")
    args = options.parse_args()
    import torch

    torch.set_num_threads(args.threads)
    benchmark = Benchmark("network_choice", args, options)
    jobs = {
        key_of(*candidate): Job(
            {"cpu_seconds": args.cpu_seconds, "loss": candidate[1], "lr": candidate[2], **NETWORKS[candidate[0]]},
            partial(train, *candidate, args.cpu_seconds),
        )
        for candidate in CANDIDATES
    }
    for path in args.import_from:
        import_rows(benchmark, path, jobs)
    benchmark.run(jobs, section)


if __name__ == "__main__":
    main()
