"""Tasks of the comparison: folders of low and high TIFF files, created once and read by all methods.

Measured pairs are split across the field: the left part of every image is for training, the right part for testing,
and a strip between them is excluded. The simulated cell and the electron micrograph are degraded once by decrappify's
crappifiers; every method is trained on the same degraded files.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tifffile
from numpy.typing import NDArray

from benchmarks.harness import corpus
from decrappify import Crappifier, Movie
from decrappify.crappify import Gaussian, Part, Poisson, SampleDown, Speckle, crappify_movie
from decrappify.samples import simulate

Array = NDArray[Any]
Pairs = dict[str, tuple[Array, Array]]

TRAIN_SHARE, TEST_FROM = 0.6, 0.64
IN_FOCUS = slice(12, 33)
# Seeds of the simulated movies and of their noise, different from those of the training benchmarks.
SIMULATED = {"train": (7001, 7002), "test": (7003,)}
NOISE_SEED = 71
EM_NOISE = (Speckle(variance=0.005), Gaussian(sigma=0.04))


@dataclass(frozen=True, slots=True)
class Task:
    """One task: its description, the function that creates its files, its scale, and the axis of its windows."""

    description: str
    make: Callable[[], dict[str, Pairs]]
    scale: int = 1
    windows: Literal["frames", "slices"] | None = None


def exposures() -> dict[str, Pairs]:
    """Read three fields at a low and a high exposure, 8-bit."""
    names = ("actin-60x-noise1", "mito-60x-noise1", "nucleus")
    folder = "pairs/gigadb"
    return split({name: (_plane(f"{folder}/low/{name}.png"), _plane(f"{folder}/high/{name}.png")) for name in names})


def microtubules() -> dict[str, Pairs]:
    """Read twenty exposures of 5 ms and one of 111 ms."""
    burst = np.asarray(corpus.load("pairs/acsn_tirf/tirf_200hz_5ms_20f.tif"))[0, 0]  # the frames are stored as Z
    truth = _plane("pairs/acsn_tirf/tirf_9hz_111ms_gt.tif")
    return split({"burst": (burst, np.repeat(truth[None], len(burst), axis=0))})


def confocal() -> dict[str, Pairs]:
    """Read a nucleus in wide field and confocal, the wide field registered to the confocal; slices are used as frames.

    The split passes through the middle of the nucleus, as the data contain only one.
    """
    from scipy.ndimage import shift
    from skimage.registration import phase_cross_correlation

    stack = corpus.load("pairs/confocal_widefield_dna_zstack.tif")
    high, low = (np.asarray(stack.select(None, c))[0, 0, IN_FOCUS] for c in (0, 1))
    moved, _, _ = phase_cross_correlation(high.max(0), low.max(0), upsample_factor=20)
    print(f"wide field moved by {moved} px")
    registered = shift(low.astype(np.float32), (0, *moved), order=3, mode="nearest")
    return split({"nucleus": (np.clip(np.rint(registered), 0, 65535).astype(np.uint16), high)}, 0.49, 0.505)


def simulated_cell() -> dict[str, Pairs]:
    """Simulate moving cells with 10 photons and 2 % read noise."""
    return {
        role: {
            f"cell-{seed}": degraded(
                np.asarray(simulate("cell", n_frames=40, size=(192, 192), speed_px=0.5, seed=seed).truth)[:, 0, 0],
                (Poisson(photons=10.0), Gaussian(sigma=0.02)),
                seed,
            )
            for seed in seeds
        }
        for role, seeds in SIMULATED.items()
    }


def micrograph() -> dict[str, Pairs]:
    """Sample every fourth pixel of a micrograph along Y and X, with the noise of a short dwell time."""
    image = _plane("highres/ssi_fibsem1910x1910.png")
    image = image[: image.shape[0] // 4 * 4, : image.shape[1] // 4 * 4]
    return split({"fibsem": degraded(image, (SampleDown(factor=4), *EM_NOISE), 0)})


TASKS: Mapping[str, Task] = {
    "simulated cell": Task("moving cell, 192 × 192, 2 × 40 frames, 10 photons", simulated_cell, windows="frames"),
    "exposures": Task("measured: actin, mitochondria, nuclei at a low and a high exposure (GigaDB 100888)", exposures),
    "microtubules": Task("measured: TIRF, 20 × 5 ms against 111 ms (ACsN)", microtubules, windows="frames"),
    "wide field": Task("measured: one nucleus, wide field against confocal, 21 slices", confocal, windows="slices"),
    "micrograph × 4": Task("FIB-SEM, every fourth pixel and noise", micrograph, scale=4),
}


def degraded(truth: Array, parts: tuple[Part, ...], seed: int) -> tuple[Array, Array]:
    """Return a source and its reference, both uint16 with at least a thousand gray levels between dark and bright."""
    low, high = np.percentile(truth, (0.1, 99.9))
    levels = (np.asarray(truth, np.float32) - low) / (high - low) * 4000 + 2000
    frames = levels if levels.ndim == 3 else levels[None]
    source = np.asarray(crappify_movie(Movie.from_array(frames), Crappifier(parts), seed=NOISE_SEED + seed))[:, 0, 0]
    as_files = [np.clip(np.rint(a), 0, 65535).astype(np.uint16) for a in (source, frames)]
    return (as_files[0], as_files[1]) if levels.ndim == 3 else (as_files[0][0], as_files[1][0])


def split(pairs: Pairs, train: float = TRAIN_SHARE, test: float = TEST_FROM) -> dict[str, Pairs]:
    """Split each image into a left part for training and a right part for testing."""
    parts: dict[str, Pairs] = {"train": {}, "test": {}}
    for name, (low, high) in pairs.items():
        width, scale = low.shape[-1], high.shape[-1] // low.shape[-1]
        end, start = int(width * train), int(width * test)
        parts["train"][name] = low[..., :end], high[..., : end * scale]
        parts["test"][name] = low[..., start:], high[..., start * scale :]
    return parts


def folder_of(name: str, runs: Path) -> Path:
    """Return the folder of a task's files (ROLE/low and ROLE/high), written on first use."""
    home = runs / name.replace(" ", "-").replace("×", "x")
    if not (home / "shapes.json").exists():
        shapes: dict[str, Any] = {}
        for role, pairs in TASKS[name].make().items():
            for kind in ("low", "high"):
                (home / role / kind).mkdir(parents=True, exist_ok=True)
            for field, (low, high) in pairs.items():
                for kind, image in (("low", low), ("high", high)):
                    axes = {"axes": "TYX"[-image.ndim :]}
                    tifffile.imwrite(home / role / kind / f"{field}.tif", image, imagej=True, metadata=axes)
                shapes[f"{role}/{field}"] = [list(low.shape), list(high.shape), str(low.dtype)]
        (home / "shapes.json").write_text(json.dumps(shapes, indent=1))
    return home


def _plane(name: str) -> Array:
    return np.asarray(corpus.load(name))[0, 0, 0]
