"""Restoration of real single exposures, measured against long or averaged exposures of the same field.

FMD (Zhang et al. 2019): wide-field exposures whose camera noise is correlated between neighboring pixels, against the
average of 50; PSNR on 0 to 255 without a fit of gray levels. ACsN and GigaDB: SI-PSNR (with a fit of one gain and
offset), since the gray levels of the reference differ. Baselines are oracles: the Gaussian filter and BM3D (if bm3d is
installed) with the strength of the highest score against the reference. Images are written to
results/real_noise_*.png, with the reference at the gray levels of the source.

    python benchmarks/restoration_quality/real_noise.py                             # about 10 minutes
    python benchmarks/restoration_quality/real_noise.py --model model.safetensors   # another model of 1 frame
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the root of the repository

from benchmarks.harness import corpus
from benchmarks.harness.results import UNKNOWN, Benchmark, Job, Row, parser, table

PAIRS = {
    "FMD wide-field, BPAE R": ("fmd_widefield/low/WideField_BPAE_R_1.png", "fmd_widefield/high/WideField_BPAE_R_1.png"),
    "FMD wide-field, BPAE G": ("fmd_widefield/low/WideField_BPAE_G_3.png", "fmd_widefield/high/WideField_BPAE_G_3.png"),
    "ACsN TIRF, 5 ms": ("acsn_tirf/tirf_200hz_5ms_20f.tif", "acsn_tirf/tirf_9hz_111ms_gt.tif"),
    "ACsN TIRF, 10 ms": ("acsn_tirf/tirf_100hz_10ms.tif", "acsn_tirf/tirf_9hz_111ms_gt.tif"),
    "GigaDB actin": ("gigadb/low/actin-60x-noise1.png", "gigadb/high/actin-60x-noise1.png"),
    "GigaDB mitochondria": ("gigadb/low/mito-60x-noise1.png", "gigadb/high/mito-60x-noise1.png"),
    "GigaDB nucleus": ("gigadb/low/nucleus.png", "gigadb/high/nucleus.png"),
}
METHODS = {"source": "source", "gaussian": "best Gaussian", "bm3d": "best BM3D", "still": "still model"}


def measure(label: str, model: str, folder: Path) -> Row:
    """Score all methods on one pair."""
    import numpy as np

    from benchmarks.harness.block_matching import best_bm3d, is_installed
    from benchmarks.harness.panels import save_panel
    from benchmarks.harness.scoring import identity
    from decrappify import load_model, restore_array
    from decrappify.metrics.baselines import best_gaussian
    from decrappify.metrics.fidelity import psnr, si_psnr

    source, truth = (np.asarray(corpus.load(f"pairs/{name}"))[0, 0, 0].astype(np.float32) for name in PAIRS[label])
    fit = not label.startswith("FMD")
    data_range = 255.0 if not fit else float(np.ptp(truth))
    score = partial(si_psnr if fit else psnr, data_range=data_range)
    gaussian = best_gaussian(source, truth, data_range=data_range, fit_levels=fit)
    results = {"source": source, "gaussian": gaussian.restored}
    slope, level = np.polyfit(truth.ravel(), source.ravel(), 1) if fit else (1.0, 0.0)
    target = slope * truth + level
    if is_installed():
        results["bm3d"] = best_bm3d(source, target, 0.0, 0.0, float(np.std(source - target)))[0]
    results["still"] = np.clip(restore_array(source, model), 0, None)
    row: Row = {method: float(score(result, truth)) for method, result in results.items()}
    row |= {
        "file": label,
        "score": "SI-PSNR" if fit else "PSNR",
        "sigma_space": gaussian.sigma_space,
        "models": {"still": f"{load_model(model).name} ({identity(model)})"},
    }
    shown = {METHODS[method]: result for method, result in results.items()} | {"reference": target}
    name = label.replace(",", "").replace(" ", "_").lower()
    row["image"] = save_panel(folder / f"real_noise_{name}.png", shown)
    return row


def section(rows: Sequence[Row]) -> str:
    """Format the table and the images."""
    methods = [method for method in METHODS if any(method in row for row in rows)]
    header = ["pair", "score", *(METHODS[method] for method in methods), "σ space", "over Gaussian", "over BM3D"]
    lines = [
        [
            row["file"],
            row["score"],
            *(row.get(method) for method in methods),
            row["sigma_space"],
            row["still"] - row["gaussian"],
            row["still"] - row["bm3d"] if "bm3d" in row else None,
        ]
        for row in rows
    ]
    models = ", ".join(dict.fromkeys(row["models"]["still"] for row in rows))
    return "\n\n".join(
        [
            "## Real single exposures against long or averaged ones",
            "None of these images was used for training. FMD: PSNR in dB on 0 to 255 without a fit of gray levels; the "
            "noise is correlated between neighboring pixels. Others: SI-PSNR in dB, with one gain and offset fitted. "
            "The Gaussian filter and BM3D have the strength with the highest score against the reference. "
            f"Model: {models}.",
            table(header, lines),
            *(f"{row['file']}:\n\n{row['image']}" for row in rows),
        ]
    )


def jobs_for(args: Any, folder: Path) -> dict[str, Job]:
    """Return one row per pair."""
    from benchmarks.harness.block_matching import is_installed
    from benchmarks.harness.scoring import identity

    settings = {"model": identity(args.model), "bm3d": UNKNOWN if args.table else is_installed()}
    return {label: Job(settings, partial(measure, label, args.model, folder)) for label in PAIRS}


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--model", default="fluorescence-still", help="model of 1 frame")
    args = options.parse_args()
    import torch

    torch.set_num_threads(args.threads)
    benchmark = Benchmark("real_noise", args, options)
    benchmark.run(jobs_for(args, benchmark.folder), section)


if __name__ == "__main__":
    main()
