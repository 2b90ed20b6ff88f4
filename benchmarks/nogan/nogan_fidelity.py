"""Interpolation between the weights before and after a GAN phase (fidelity 1 to 0), on real images.

Two short NoGAN runs with a small generator: a time-lapse of nuclei (three frames), split in time into training,
validation and test frames, and a still of actin, split in space. The test part is degraded twice with independent noise
and restored at five fidelities. "Noise dependence" is the mean square difference of the two restorations, relative to
fidelity 1; KID is that of the run's monitors on its validation patches.

    python benchmarks/nogan/nogan_fidelity.py                      # two rows of about 2 minutes on one idle core
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))  # the root of the repository

from benchmarks.harness.panels import save_panel
from benchmarks.harness.results import Benchmark, Job, Row, parser, table
from benchmarks.nogan.nogan_inflection import material as stills
from benchmarks.nogan.nogan_microscopy import material as movies

FIDELITIES = (1.0, 0.75, 0.5, 0.25, 0.0)
FIGURES = {"psnr": "PSNR (dB)", "ssim": "SSIM", "flicker_floor": "flicker floor", "tdr": "TDR"}
SCHEDULE: dict[str, Any] = {
    "items": 3000,
    "validation_patches": 48,
    "generator_settings": {"base_channels": 16, "depth": 2, "growth": 1.5, "blocks": 1, "stem": 1},
    "generator": "residual-unet",
    "pretrain": [{"size": 64, "batch_size": 8, "share": 0.5, "learning_rate": 2e-3}],
    "ema_decay": 0.98,
    "weight_decay": 1e-4,
    "critic_steps": [{"size": 64, "batch_size": 16, "epochs": 4, "learning_rate": 5e-4, "accuracy": 0.85}],
    "gan": {
        "size": 64,
        "batch_size": 8,
        "share": 0.3,
        "learning_rate": 2e-4,
        "critic_factor": 2.5,
        "adversarial_weight": 0.05,
        "content_weight": 1.0,
    },
    "checkpoint_share": 0.015,
    "device": "cpu",
}
N_FRAMES = {"nuclei, 3 frames": 3, "actin": 1}


def material(name: str) -> tuple[Any, Any, Any, Any]:
    """Return training, validation and test data and the crappifier of a run."""
    from decrappify import Movie

    if name != "actin":
        return movies(name)
    train, kept, crappifier, tests = stills(name)
    return train, kept, Movie.from_array(np.stack(tests), name=name), crappifier


def measure(name: str, folder: Path, runs: Path | None) -> Row:
    """Run a schedule, and score the test part at each fidelity."""
    from decrappify import load_model, restore
    from decrappify.crappify import crappify_movie
    from decrappify.metrics.scorecard import score_movie
    from decrappify.restoration import RestorationOptions
    from decrappify.training import DataOptions, NoganConfig, train_nogan

    train, kept, test, crappifier = material(name)
    config = NoganConfig.from_dict(SCHEDULE | {"n_frames": N_FRAMES[name]})
    slug = name.split(",")[0]
    row: Row = {"data": name, "slug": slug, "scores": {}}
    with tempfile.TemporaryDirectory() as scratch:
        run = (runs or Path(scratch)) / f"fidelity_{slug}"
        if not (run / "model.safetensors").exists():  # otherwise the finished run is only scored again
            train_nogan(train, crappifier, data=DataOptions(validation=kept), config=config, output=run)
        model = load_model(run / "model.safetensors")
        row |= {key: model.card.get(key) for key in ("verdict", "validation", "fidelity_path")}
        if model.fidelity is None:
            return row
        shutil.copy(run / "fidelity.png", folder / f"nogan_fidelity_{slug}_monitors.png")
        sources = [crappify_movie(test, crappifier, seed=seed) for seed in (5, 6)]
        shown = {"source": np.asarray(sources[0].frame(len(test) // 2))}
        for fidelity in FIDELITIES:
            options = RestorationOptions(fidelity=fidelity)
            first, second = (restore(source, model, options=options) for source in sources)
            square = float(np.square(np.asarray(first, np.float64) - np.asarray(second, np.float64)).mean())
            card = score_movie(first, test).to_dict()
            row["scores"][f"{fidelity:g}"] = _figures(card, name) | {"noise": square}
            shown[f"{fidelity:g}"] = np.asarray(first.frame(len(test) // 2))
        shown["reference"] = np.asarray(test.frame(len(test) // 2))
        row["panel"] = save_panel(folder / f"nogan_fidelity_{slug}.png", shown, detail=96)
    return row


def _figures(card: Mapping[str, Any], name: str) -> Row:
    """Return the scores of a result; stills have no stability in time."""
    names = list(FIGURES) if N_FRAMES[name] > 1 else ["psnr", "ssim"]
    return {key: card[key] for key in names if card.get(key) is not None}


def section(rows: list[Row]) -> str:
    """Format tables, plots and images."""
    parts = ["## From the GAN phase to the pretrained weights: fidelity"]
    for row in rows:
        parts.append(f"**{row['data']}.** Verdict: {row['verdict']}.")
        if not row["scores"]:
            continue
        figures = [key for key in FIGURES if key in row["scores"]["1"]]
        start = row["scores"]["1"]["noise"]
        monitors = {f"{entry['fidelity']:g}": entry for entry in row["fidelity_path"]}
        lines = [
            [key, *(score[figure] for figure in figures), score["noise"] / start, monitors[key]["kid"]]
            for key, score in row["scores"].items()
        ]
        header = ["fidelity", *(FIGURES[figure] for figure in figures), "noise dependence", "KID (validation)"]
        parts += [table(header, lines, precision=3), row["panel"]]
        parts.append(f"![monitors](results/nogan_fidelity_{row['slug']}_monitors.png)")
    return "\n\n".join(parts)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--runs", type=Path, help="folder of the runs; finished runs are only scored")
    args = options.parse_args()
    import torch

    torch.set_num_threads(args.threads)
    bench = Benchmark("nogan_fidelity", args, options)
    jobs = {
        name: Job({"data": name, "schedule": SCHEDULE}, partial(measure, name, bench.folder, args.runs))
        for name in N_FRAMES
    }
    bench.run(jobs, section)


if __name__ == "__main__":
    main()
