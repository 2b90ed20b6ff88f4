"""Systematic errors of the shipped models with a known reference: contrast, pits, blobs and detail of each scale.

Simulated movies of three frames have a noise-free reference. They are degraded with independent and with correlated
noise and restored by the best Gaussian filter, by BM3D if the package bm3d is installed, and by the shipped models:

- contrast: slope of the restored over the true gray levels on the brightest 2 % of the pixels, from the dark level;
- pits: how far the darkest 1 % of the pixels around structures (2 to 6 px from their edge) are below the reference;
- blobs: standard deviation of the error in empty areas (more than 12 px from structures) after a Gaussian of 1.5 px;
- detail: power over that of the reference in three bands of spatial frequency, of the middle frame.

One image per kind of scene, with the errors below it, is written to results/artifacts_*.png.

    python benchmarks/restoration_quality/artifacts.py                                # 3 minutes on one core
    python benchmarks/restoration_quality/artifacts.py --compare earlier.safetensors  # another still model, too
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[2]))  # the root of the repository

from benchmarks.harness.results import UNKNOWN, Benchmark, Job, Row, parser, table

Array = NDArray[Any]

KINDS = ("filaments", "nuclei", "vesicles", "cell")
SEED = 5001
SIZE = 256
METHODS = {
    "gaussian": "best Gaussian",
    "bm3d": "best BM3D",
    "still": "still model",
    "movie": "movie model",
    "compare": "compared model",
}
FIGURES = {  # name: (title, factor for the table)
    "contrast": ("contrast of bright pixels, % of the true one", 100),
    "pits": ("pits around structures, % of the contrast", 100),
    "blobs": ("blobs in empty areas, % of the contrast", 100),
    "coarse": ("detail of 8 to 20 px, dB", 1),
    "middle": ("detail of 4 to 8 px, dB", 1),
    "fine": ("detail of 2.2 to 4 px, dB", 1),
}
WITH_IMAGE = "10 photons"
ERRORS = 4.0  # contrast of the errors in the images, relative to that of the results


def levels() -> dict[str, Any]:
    """Return the degradations by name."""
    from benchmarks.harness.scoring import LEVELS
    from decrappify.crappify import CorrelatedNoise

    return LEVELS | {"30 photons, correlated": (CorrelatedNoise(photons=30.0, read_noise=1.0, sigma=0.7),)}


def truth_of(kind: str) -> Array:
    """Return a simulated movie (3, Y, X) without noise."""
    from decrappify.samples import simulate

    movie = simulate(kind, n_frames=3, size=(SIZE, SIZE), speed_px=0.5, seed=SEED).truth
    return np.asarray(movie)[:, 0, 0].astype(np.float32)


def artifacts(result: Array, truth: Array) -> Row:
    """Compute the figures of the middle frame of a restored movie (T, Y, X)."""
    from scipy.ndimage import distance_transform_edt, gaussian_filter

    from decrappify.metrics.sums.spectrum import spectrum_ratio

    found, true = (movie[len(movie) // 2].astype(np.float64) for movie in (result, truth))
    dark = np.percentile(true, 1)
    bright = true >= np.percentile(true, 98)
    contrast = true[bright].mean() - dark
    distance = distance_transform_edt(true < dark + 0.2 * contrast)
    around, empty = (distance >= 2) & (distance <= 6), distance > 12
    error = found - true
    bands = spectrum_ratio(found, true)
    smooth = gaussian_filter(error, 1.5)
    return {
        "contrast": float((found[bright].mean() - dark) / contrast),
        "pits": float(-np.percentile(error[around], 1) / contrast) if around.any() else None,
        "blobs": float(np.std(smooth[empty]) / contrast) if empty.sum() > 100 else None,
        **dict(zip(("coarse", "middle", "fine"), bands, strict=True)),
    }


def restorations(truth: Array, source: Array, level: str, models: dict[str, str]) -> dict[str, Array]:
    """Restore a degraded movie by each method; BM3D restores the middle frame only."""
    from benchmarks.harness.block_matching import best_bm3d, is_installed
    from benchmarks.harness.scoring import NOISE, detector, restored
    from decrappify.metrics.baselines import best_gaussian

    results = {"gaussian": best_gaussian(source, truth).restored}
    if is_installed():
        noise = detector(truth, source, level) if level in NOISE else (0.0, 0.0, float(np.std(source - truth)))
        results["bm3d"] = best_bm3d(source[1], truth[1], *noise)[0][None]
    return results | {kind: restored(source, model) for kind, model in models.items()}


def measure(kind: str, level: str, models: dict[str, str], folder: Path) -> Row:
    """Return the figures of all methods for one scene and one degradation."""
    from benchmarks.harness.panels import save_panel
    from benchmarks.harness.scoring import degrade, identity
    from decrappify import load_model

    truth = truth_of(kind)
    results = restorations(truth, degrade(truth, levels()[level], SEED), level, models)
    row: Row = {method: artifacts(result, truth) for method, result in results.items()}
    row |= {"kind": kind, "level": level}
    row["models"] = {name: f"{load_model(model).name} ({identity(model)})" for name, model in models.items()}
    if level == WITH_IMAGE:
        shown = {METHODS[name]: movie[len(movie) // 2] for name, movie in results.items()} | {"reference": truth[1]}
        row["image"] = save_panel(folder / f"artifacts_{kind}.png", shown, errors=ERRORS)
    return row


def section(rows: list[Row]) -> str:
    """Format one table per figure, and the images."""
    methods = [name for name in METHODS if any(name in row for row in rows)]
    models = dict.fromkeys(f"{METHODS[kind]} = {name}" for row in rows for kind, name in row["models"].items())
    parts = [
        "## Systematic errors of the shipped models",
        f"Simulated movies of 3 frames, {SIZE} x {SIZE}, seed {SEED}, with a noise-free reference; figures of the "
        f"middle frame as defined in the script. Models: {', '.join(models)}.",
    ]
    for name, (title, factor) in FIGURES.items():
        lines = [
            [row["kind"], row["level"], *(_times(row.get(method, {}).get(name), factor) for method in methods)]
            for row in rows
        ]
        head = ["scene", "degradation", *(METHODS[method] for method in methods)]
        parts += [f"### {title[0].upper()}{title[1:]}", table(head, lines, 1)]
    parts += [
        f"{row['kind']}, {row['level']}; below, the errors at {ERRORS:g} times the contrast:\n\n{row['image']}"
        for row in rows
        if "image" in row
    ]
    return "\n\n".join(parts)


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else factor * value


def main() -> None:
    """Run the missing rows and write the section."""
    options = parser(__doc__)
    options.add_argument("--still", default="fluorescence-still", help="name or file of the still model")
    options.add_argument("--movie", default="fluorescence-movie", help="name or file of the movie model")
    options.add_argument("--compare", metavar="MODEL", help="name or file of a further model, as another column")
    args = options.parse_args()
    import torch

    from benchmarks.harness.block_matching import is_installed
    from benchmarks.harness.scoring import identity

    torch.set_num_threads(args.threads)
    models = {"still": args.still, "movie": args.movie} | ({"compare": args.compare} if args.compare else {})
    shared = {"seed": SEED, "size": SIZE, "bm3d": UNKNOWN if args.table else is_installed()}
    shared |= {name: identity(model) for name, model in models.items()}
    benchmark = Benchmark("artifacts", args, options)
    jobs = {
        f"{kind}, {level}": Job(
            shared | {"kind": kind, "level": level}, partial(measure, kind, level, models, benchmark.folder)
        )
        for kind in KINDS
        for level in levels()
    }
    benchmark.run(jobs, section)


if __name__ == "__main__":
    main()
