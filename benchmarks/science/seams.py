"""How far do restorations in tiles differ from one without, for each overlap and each shipped model?

Windows of simulated cells and filaments are restored whole and in tiles. The seam is the largest difference of any
pixel as a share of the whole restoration's range (max - min), the worst of all movies. From it comes the rule of
`decrappify.restoration.planning.seam_warning`: which overlaps are warned of, and with which number.

    python benchmarks/science/seams.py --threads 2                 # about 10 minutes on 2 cores
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
from decrappify.model import Model, shipped_models
from decrappify.restoration.restorer import Restorer

SIDE = 320
SEEDS = (7, 8, 9)
KINDS = ("cell", "filaments")
# In multiples of the network's own (8 px); 11 is the default of the shipped models.
OVERLAPS = (0, 1, 2, 3, 4, 6, 8, 10, 11, 12, 16)
TILES = (64, 96, 128, 160, 184, 256)


def windows(model: Model) -> Iterator[np.ndarray]:
    """Normalized windows (n_frames, Y, X) of the simulated movies."""
    from decrappify.intensity import NormalizationRule, normalization_of
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
    """Seams of one model by overlap, with tiles as small as that allows, and by tile size, with the overlap chosen."""
    model = load_model(name)
    restorer = Restorer(model, device="cpu", precision="float32", backend="torch")
    multiple = restorer.network.size_multiple
    sizes = {f"overlap {k * multiple}": (max(2 * k, 8) * multiple, k * multiple) for k in OVERLAPS}
    sizes |= {f"tile {tile}": (tile, None) for tile in TILES}
    seams = dict.fromkeys(sizes, 0.0)
    for window in windows(model):
        restorer.tile_size, restorer.tile_overlap = 4096, 0
        whole = restorer.restore_window(window)
        for key, (tile, overlap) in sizes.items():
            chosen = Restorer(
                model, tile_size=tile, tile_overlap=overlap, device="cpu", precision="float32", backend="torch"
            )
            seam = np.abs(chosen.restore_window(window) - whole).max() / np.ptp(whole)
            seams[key] = max(seams[key], float(seam))
    return seams | {"model": name, "margin": restorer.network.margin, "multiple": multiple}


def section(rows: list[Row]) -> str:
    """A table by overlap, and one by tile size."""
    movies = f"{SIDE} x {SIDE} px of simulated {' and '.join(KINDS)} (seeds {', '.join(map(str, SEEDS))}), float32"
    parts = [
        "## Seams between tiles",
        "Largest difference of any pixel to the restoration without tiles, in units of 1e-4 of its range, over windows "
        f"of {movies}.\nBy overlap (px), with tiles of twice that, 64 px at least:",
    ]
    for kind, names in (("overlap", [k * 8 for k in OVERLAPS]), ("tile", list(TILES))):
        if kind == "tile":
            parts.append(
                "By tile size (px), with the overlap that is chosen for it (half a tile at most, by default 88 px):"
            )
        cells = [[row["model"], *(1e4 * row[f"{kind} {name}"] for name in names)] for row in rows]
        parts.append(table(["model", *(f"{name}" for name in names)], cells, 1))
    return "\n\n".join(parts)


def main() -> None:
    """Run the rows that are missing and write the section."""
    import torch

    options = parser(__doc__)
    args = options.parse_args()
    torch.set_num_threads(args.threads)
    settings = {"side": SIDE, "seeds": SEEDS, "kinds": KINDS, "overlaps": OVERLAPS, "tiles": TILES}
    jobs = {name: Job(settings | {"model": name}, partial(measure, name)) for name in shipped_models()}
    Benchmark("seams", args, options).run(jobs, section)


if __name__ == "__main__":
    main()
