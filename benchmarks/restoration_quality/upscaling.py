"""Gain of the shipped models of scale 2 and 4 over bicubic and Lanczos interpolation.

The sampling of held-out movies and stills is reduced along Y and X by half (EM: three quarters), as by camera
binning or point scanning, and noise is added; then the model and three interpolations upscale them. The strongest
baseline is an oracle: the Gaussian filter whose σ in space and time maximizes PSNR after bicubic upscaling. Images are
written to results/upscaling_*.png.

    python benchmarks/restoration_quality/upscaling.py --threads 2                   # about 5 minutes on 2 cores
    python benchmarks/restoration_quality/upscaling.py --x2 model.safetensors        # another model file
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[2]))  # the root of the repository

from benchmarks.harness import corpus
from benchmarks.harness.results import Benchmark, Job, Row, parser, table
from decrappify.crappify import BinDown, Blur, CorrelatedNoise, Gaussian, Part, Poisson, SampleDown, Speckle

Array = NDArray[Any]

NOISE = (Poisson(photons=40.0), Gaussian(sigma=0.01))
CORRELATED = CorrelatedNoise(photons=40.0, read_noise=0.4, sigma=0.7)
EM_NOISE = (Speckle(variance=0.005), Gaussian(sigma=0.04))
DEGRADATIONS: dict[int, dict[str, tuple[Part, ...]]] = {
    2: {
        "blur + bin 2": (Blur(sigma=0.8), BinDown(factor=2), *NOISE),
        "sample 2": (SampleDown(factor=2), *NOISE),
        "bin 2, correlated": (Blur(sigma=0.8), BinDown(factor=2), CORRELATED),
    },
    4: {"sample 4": (SampleDown(factor=4), *EM_NOISE)},
}
METHODS = {"bicubic": "bicubic", "lanczos": "Lanczos", "gaussian": "best Gaussian, bicubic", "model": "model"}
SEED = 31
# Number of exposures of a still for a 3-frame model; every baseline receives the same exposures.
EXPOSURES = 3
SIGMAS_SPACE, SIGMAS_TIME = (0.0, 0.35, 0.5, 0.7, 0.9, 1.2, 1.6, 2.2), (0.0, 0.4, 0.7, 1.0, 1.6, 3.0)


def upscale(images: Array, scale: int, resampling: str) -> Array:
    """Interpolate (T, Y, X) by Pillow."""
    from PIL import Image

    size = (images.shape[2] * scale, images.shape[1] * scale)
    method = Image.Resampling[resampling]
    return np.stack([np.asarray(Image.fromarray(image.astype(np.float32)).resize(size, method)) for image in images])


def best_filtered(source: Array, truth: Array, scale: int) -> tuple[Array, float, float]:
    """Return the bicubic upscaling after the Gaussian with the highest PSNR, and its σ in space and time."""
    from scipy.ndimage import gaussian_filter

    from decrappify.metrics.fidelity import psnr

    middle = slice(len(source) // 2 - 1, len(source) // 2 + 2) if len(source) > 2 else slice(None)

    def filtered(space: float, time: float, frames: slice) -> Array:
        return upscale(gaussian_filter(source, (time, space, space))[frames], scale, "BICUBIC")

    times = SIGMAS_TIME if len(source) > 1 else (0.0,)
    grid = list(product(SIGMAS_SPACE, times))
    space, time = max(grid, key=lambda sigmas: psnr(filtered(*sigmas, middle), truth[middle]))
    return filtered(space, time, slice(None)), space, time


def measure(label: str, name: str, scale: int, how: str, n_frames: int, model: str, folder: Path) -> Row:
    """Score all methods on one file with one degradation."""
    from benchmarks.harness.panels import save_panel
    from benchmarks.harness.scoring import degrade, figures, identity, restored, truths
    from decrappify import load_model

    truth = truths(name, n_frames)[label]
    if len(truth) == 1 and load_model(model).n_frames > 1:
        truth = np.repeat(truth, EXPOSURES, axis=0)
    rows, columns = (size // scale * scale for size in truth.shape[1:])
    truth = np.ascontiguousarray(truth[:, :rows, :columns])
    source = degrade(truth, DEGRADATIONS[scale][how], SEED)
    filtered, space, time = best_filtered(source, truth, scale)
    results = {
        "bicubic": upscale(source, scale, "BICUBIC"),
        "lanczos": upscale(source, scale, "LANCZOS"),
        "gaussian": filtered,
        "model": restored(source, model),
    }
    middle = len(truth) // 2
    shown = {"source": source[middle]} | {METHODS[m]: results[m][middle] for m in ("bicubic", "gaussian", "model")}
    image = folder / f"upscaling_{label}_{how}.png".replace(" ", "_").replace("_+_", "_").replace(",", "")
    return {method: figures(result, truth) for method, result in results.items()} | {
        "file": label,
        "scale": scale,
        "how": how,
        "frames": len(truth),
        "data_range": float(np.ptp(truth)),
        "sigma_space": space,
        "sigma_time": time,
        "models": {"model": f"{load_model(model).name} ({identity(model)})"},
        "image": save_panel(image, shown | {"reference": truth[middle]}) if _has_image(name, how) else None,
    }


def _has_image(name: str, how: str) -> bool:
    return how != "sample 2" and name in (
        *corpus.TEST_MOVIES,
        *corpus.TEST_EM,
        corpus.TEST_STILLS[2],
        corpus.TEST_STILLS[3],
    )


def section(rows: list[Row]) -> str:
    """Format one table per scale, then the images."""
    parts = ["## Upscaling against interpolation", _conditions(rows)]
    for scale in DEGRADATIONS:
        chosen = [row for row in rows if row["scale"] == scale]
        if chosen:
            parts += [
                f"### Scale {scale}: PSNR in dB",
                _table(chosen, "psnr"),
                f"### Scale {scale}: SSIM",
                _table(chosen, "ssim"),
            ]
    parts += [f"{row['file']}, {row['how']}:\n\n{row['image']}" for row in rows if row["image"]]
    return "\n\n".join(parts)


def _conditions(rows: Sequence[Row]) -> str:
    models = ", ".join(dict.fromkeys(row["models"]["model"] for row in rows))
    noise = {
        how: ", ".join(str(step).replace("probability=1.0, ", "") for step in steps)
        for ways in DEGRADATIONS.values()
        for how, steps in ways.items()
    }
    return (
        "None of these files was used for training. Degradations: "
        + ", ".join(f"{how} = `{parts}`" for how, parts in noise.items())
        + f"; seed {SEED}. Data range: max - min of the complete reference. Stills for a 3-frame model: {EXPOSURES} "
        "exposures with independent noise, which the Gaussian also filters in time. Best Gaussian: σ with the "
        f"highest PSNR on a coarse grid. Models: {models}."
    )


def _table(rows: Sequence[Row], figure: str) -> str:
    digits = 2 if figure == "psnr" else 3
    header = ["file", "frames", "degraded", *METHODS.values()]
    if figure == "psnr":
        header += ["over bicubic", "over Lanczos", "over Gaussian", "range", "σ space", "σ time"]
    lines = []
    for row in rows:
        values = [row[method][figure] for method in METHODS]
        line = [row["file"], row["frames"], row["how"], *values]
        if figure == "psnr":
            line += [values[-1] - value for value in values[:-1]]
            line += [f"{row['data_range']:g}", row["sigma_space"], row["sigma_time"]]
        lines.append(line)
    return table(header, lines, digits)


def jobs_for(args: Any, folder: Path) -> dict[str, Job]:
    """Return one row per file (and channel) and degradation."""
    from benchmarks.harness.scoring import identity, truths

    chosen = {2: args.x2, 4: args.x4}
    files = {2: (*corpus.TEST_MOVIES, *corpus.TEST_STILLS), 4: corpus.TEST_EM}
    jobs = {}
    for scale, ways in DEGRADATIONS.items():
        digest = identity(chosen[scale])
        for name in files[scale]:
            for label in truths(name, 1):
                for how, steps in ways.items():
                    settings = {
                        "model": digest,
                        "frames": args.frames,
                        "steps": "; ".join(map(str, steps)),
                        "seed": SEED,
                    }
                    run = partial(measure, label, name, scale, how, args.frames, chosen[scale], folder)
                    jobs[f"{label}, {how}"] = Job(settings, run)
    return jobs


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--frames", type=int, default=24, help="frames of each movie, from its first")
    options.add_argument("--x2", default="fluorescence-movie-x2", help="model of scale 2")
    options.add_argument("--x4", default="em-x4", help="model of scale 4")
    args = options.parse_args()
    import torch

    torch.set_num_threads(args.threads)
    benchmark = Benchmark("upscaling", args, options)
    benchmark.run(jobs_for(args, benchmark.folder), section)


if __name__ == "__main__":
    main()
