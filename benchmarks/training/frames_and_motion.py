"""PSNR and temporal error of networks of 1, 3 and 5 frames, against the motion per frame.

Trains networks of 1, 3 and 5 frames with identical settings, and one of 3 frames that starts from a 1-frame network
(half of the steps each), on simulated movies of mixed speeds and the real training movies. Tests them on simulated
movies of held-out seeds at 0, 0.3, 1 and 3 pixels per frame and on the real test movies, at two noise levels.

    # 4 rows of 30 to 40 minutes on one core each; --only shares the rows between two processes
    python benchmarks/training/frames_and_motion.py --steps 8000
    python benchmarks/training/frames_and_motion.py --steps 8000 --only "1 frame"
    python benchmarks/training/frames_and_motion.py --steps 8000 --only "5 frames"

Runs are stored in --runs, and resumed if they were interrupted.
"""

from __future__ import annotations

import sys
from functools import cache, partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the root of the repository

from benchmarks.harness import corpus
from benchmarks.harness.results import Benchmark, Job, Row, parser, table

SPEEDS = (0.0, 0.3, 1.0, 3.0)
TRAINING_SPEEDS = (0.0, 0.15, 0.4, 0.8, 1.2, 1.8, 2.6, 3.5)
KINDS = ("filaments", "vesicles", "nuclei", "cell")
# Seeds of simulated movies, without overlap between training, validation and test.
FIRST_SEEDS = {"train": 1000, "validate": 2000, "test": 3000}
SEED, NOISE_SEED, TEST_FRAMES = 0, 11, 12
NETWORK = {"depth": 2, "growth": 1.5, "blocks": 1, "stem": 2}
VARIANTS = {"1 frame": (1, False), "3 frames": (3, False), "5 frames": (5, False), "3 frames from 1": (3, True)}


@cache
def simulated(role: str) -> dict[tuple[str, float], Any]:
    """Return simulated movies (SimulatedMovie) by kind and speed."""
    from decrappify.samples import simulate

    n_frames, size = (24, (192, 192)) if role == "train" else (TEST_FRAMES, (160, 160))
    made = {"train": _pairs_of(TRAINING_SPEEDS), "validate": [("cell", 0.5), ("vesicles", 2.0)]}
    wanted = made.get(role) or [(kind, speed) for speed in SPEEDS for kind in KINDS]
    return {
        (kind, speed): simulate(kind, n_frames=n_frames, size=size, speed_px=speed, seed=FIRST_SEEDS[role] + index)
        for index, (kind, speed) in enumerate(wanted)
    }


def _pairs_of(speeds: tuple[float, ...]) -> list[tuple[str, float]]:
    """Return every kind at two of the speeds, spread over the range."""
    return [(KINDS[index % len(KINDS)], speed) for index, speed in enumerate(speeds)]


def train(variant: str, args: Any) -> Any:
    """Return the trained model of a variant, from its finished run if present."""
    n_frames, from_one = VARIANTS[variant]
    if not from_one:
        return _run(variant, n_frames, args.steps, args)
    half = args.steps // 2
    return _run(variant, n_frames, args.steps - half, args, start_from=_run("1 frame", 1, half, args))


def _run(name: str, n_frames: int, steps: int, args: Any, start_from: Any = None) -> Any:
    from decrappify import DataOptions, RunOptions, TrainingConfig, load_model, train

    folder = args.runs / f"{name.replace(' ', '-')}_{args.base_channels}_{steps}"
    finished = folder / "model.safetensors"
    if finished.exists() and not args.again:
        return load_model(finished)
    films = [corpus.load(name) for name in corpus.TRAIN_MOVIES]
    return train(
        [sample.truth for sample in simulated("train").values()] + [film[:-8] for film in films],
        "fluorescence-any",
        data=DataOptions(
            validation=[sample.truth for sample in simulated("validate").values()] + [film[-6:] for film in films]
        ),
        config=TrainingConfig(
            network="residual-unet",
            n_frames=n_frames,
            max_steps=steps,
            learning_rate=2e-3,
            stability_weight=0.25,
            validate_every=max(1, steps // 8),
            seed=SEED,
            device="cpu",
            network_settings=NETWORK | {"base_channels": args.base_channels},
        ),
        output=folder,
        run=RunOptions(resume=(folder / "checkpoint.pt").exists() and not args.again, overwrite=args.again),
        start_from=start_from,
    )


def test_truths(n_frames: int) -> dict[str, tuple[str, Any]]:
    """Return test movies by name: the group over which the table averages, and the reference (T, Y, X)."""
    import numpy as np

    from benchmarks.harness.scoring import truths

    found: dict[str, tuple[str, Any]] = {}
    for (kind, speed), sample in simulated("test").items():
        found[f"{kind} {speed:g} px"] = (f"simulated, {speed:g} px/frame", np.asarray(sample.truth)[:, 0, 0])
    for name in corpus.TEST_MOVIES:
        for label, truth in truths(name, n_frames).items():
            found[label] = (label, truth)
    return found


def measure(variant: str, args: Any) -> Row:
    """Train one variant and score it on every test movie and noise level."""
    from benchmarks.harness.scoring import LEVELS, degrade, figures, restored

    model = train(variant, args)
    scores = {}
    for name, (group, truth) in test_truths(args.frames).items():
        for level, steps in LEVELS.items():
            result = restored(degrade(truth, steps, NOISE_SEED), model)
            scores[f"{name}, {level}"] = {"group": group, "level": level, **figures(result, truth)}
    validation = model.card["validation"]
    return {
        "variant": variant,
        "validation_psnr": validation["psnr_db"],
        "best_step": model.card["best_step"],
        "scores": scores,
    }


def section(rows: list[Row]) -> str:
    """Format PSNR and TDE of every variant by group and level."""
    from benchmarks.harness.scoring import LEVELS_IN_WORDS

    header = ["movie", "level", *(row["variant"] for row in rows)]
    gains = [row["variant"] for row in rows if row["variant"] != "1 frame" and rows[0]["variant"] == "1 frame"]
    psnr = []
    for group, level in _cells(rows[0]):
        values = [_mean(row, group, level, "psnr") for row in rows]
        psnr.append([group, level, *values, *(value - values[0] for value in values[1:] if gains)])
    moving = [cell for cell in _cells(rows[0]) if not cell[0].startswith("simulated, 0 px")]
    tde = [[*cell, *(_mean(row, *cell, "tde") for row in rows)] for cell in moving]
    floor = [[*cell, *(100 * _mean(row, *cell, "flicker_floor") for row in rows)] for cell in _cells(rows[0])]
    trained = ", ".join(f"{row['variant']}: {row['validation_psnr']:.2f} dB at step {row['best_step']}" for row in rows)
    return (
        "## Frames in a window against motion\n\n"
        f"Steps, network, seed ({SEED}) and data are equal; 'from 1' uses half of the steps for the 1-frame network "
        f"from which it starts. Simulated movies: mean over {', '.join(KINDS)}, {TEST_FRAMES} frames each, noise-free "
        f"reference. Real movies: the reference contains noise. Levels: {LEVELS_IN_WORDS}. Best validation: "
        f"{trained}.\n\n"
        "PSNR in dB, and the gain over 1 frame\n\n"
        + table(header + [f"{name}: gain" for name in gains], psnr)
        + "\n\nTDE (0: perfect, 1: frozen; not meaningful without motion)\n\n"
        + table(header, tde, 3)
        + "\n\nFlicker floor on static pixels, % of the data range\n\n"
        + table(header, floor, 3)
    )


def _cells(row: Row) -> list[tuple[str, str]]:
    return list(dict.fromkeys((score["group"], score["level"]) for score in row["scores"].values()))


def _mean(row: Row, group: str, level: str, figure: str) -> Any:
    from benchmarks.harness.scoring import mean

    return mean([s[figure] for s in row["scores"].values() if (s["group"], s["level"]) == (group, level)])


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--steps", type=int, default=8000, help="training steps of every variant")
    options.add_argument("--base-channels", type=int, default=48, help="width of the network")
    options.add_argument("--frames", type=int, default=24, help="frames of each real test movie")
    options.add_argument(
        "--runs", type=Path, default=Path("runs/frames_and_motion"), help="folder of the training runs"
    )
    args = options.parse_args()
    import torch

    torch.set_num_threads(args.threads)
    settings = {"steps": args.steps, "base_channels": args.base_channels, "frames": args.frames}
    jobs = {variant: Job(settings, partial(measure, variant, args)) for variant in VARIANTS}
    Benchmark("frames_and_motion", args, options).run(jobs, section)


if __name__ == "__main__":
    main()
