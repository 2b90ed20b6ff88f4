"""Effect of the GAN phase of the "microscopy" preset on real images, and the checkpoint chosen by the detector.

Two runs of the unchanged preset, stopped by the detector: stills of an electron micrograph (one frame), and a
time-lapse of nuclei (three frames, stability loss). Both are split in space or time into training, validation and test
parts. The test part is scored before the GAN phase, at the chosen checkpoint and at the last one.

    python benchmarks/nogan/nogan_microscopy.py                    # two rows of about 10 minutes on one core
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

from benchmarks.harness import corpus
from benchmarks.harness.panels import save_panel
from benchmarks.harness.results import Benchmark, Job, Row, parser, table

FIGURES = {
    "psnr": "PSNR (dB)",
    "ssim": "SSIM",
    "flicker_floor": "flicker floor",
    "tde": "TDE",
    "tdr": "TDR",
}
DATA = {
    "electron micrograph": "highres/ssi_fibsem1910x1910.png",
    "nuclei, 3 frames": "movies/mitocheck_h2b_30f.tif",
}


def material(name: str) -> tuple[Any, Any, Any, Any]:
    """Return training, validation and test movies and the crappifier of a run."""
    from decrappify import Crappifier, Movie
    from decrappify.crappify import Blur, Gaussian, Poisson

    movie = corpus.load(DATA[name])
    frames = np.asarray(movie)[:, 0, 0].astype(np.float32)
    if name == "electron micrograph":
        train, kept, test = np.split(frames, [1050, 1370], axis=2)
        parts, steps = (train, kept, test[:, :384, 20:404]), (Blur(sigma=1.5), Gaussian(sigma=(0.1, 0.2)))
    else:
        parts = frames[:18], frames[18:22], frames[22:]
        steps = (Blur(sigma=1.0), Poisson(photons=(5.0, 30.0), background=0.5))
    train, kept, test = (Movie.from_array(part, name=name) for part in parts)
    return train, kept, test, Crappifier(steps)


def measure(name: str, folder: Path, runs: Path | None) -> Row:
    """Run the preset and score the test part before and after the GAN phase."""
    from dataclasses import replace

    import torch

    from decrappify import load_model, restore
    from decrappify.crappify import crappify_movie
    from decrappify.metrics.scorecard import score_movie
    from decrappify.training import DataOptions, nogan_preset, train_nogan

    train, kept, test, crappifier = material(name)
    config = replace(nogan_preset("microscopy"), n_frames=len(test) if len(test) == 1 else 3, device="cpu")
    slug = name.split(",")[0].replace(" ", "_")
    with tempfile.TemporaryDirectory() as scratch:
        run = (runs or Path(scratch)) / slug
        if not (run / "model.safetensors").exists():  # otherwise the finished run is only scored again
            train_nogan(train, crappifier, data=DataOptions(validation=kept), config=config, output=run)
        model = load_model(run / "model.safetensors")
        rows = torch.load(run / "checkpoint.pt", weights_only=True)["history"]["rows"]
        last = sorted((run / "checkpoints").iterdir())[-1]
        models = {"pretrained": load_model(run / "pretrained.safetensors"), "chosen": model, "last": load_model(last)}
        for plot in ("monitors", "checkpoints"):
            shutil.copy(run / f"{plot}.png", folder / f"nogan_{slug}_{plot}.png")
        source = crappify_movie(test, crappifier, seed=5)
        results = {"source": source} | {key: restore(source, value) for key, value in models.items()}
        scores = {key: _figures(score_movie(result, test)) for key, result in results.items()}
        movies = results | {"reference": test}
        shown = {key: np.asarray(movie.frame(len(test) // 2)) for key, movie in movies.items()}
        panel = save_panel(folder / f"nogan_{slug}.png", shown, detail=128)
    return {
        "data": name,
        "verdict": model.card["verdict"],
        "stopped": model.card.get("stopped", ""),
        "critic_accuracy": model.card["critic_accuracy"],
        "images": rows[-1]["images_seen"],
        "items": config.items or 20_000,
        "scores": scores,
        "panel": panel,
        "slug": slug,
    }


def _figures(card: Any) -> Row:
    return {key: value for key, value in card.to_dict().items() if key in FIGURES and value is not None}


def section(rows: list[Row]) -> str:
    """Format scorecards, images, and the result of the detector."""
    parts = ['## The GAN phase on real microscopy (preset "microscopy")']
    for row in rows:
        figures = [key for key in FIGURES if key in row["scores"]["source"]]
        lines = [[key, *(score.get(figure) for figure in figures)] for key, score in row["scores"].items()]
        share = f"{100 * row['images'] / row['items']:.3g} % of the data"
        parts.append(
            f"**{row['data']}.** Accuracy of the critic on held-out images before the GAN phase: "
            f"{row['critic_accuracy']:.2f}. The GAN phase ended after {share} "
            f"({row['stopped'] or 'its complete share'}). Verdict: {row['verdict']}."
        )
        parts.append(table(["test part", *(FIGURES[figure] for figure in figures)], lines, precision=3))
        parts.append(row["panel"])
        parts.append(
            f"![monitors](results/nogan_{row['slug']}_monitors.png)\n\n"
            f"![checkpoints](results/nogan_{row['slug']}_checkpoints.png)"
        )
    return "\n\n".join(parts)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--runs", type=Path, help="folder of the runs; finished runs are only scored")
    args = options.parse_args()
    import torch

    from decrappify.training import nogan_preset

    torch.set_num_threads(args.threads)
    bench = Benchmark("nogan_microscopy", args, options)
    schedule = nogan_preset("microscopy").to_dict()
    jobs: Mapping[str, Job] = {
        name: Job({"data": name, "schedule": schedule}, partial(measure, name, bench.folder, args.runs))
        for name in DATA
    }
    bench.run(jobs, section)


if __name__ == "__main__":
    main()
