"""Error of the blur, scale factor and line jitter that `calibrate` measures on simulated images.

Four low images and four other good ones of 256 x 256 px of each kind of scene, with 20 and 200 electrons in bright
pixels of the low images, 2000 in those of the good ones, and 1.5 electrons read noise. Low images are blurred by 0 to
3 px with known pixel sizes, averaged in blocks of 2 x 2 px without known pixel sizes, or scanned with jitter of 0 to
1.2 px. Values that are not determined are counted separately.

    nice python benchmarks/noise_and_trust/optics.py            # about 5 minutes on 1 core
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

sys.path.insert(0, str(Path(__file__).parents[2]))  # the root of the repository

from benchmarks.harness.results import Benchmark, Job, Row, parser, table
from decrappify.crappify import BinDown, LineJitter
from decrappify.noise import Estimate, NoiseModel
from decrappify.noise.optics.measure import measure_optics
from decrappify.samples import Microscope, simulate

KINDS = ("filaments", "cell", "nuclei")
PHOTONS = (20, 200)
BLURS, JITTERS = (0.0, 1.0, 2.0, 3.0), (0.0, 0.3, 0.6, 1.2)
GAIN, OFFSET, READ_NOISE, GOOD_PHOTONS = 1.7, 100.0, 1.5, 2000
N_IMAGES, SIDE = 4, 256
SIZE = (None, 0.1, 0.1)  # micrometers
WHITE = NoiseModel(correlation_y=(Estimate(0.0),) * 5, correlation_x=(Estimate(0.0),) * 5)


def scene(kind: str, seed: int) -> np.ndarray:
    """Return the light (1, Y, X) of one field, 1 in bright pixels."""
    camera = Microscope(haze=0.1)
    movie = simulate(kind, n_frames=1, size=(SIDE, SIDE), seed=seed, microscope=camera)
    return ((np.asarray(movie.truth)[:, 0, 0] - camera.offset) / camera.gain / camera.photons).astype(np.float32)


def record(light: np.ndarray, photons: float, rng: np.random.Generator) -> np.ndarray:
    """Return gray levels."""
    electrons = rng.poisson(np.maximum(light, 0) * photons) + rng.normal(0, READ_NOISE, light.shape)
    return np.rint(GAIN * electrons + OFFSET).astype(np.float32)


def measure(kind: str, seed: int) -> Row:
    """Return the values measured on one kind of scene."""
    rng = np.random.default_rng([seed, 1])
    first = 100 * seed
    low = [scene(kind, first + k) for k in range(N_IMAGES)]
    good = [record(scene(kind, first + 50 + k), GOOD_PHOTONS, rng) for k in range(N_IMAGES)]
    row: Row = {"kind": kind, "seed": seed}
    for photons in PHOTONS:
        for sigma in BLURS:
            blurred = [record(gaussian_filter(one, (0, sigma, sigma)), photons, rng) for one in low]
            row[f"blur {sigma} {photons}"] = measure_optics(blurred, WHITE, good, (SIZE, SIZE)).blur.value
        binned = [record(BinDown(2).apply(one, rng, np.arange(1)), photons, rng) for one in low]
        row[f"scale 2 {photons}"] = measure_optics(binned, WHITE, good).scale_factor.value
        for sigma in JITTERS:
            part = LineJitter(sigma=sigma)
            scanned = [record(part.apply(one, rng, np.arange(1)), photons, rng) for one in low]
            row[f"jitter {sigma} {photons}"] = measure_optics(scanned, WHITE, None).line_jitter.value
    return row


def section(rows: list[Row]) -> str:
    """Format the table of measured values."""
    cells = []
    last = max(row["seed"] for row in rows)
    settings = [("blur", f"{sigma}", sigma) for sigma in BLURS] + [("scale", "2", 2.0)]
    settings += [("jitter", f"{sigma}", sigma) for sigma in JITTERS]
    for name, text, expected in settings:
        for photons in PHOTONS:
            values = [row[f"{name} {text} {photons}"] for row in rows]
            known = np.array([value for value in values if value is not None], np.float64)
            median = float(np.median(known)) if len(known) else None
            worst = float(known[np.argmax(np.abs(known - expected))]) if len(known) else None
            cells.append([name, expected, photons, len(values), len(values) - len(known), median, worst])
    head = ["quantity", "simulated", "electrons", "sets", "not determined", "median", "worst"]
    return "\n\n".join(
        [
            "## Calibration of blur, scale factor and line jitter",
            f"Measured values over {', '.join(KINDS)} and the seeds 1 to {last}; blur and jitter in pixels. Without "
            "blur or jitter, a value that is not determined is correct. The low images have white noise.",
            table(head, cells, (1, 1, 0, 0, 0, 2, 2)),
        ]
    )


def main() -> None:
    """Run the missing rows and write the section."""
    options = parser(__doc__)
    options.add_argument("--seeds", type=int, default=3, help="seeds per kind of scene")
    args = options.parse_args()
    shared = {"photons": PHOTONS, "blurs": BLURS, "jitters": JITTERS, "n_images": N_IMAGES, "side": SIDE}
    jobs = {
        f"{kind} {seed}": Job(shared | {"kind": kind, "seed": seed}, partial(measure, kind, seed))
        for seed in range(1, args.seeds + 1)
        for kind in KINDS
    }
    Benchmark("optics", args, options).run(jobs, section)


if __name__ == "__main__":
    main()
