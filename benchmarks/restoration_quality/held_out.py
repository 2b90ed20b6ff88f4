"""Gain of the shipped models over the best Gaussian filter on held-out movies and stills.

Each movie (its first 40 frames, to limit the time) and the central 512 x 512 pixels of each still are degraded at two
noise levels and restored. The baseline is the Gaussian filter whose widths in space and time maximize PSNR against the
reference (an oracle); of single images also BM3D with the strength that maximizes PSNR, if the package bm3d is
installed. One image per file is written to results/held_out_*.png.

    python benchmarks/restoration_quality/held_out.py --threads 2                # 5 minutes on 2 cores without BM3D
    python benchmarks/restoration_quality/held_out.py --still model.safetensors  # another model file
    python benchmarks/restoration_quality/held_out.py --em model.safetensors     # also a model of electron micrographs
    python benchmarks/restoration_quality/held_out.py --seeds 11 12 --threads 2  # other noise, into a separate section
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the root of the repository

from benchmarks.harness import corpus
from benchmarks.harness.results import UNKNOWN, Benchmark, Job, Row, parser, table

METHODS = {
    "source": "source",
    "gaussian": "best Gaussian",
    "bm3d": "best BM3D",
    "still": "still model",
    "movie": "movie model",
    "em": "EM model",
}
SEEDS = (1, 2)  # of the noise at the two levels, in the main table
SIDE = 512  # pixels of stills along Y and X, as BM3D takes minutes for larger ones
WITH_IMAGE = "10 photons", "EM, strong noise"


def measure(
    label: str, name: str, level: str, seed: int, n_frames: int, models: dict[str, str], folder: Path | None
) -> Row:
    """Score all methods on one degraded file."""
    import numpy as np

    from benchmarks.harness.block_matching import best_bm3d, is_installed
    from benchmarks.harness.panels import save_panel
    from benchmarks.harness.scoring import (
        EM_LEVELS,
        LEVELS,
        degrade,
        detector,
        figures,
        identity,
        restored,
        truths,
    )
    from decrappify import load_model
    from decrappify.metrics.baselines import best_gaussian
    from decrappify.metrics.no_reference.blind import noise_sigma

    truth = truths(name, n_frames, None if "movie" in models else SIDE)[label.rstrip("*")]
    source = degrade(truth, (LEVELS | EM_LEVELS)[level], seed)
    gaussian = best_gaussian(source, truth)
    results = {"source": source, "gaussian": gaussian.restored}
    if len(truth) == 1 and is_installed():
        results["bm3d"] = best_bm3d(source[0], truth[0], *detector(truth, source, level))[0][None]
    results |= {kind: restored(source, model) for kind, model in models.items()}
    data_range = float(np.ptp(truth))
    row: Row = {method: figures(result, truth) for method, result in results.items()}
    row |= {
        "file": label,
        "level": level,
        "seed": seed,
        "frames": len(truth),
        "data_range": data_range,
        "sigma_space": gaussian.sigma_space,
        "sigma_time": gaussian.sigma_time,
        "truth_limit": 20 * math.log10(data_range / noise_sigma(truth)),
        "models": {kind: f"{load_model(model).name} ({identity(model)})" for kind, model in models.items()},
    }
    if folder and level in WITH_IMAGE:
        middle = len(truth) // 2
        shown = {METHODS[m]: result[middle] for m, result in results.items()} | {"reference": truth[middle]}
        row["image"] = save_panel(folder / f"held_out_{label.rstrip('*').replace(' ', '_')}.png", shown)
    return row


def section(rows: list[Row]) -> str:
    """Format the tables of movies and stills, and the images of the movies."""
    movies, stills, micrographs = ([row for row in rows if _kind(row) == kind] for kind in ("movie", "still", "em"))
    images = [f"{row['file']}, {row['level']}:\n\n{row['image']}" for row in rows if "image" in row]
    parts = [
        "## Held-out movies and stills" + (", with other noise" if _repeated(rows) else ""),
        _conditions(rows),
        "### Movies: PSNR in dB" if movies else "",
        _fidelity(movies, "movie"),
        _summary(movies),
        "### Movies: other metrics" if movies else "",
        _other(movies),
        "### Stills: PSNR in dB" if stills else "",
        _fidelity(stills, "still"),
        _over_bm3d(stills),
        "### Electron micrographs: PSNR in dB" if micrographs else "",
        _fidelity(micrographs, "em"),
        *images,
    ]
    return "\n\n".join(part for part in parts if part)


def _kind(row: Row) -> str:
    """Return the model that a row is about: movie, still or em."""
    return next(kind for kind in ("movie", "em", "still") if kind in row["models"])


def _listed(values: Sequence[int]) -> str:
    return ", ".join(map(str, values))


def _seeds(rows: Sequence[Row]) -> list[int]:
    return list(dict.fromkeys(row["seed"] for row in rows))


def _repeated(rows: Sequence[Row]) -> bool:
    return not set(_seeds(rows)) <= set(SEEDS)


def _conditions(rows: Sequence[Row]) -> str:
    from benchmarks.harness.scoring import EM_LEVELS_IN_WORDS, LEVELS_IN_WORDS

    models = dict.fromkeys(f"{METHODS[kind]} = {name}" for row in rows for kind, name in row["models"].items())
    micrographs = f"micrographs: {EM_LEVELS_IN_WORDS}; " if any(_kind(row) == "em" for row in rows) else ""
    return (
        "None of these files was used for training. Settings of the training (loss, stability weight, data, "
        "network) were compared on the movies and on the stills without an asterisk; those with an asterisk were "
        "not used for any choice. Reference: the real frames, which contain noise. Degradation: "
        f"{LEVELS_IN_WORDS}; {micrographs}seeds {_listed(_seeds(rows))}. Data range: max - "
        "min of the complete reference. Best Gaussian: σ in space (px) and time (frames) with the highest PSNR "
        "for each file. Reference limit: PSNR of a restoration that differs from the reference only by the noise "
        "of the reference, as estimated by a Laplacian; a weak filter that keeps this noise, which the source "
        f"contains too, can exceed it. Models: {', '.join(models)}."
    )


def _fidelity(rows: Sequence[Row], best: str) -> str:
    if not rows:
        return ""
    methods = [method for method in METHODS if any(method in row for row in rows)]
    with_bm3d = "bm3d" in methods
    header = [
        "file",
        "frames",
        "level",
        "range",
        *(METHODS[m] for m in methods),
        "σ space",
        "σ time",
        "gain",
        *(["over BM3D"] if with_bm3d else []),
        "reference limit",
    ]
    lines = [
        [row["file"], row["frames"], row["level"], f"{row['data_range']:g}"]
        + [row[method]["psnr"] if method in row else None for method in methods]
        + [row["sigma_space"], row["sigma_time"], _gain(row, best)]
        + ([_gain(row, best, "bm3d")] if with_bm3d else [])
        + [row["truth_limit"]]
        for row in rows
    ]
    return table(header, lines) + f"\n\nGain: {METHODS[best]} over the best Gaussian."


def _gain(row: Row, method: str, baseline: str = "gaussian") -> float | None:
    return row[method]["psnr"] - row[baseline]["psnr"] if method in row and baseline in row else None


def _over_bm3d(rows: Sequence[Row]) -> str:
    """Summarize the gain over BM3D, also of the files that were not used for any choice."""
    parts = []
    for what, chosen in (("all", rows), ("with an asterisk", [row for row in rows if row["file"].endswith("*")])):
        gains = [gain for row in chosen if (gain := _gain(row, "still", "bm3d")) is not None]
        if gains:
            parts.append(f"{what}: mean {sum(gains) / len(gains):+.2f} dB, lowest {min(gains):+.2f} dB")
    return f"Gain over BM3D, {'; '.join(parts)}." if parts else ""


def _summary(rows: Sequence[Row]) -> str:
    gains = {f"{row['file']} at {row['level']}": gain for row in rows if (gain := _gain(row, "movie")) is not None}
    if not gains:
        return ""
    below = [f"{name} ({gain:+.2f} dB)" for name, gain in gains.items() if gain < 2]
    return (
        f"{sum(gain >= 3 for gain in gains.values())} of {len(gains)} gain 3 dB or more, "
        f"{len(below)} under 2 dB{': ' if below else ''}{', '.join(below)}."
    )


def _other(rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    methods = [method for method in METHODS if any(method in row for row in rows)]
    header = ["file", "level", "figure", *(METHODS[method] for method in methods)]
    names = {"ssim": "SSIM", "tde": "TDE", "tdr": "TDR", "flicker_floor": "flicker, % of range"}
    lines = []
    for row in rows:
        for name, title in names.items():
            values = [row.get(method, {}).get(name) for method in methods]
            factor = 100 if name == "flicker_floor" else 1
            lines.append([row["file"], row["level"], title, *(None if v is None else factor * v for v in values)])
    return table(header, lines, 3)


def jobs_for(args: Any, folder: Path | None) -> dict[str, Job]:
    """Return one row per file (and channel) and level."""
    from benchmarks.harness.block_matching import is_installed
    from benchmarks.harness.scoring import EM_LEVELS, LEVELS, identity, truths

    chosen = {"still": args.still, "movie": args.movie} | ({"em": args.em} if args.em else {})
    digests = {kind: identity(model) for kind, model in chosen.items()}
    files = [
        *((name, ("still", "movie")) for name in corpus.TEST_MOVIES),
        *((name, ("still",)) for name in (*corpus.TEST_STILLS, *corpus.UNUSED_STILLS)),
        *((name, ("em",)) for name in corpus.TEST_EM if args.em),
    ]
    jobs = {}
    for name, kinds in files:
        for label in truths(name, 1):
            shown = label + "*" * (name in corpus.UNUSED_STILLS)
            for level, seed in zip(EM_LEVELS if "em" in kinds else LEVELS, args.seeds, strict=True):
                settings = {
                    "seed": seed,
                    "frames": args.frames,
                    "side": SIDE,
                    "bm3d": UNKNOWN if args.table else is_installed() and "movie" not in kinds,
                } | {kind: digests[kind] for kind in kinds}
                models = {kind: chosen[kind] for kind in kinds}
                jobs[f"{shown}, {level}"] = Job(
                    settings, partial(measure, shown, name, level, seed, args.frames, models, folder)
                )
    return jobs


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--frames", type=int, default=40, help="frames of each movie, from its first")
    options.add_argument("--still", default="fluorescence-still", help="model of 1 frame")
    options.add_argument("--movie", default="fluorescence-movie", help="model of 3 or 5 frames")
    options.add_argument("--em", help="also score this model of scale 1 on electron micrographs")
    options.add_argument("--seeds", type=int, nargs=2, default=list(SEEDS), help="of the noise at each level")
    args = options.parse_args()
    import torch

    torch.set_num_threads(args.threads)
    first = args.seeds == list(SEEDS)
    benchmark = Benchmark("held_out" if first else "held_out_repeated", args, options)
    benchmark.run(jobs_for(args, benchmark.folder if first else None), section)


if __name__ == "__main__":
    main()
