"""Difference between restorations with and without tiles, for each overlap and each shipped model.

Windows of simulated cells and filaments are restored whole and in tiles. The seam is the largest difference of any
pixel as a fraction of the range (max - min) of the whole restoration, the maximum over all movies. The rule of
`decrappify.inference.memory.seam_warning` follows from it: the overlaps with a warning, and the value it reports.

    python benchmarks/restoration_quality/seams.py --threads 2                 # about 10 minutes on 2 cores
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))  # the root of the repository

from benchmarks.harness.results import Benchmark, Job, Row, parser, table
from decrappify import load_model
from decrappify.inference.options import InferenceOptions
from decrappify.model import Model, shipped_models
from decrappify.restoration.tiling.restorer import Restorer

SIDE = 320
SEEDS = (7, 8, 9)
KINDS = ("cell", "filaments")
# In units of the network's size multiple (8 px); 11 is the default of the shipped models.
OVERLAPS = (0, 1, 2, 3, 4, 6, 8, 10, 11, 12, 16)
TILES = (64, 96, 128, 160, 184, 256)


def windows(model: Model) -> Iterator[np.ndarray]:
    """Iterate over normalized windows (n_frames, Y, X) of the simulated movies."""
    from decrappify.normalization import NormalizationRule, normalization_of
    from decrappify.samples import simulate

    for kind in KINDS:
        for seed in SEEDS:
            movie = simulate(kind, n_frames=model.n_frames, size=(SIDE, SIDE), seed=seed).noisy
            frames = [movie.frame(t) for t in range(model.n_frames)]
            rule = model.normalization
            assert isinstance(rule, NormalizationRule)
            rule = rule.on_source(model.scale)
            normalization = normalization_of(movie, 0, rule, [frame.ravel() for frame in frames])
            yield np.stack([normalization.apply(frame) for frame in frames])


def measure(name: str) -> Row:
    """Measure the seams of one model by overlap (smallest possible tiles) and by tile size (automatic overlap)."""
    model = load_model(name)
    restorer = Restorer(model, inference=InferenceOptions(device="cpu", precision="float32", backend="torch"))
    multiple = restorer.network.size_multiple
    sizes = {f"overlap {k * multiple}": (max(2 * k, 8) * multiple, k * multiple) for k in OVERLAPS}
    sizes |= {f"tile {tile}": (tile, None) for tile in TILES}
    seams = dict.fromkeys(sizes, 0.0)
    for window in windows(model):
        restorer.tile_size, restorer.tile_overlap = 4096, 0
        whole = restorer.restore_window(window)
        for key, (tile, overlap) in sizes.items():
            chosen = Restorer(
                model,
                inference=InferenceOptions(
                    tile_size=tile, tile_overlap=overlap, device="cpu", precision="float32", backend="torch"
                ),
            )
            seam = np.abs(chosen.restore_window(window) - whole).max() / np.ptp(whole)
            seams[key] = max(seams[key], float(seam))
    return seams | {"model": name, "margin": restorer.network.margin, "multiple": multiple}


def section(rows: list[Row]) -> str:
    """Format one table by overlap and one by tile size."""
    movies = f"{SIDE} x {SIDE} px of simulated {' and '.join(KINDS)} (seeds {', '.join(map(str, SEEDS))}), float32"
    parts = [
        "## Seams between tiles",
        "Largest difference of any pixel from the restoration without tiles, in units of 1e-4 of its range, over "
        f"windows of {movies}.\nBy overlap (px), with tiles of twice the overlap, at least 64 px:",
    ]
    for kind, names in (("overlap", [k * 8 for k in OVERLAPS]), ("tile", list(TILES))):
        if kind == "tile":
            parts.append("By tile size (px), with its automatic overlap (88 px, at most half a tile):")
        cells = [[row["model"], *(1e4 * row[f"{kind} {name}"] for name in names)] for row in rows]
        parts.append(table(["model", *(f"{name}" for name in names)], cells, 1))
    return "\n\n".join(parts)


def main() -> None:
    """Run the missing rows and write the section."""
    import torch

    options = parser(__doc__)
    args = options.parse_args()
    torch.set_num_threads(args.threads)
    settings = {"side": SIDE, "seeds": SEEDS, "kinds": KINDS, "overlaps": OVERLAPS, "tiles": TILES}
    jobs = {name: Job(settings | {"model": name}, partial(measure, name)) for name in shipped_models()}
    Benchmark("seams", args, options).run(jobs, section)


if __name__ == "__main__":
    main()
