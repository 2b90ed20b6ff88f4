"""Spread of restorations against their true error, and the confirmed resolution of the same movies.

Simulated scenes and held-out real movies are degraded with known noise, independent or correlated between neighboring
pixels, and restored. The spread is computed from 8 restorations by the methods of `spread_map`: of movies drawn from
the result with the noise, as root mean square deviation from the result (``noise``) or as standard deviation
(``noise, sd``), and of the rotated and mirrored movie (``symmetry``). For comparison: the standard deviation of the
noise at the brightness of the result, which needs no restoration (``brightness``).
Spearman correlation with the absolute error: of the pixels, and of the root mean squares in blocks of 8 × 8 pixels;
also of the fifth of the pixels with the brightest reference. Ratio: root mean square of the spread, divided by that of
the error.

    python benchmarks/noise_and_trust/spread.py                     # about 2 minutes
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the root of the repository

from benchmarks.harness.results import Benchmark, Job, Row, parser, table
from benchmarks.noise_and_trust.trust import exposed, reference, true_noise

SCENES = ("simulated vesicles", "simulated cell", "microglia", "cancer nuclei")
CASES = {f"{scene}, {noise}": (scene, noise) for scene in SCENES for noise in ("white", "correlated")}
FRAMES, DRAWS, BLOCK = 6, 8, 8
METHODS = ("noise", "noise, sd", "symmetry", "brightness")
TARGETS, WEAK = ("pixels", "bright", "blocks"), 0.2


def deviation_of_draws(data: Any, result: Any, noise: Any, model: str) -> Any:
    """Return the standard deviation of the restorations of drawn movies."""
    import numpy as np

    from decrappify import InferenceOptions, Movie, restore_array
    from decrappify.noise.pixels.drawing import NoiseDrawer
    from decrappify.restoration.spread.draws import DrawnSource

    measured, restored = Movie.from_array(data), Movie.from_array(result)
    results = []
    for number in range(DRAWS):
        source = DrawnSource(measured, restored, range(len(data)), [NoiseDrawer.of(noise)], (0, number))
        drawn = np.asarray(measured.derived(source), np.float32)[:, 0, 0]
        results.append(restore_array(drawn, model, inference=InferenceOptions(precision="float32")))
    return np.std(results, axis=0, ddof=1)


def rank_correlations(spread: Any, error: Any, bright: Any) -> list[float]:
    """Return the Spearman correlations of pixels, of bright pixels, and of blocks."""
    import numpy as np
    from scipy.stats import spearmanr

    def blocks(values: Any) -> Any:
        height, width = (length // BLOCK * BLOCK for length in values.shape[1:])
        parts = np.square(values[:, :height, :width]).reshape(len(values), height // BLOCK, BLOCK, -1, BLOCK)
        return parts.mean((2, 4)).ravel()

    pairs = ((spread.ravel(), error.ravel()), (spread[bright], error[bright]), (blocks(spread), blocks(error)))
    return [float(spearmanr(*pair)[0]) for pair in pairs]


def measure(scene: str, noise: str, model: str) -> Row:
    """Compute all spreads of one movie."""
    import numpy as np

    from decrappify import InferenceOptions, RestorationOptions, confirmed_resolution, restore_array, spread_map
    from decrappify.noise.pixels.splitting import NoiseSplitter

    expected = reference(scene)[:FRAMES]
    data = exposed(expected, noise == "correlated", np.random.default_rng(0))
    known = true_noise(noise == "correlated")
    run: Any = {"inference": InferenceOptions(precision="float32")}
    started = time.process_time()
    result = restore_array(data, model, options=RestorationOptions(dtype="float32"), **run)
    restoration = time.process_time() - started
    maps, seconds = {}, {}
    for method in ("noise", "symmetry"):
        started = time.process_time()
        maps[method] = np.asarray(spread_map(data, result, model, known, method=method, draws=DRAWS, **run))[:, 0, 0]
        seconds[method] = time.process_time() - started
    maps["noise, sd"] = deviation_of_draws(data, result, known, model)
    maps["brightness"] = np.sqrt(NoiseSplitter.of(known).variance(result))
    error = np.abs(result - expected)
    bright = expected > np.percentile(expected, 80)
    power = float(np.sqrt(np.square(error).mean()))
    row: Row = {"scene": scene, "kind": noise, "error": power}
    for name in METHODS:
        ratio = float(np.sqrt(np.square(maps[name]).mean())) / power
        row[name] = [round(value, 4) for value in (*rank_correlations(maps[name], error, bright), ratio)]
    started = time.process_time()
    (found,) = confirmed_resolution(data, model, known, **run)
    row |= {"resolution": found.text(), "raw": found.raw_text(), "resolution_s": time.process_time() - started}
    return row | {"cost": {name: value / restoration for name, value in seconds.items()}}


def section(rows: Sequence[Row]) -> str:
    """Format the tables."""
    header = ["scene", "noise", *(f"{what}: {name}" for what in TARGETS for name in METHODS)]
    lines = [
        [row["scene"], row["kind"], *(row[name][k] for k in range(len(TARGETS)) for name in METHODS)] for row in rows
    ]
    lines.append(["mean", "", *(sum(line[k] for line in lines) / len(lines) for k in range(2, len(header)))])
    costs = [
        f"{name} {min(row['cost'][name] for row in rows):.1f} to {max(row['cost'][name] for row in rows):.1f}"
        for name in ("noise", "symmetry")
    ]
    sizes = [
        [row["scene"], row["kind"], *(row[name][3] for name in METHODS[:3]), row["raw"], row["resolution"]]
        for row in rows
    ]
    weak = [f"{row['scene']} ({row['kind']}, {row['noise'][1]:.2f})" for row in rows if row["noise"][1] < WEAK]
    return "\n\n".join(
        [
            "## Trust: spread against the true error, and confirmed resolution",
            f"{FRAMES} frames of at most 192 × 192 px, 5 photons of background, 40 at the bright level. Spread from "
            f"{DRAWS} restorations. Spearman correlation with the absolute error: of pixels, of the fifth of them "
            f"with the brightest reference, and of blocks of {BLOCK} × {BLOCK} px. Brightness: the noise at the "
            "brightness of the result, without any restoration. "
            f"CPU time relative to one restoration: {', '.join(costs)}.",
            table(header, lines, [0, 0, *[2] * (len(header) - 2)]),
            f"Bright pixels with a correlation below {WEAK:g} (noise): {', '.join(weak) or 'none'}.",
            "Ratio: root mean square of the spread, divided by that of the error. Confirmed resolution: of the raw "
            "half of the photons, and of the restored one, against the raw other half.",
            table(
                ["scene", "noise", *(f"ratio: {name}" for name in METHODS[:3]), "raw", "restored"],
                sizes,
                [0, 0, 2, 2, 2, 0, 0],
            ),
        ]
    )


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--model", default="fluorescence-movie", help="model of scale 1")
    args = options.parse_args()
    import torch

    torch.set_num_threads(args.threads)
    from benchmarks.harness.scoring import identity

    settings = {"model": identity(args.model), "version": 2}
    jobs = {key: Job(settings, partial(measure, *case, args.model)) for key, case in CASES.items()}
    Benchmark("spread", args, options).run(jobs, section)


if __name__ == "__main__":
    main()
