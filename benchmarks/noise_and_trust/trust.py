"""Spots planted in a restoration, or erased from it, that the trust map contradicts, and its false alarms.

Simulated scenes and real movies are degraded with known noise, independent or correlated between neighboring pixels,
and restored; raw movies are restored without a reference. 12 spots (sigma 1.3 px) per frame are added to the result
("false"), or to the data only ("erased"), with a peak of 10 photons, and of the detection limit at their place. Texture
is a pattern with a period of 2 pixels in the whole result, of half of the standard deviation of the noise. The noise is
the true one, or that of `calibrate`.
False alarms are the regions of 16 × 16 px with a contradicted pixel if nothing is planted: with the reference in place
of the result, where any is false, and with the restoration, where it may be an error of the network.

    python benchmarks/noise_and_trust/trust.py                     # about 2 minutes
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the root of the repository

from benchmarks.harness.results import Benchmark, Job, Row, parser, table

SCENES = ("5 photons, flat", "simulated vesicles", "simulated cell", "microglia", "cancer nuclei")
RAW = ("telomeres (raw)", "yeast mitochondria (raw)")
CASES = {f"{scene}, {noise}": (scene, noise) for scene in SCENES for noise in ("white", "correlated")}
CASES |= {f"{scene}, camera": (scene, "camera") for scene in RAW}
CASES = {f"{key}, {known}": (*case, known) for key, case in CASES.items() for known in ("true", "calibrated")
         if (case[1], known) != ("camera", "true")}  # fmt: skip
FILES = {
    "microglia": "movies/microglia_maxproj_122f.tif",
    "cancer nuclei": "movies/cancer_cell_nuclei_48f.tif",
    "telomeres (raw)": "noisy/telomeres_200f.tif",
    "yeast mitochondria (raw)": "noisy/yeast_mitochondria_tz.tif",
}
FRAMES, EVALUATED, SIDE, SPOTS, SIGMA, PEAK = 10, 2, 192, 12, 1.3, 10.0
GAIN, OFFSET, READ, BLUR = 2.2, 100.0, 1.6, 0.7  # gray levels per electron, gray level, electrons, px
BACKGROUND, BRIGHT = 5.0, 40.0  # photons
TEXTURE = 0.5  # of the standard deviation of the noise


def reference(scene: str) -> Any:
    """Return the expected gray levels (T, Y, X) of a scene: 5 photons of background, and 40 at the bright level."""
    import numpy as np

    from benchmarks.harness import corpus
    from decrappify.samples import simulate

    if scene in FILES:
        signal = np.asarray(corpus.load(FILES[scene])[:FRAMES], np.float32)[:, 0, 0]
        y, x = ((length - SIDE) // 2 if length > SIDE else 0 for length in signal.shape[1:])
        signal = signal[:, y : y + SIDE, x : x + SIDE]
    elif scene.startswith("simulated"):
        simulated = simulate(scene.split()[1], n_frames=FRAMES, size=(SIDE, SIDE), seed=3).truth
        signal = np.asarray(simulated, np.float32)[:, 0, 0]
    else:
        return np.full((FRAMES, SIDE, SIDE), BACKGROUND * GAIN + OFFSET, np.float32)
    low, high = np.percentile(signal, [1, 99.8])
    return (np.clip((signal - low) / (high - low), 0, None) * BRIGHT + BACKGROUND) * GAIN + OFFSET


def exposed(expected: Any, correlated: bool, rng: Any) -> Any:
    """Return the camera's gray levels of an expected movie."""
    import numpy as np
    from scipy.ndimage import gaussian_filter

    electrons = (expected - OFFSET) / GAIN
    if correlated:
        field = gaussian_filter(rng.standard_normal(expected.shape), (0, BLUR, BLUR), mode="wrap")
        noisy = electrons + field / field.std() * np.sqrt(electrons + READ**2)
    else:
        noisy = rng.poisson(electrons) + READ * rng.standard_normal(expected.shape)
    return np.clip(np.rint(noisy * GAIN + OFFSET), 0, 65535).astype(np.uint16)


def true_noise(correlated: bool) -> Any:
    """Return the noise model of `exposed`."""
    import numpy as np

    from decrappify.noise import Estimate, NoiseModel

    lags = tuple(
        Estimate(float(np.exp(-(lag**2) / (4 * BLUR**2))) if correlated else float(lag == 0)) for lag in range(5)
    )
    return NoiseModel(
        gain=Estimate(GAIN),
        intercept=Estimate((READ * GAIN) ** 2 - GAIN * OFFSET),
        read_noise=Estimate(READ * GAIN),
        correlation_y=lags,
        correlation_x=lags,
        levels=(OFFSET + BACKGROUND * GAIN, OFFSET + (BACKGROUND + BRIGHT) * GAIN),
    )


def spots(shape: tuple[int, ...], rng: Any) -> tuple[Any, list[tuple[int, int]]]:
    """Return an image of spots with peak 1, and their pixels, at least 20 px apart."""
    import numpy as np

    image = np.zeros(shape, np.float32)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    grid = [(y, x) for y in range(12, shape[0] - 12, 28) for x in range(12, shape[1] - 12, 28)]
    places = [grid[k] for k in rng.permutation(len(grid))[:SPOTS]]
    pixels = []
    for y, x in places:
        y, x = (value + rng.uniform(-4, 4) for value in (y, x))
        image += np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * SIGMA**2)).astype(np.float32)
        pixels.append((round(y), round(x)))
    return image, pixels


def at(image: Any, pixels: Sequence[tuple[int, int]]) -> list[int]:
    """Return the highest label within 1 px of each pixel."""
    return [int(image[y - 1 : y + 2, x - 1 : x + 2].max()) for y, x in pixels]


def regions(labels: Any) -> float:
    """Return the share of regions of 16 × 16 px with a contradicted pixel."""
    import numpy as np

    from decrappify.trust import Label

    found = labels[: labels.shape[0] // 16 * 16, : labels.shape[1] // 16 * 16] == Label.CONTRADICTED
    return float(np.mean(found.reshape(found.shape[0] // 16, 16, -1, 16).any((1, 3))))


def measure(scene: str, noise: str, known: str, model: str) -> Row:
    """Plant and erase spots in one scene."""
    import numpy as np

    from benchmarks.harness import corpus
    from decrappify import calibrate, load_model, restore_array
    from decrappify.errors import InputError
    from decrappify.noise.pixels.splitting import NoiseSplitter
    from decrappify.noise.pixels.variance import excess_variance
    from decrappify.trust import evaluate_plane, plane_noise

    rng = np.random.default_rng(0)
    row: Row = {"scene": scene, "noise": noise, "known": known, "models": load_model(model).name}
    expected = None
    if noise == "camera":
        movie = corpus.load(FILES[scene]).select(channels=0)
        data = np.asarray(movie[:FRAMES])[:, 0, 0][:, :SIDE, :SIDE]
    else:
        expected = reference(scene)
        data = exposed(expected, noise == "correlated", rng)
        movie = data
    try:
        started = time.process_time()
        model_of_noise = true_noise(noise == "correlated") if known == "true" else calibrate(movie).noise
        terms = plane_noise(model_of_noise, scene, measured_here=known != "true")
        if noise == "camera":
            excess = excess_variance(movie, 0, NoiseSplitter.of(model_of_noise))
            row["pixels"] = excess is not None
            terms = replace(terms, excess=None if excess is None else excess[:SIDE, :SIDE])
        row["gain"] = terms.gain / GAIN if noise != "camera" else terms.gain
    except InputError as error:
        return row | {"refused": str(error)}
    calibration = time.process_time() - started
    started = time.process_time()
    flat = scene.endswith("flat")
    result = expected[: EVALUATED + 2] if flat else restore_array(data[: EVALUATED + 2], model).astype(np.float32)
    restoration, seconds, values = time.process_time() - started, 0.0, []
    for t in range(1, 1 + EVALUATED):
        started = time.process_time()
        plain = evaluate_plane(data[t], result[t], terms)
        seconds += time.process_time() - started
        image, pixels = spots(data[t].shape, rng)
        limit = image * np.float32(np.mean([plain.limit[place] for place in pixels]))
        value = {
            "restored": regions(plain.labels),
            "reference": None if expected is None else regions(evaluate_plane(data[t], expected[t], terms).labels),
            "limit": float(np.median(plain.limit)),
            "labels": [float(np.mean(plain.labels == label)) for label in (1, 2, 3)],
        }
        pattern = TEXTURE * (-1.0) ** np.indices(plain.labels.shape).sum(0) * np.sqrt(terms.variance(result[t]))
        texture = evaluate_plane(data[t], result[t] + pattern.astype(np.float32), terms).labels
        value["texture"] = [float(np.mean(texture == label)) for label in (1, 2, 3)]
        for name, shape in (("10", PEAK * image), ("limit", limit)):
            photons = terms.gain * shape
            false = evaluate_plane(data[t], result[t] + photons, terms)
            value[f"false {name}"] = at(false.labels, pixels)
            light = data[t] + np.rint(terms.gain * rng.poisson(shape))
            value[f"erased {name}"] = at(evaluate_plane(light, result[t], terms).labels, pixels)
        values.append(value)
    for name in ("false 10", "false limit", "erased 10", "erased limit"):
        found = np.array([value[name] for value in values])
        row[name] = float(np.mean(found == 3))
        row[f"{name} confirmed"] = float(np.mean(found == 1))
    for name in ("restored", "limit"):
        row[name] = float(np.mean([value[name] for value in values]))
    row["texture"] = np.mean([value["texture"] for value in values], axis=0).round(4).tolist()
    row["reference"] = None if expected is None else float(np.mean([value["reference"] for value in values]))
    row["labels"] = np.mean([value["labels"] for value in values], axis=0).round(4).tolist()
    if not flat:
        row["cost"] = seconds / EVALUATED / (restoration / (EVALUATED + 2))
    return row | {"calibration_s": calibration}


def section(rows: Sequence[Row]) -> str:
    """Format the tables."""
    tested = [row for row in rows if "refused" not in row]
    spots_found = ("false 10", "false 10 confirmed", "false limit", "erased 10", "erased limit")
    header = ["scene", "noise", "noise model", "limit", "false 10", "false 10, confirmed", "false at limit",
              "erased 10", "erased at limit", "texture", "false alarms, reference", "restoration",
              "confirmed", "untestable", "cost"]  # fmt: skip
    lines = [
        [row["scene"], row["noise"], row["known"], row["limit"],
         *(100 * row[name] for name in spots_found), 100 * row["texture"][2],
         *(None if row[name] is None else 100 * row[name] for name in ("reference", "restored")),
         100 * row["labels"][0], 100 * row["labels"][1], row.get("cost")]
        for row in tested
    ]  # fmt: skip
    refused = [f"- {row['scene']}, {row['noise']}: {row['refused']}" for row in rows if "refused" in row]
    return "\n\n".join(
        [
            "## Trust: false and erased spots that the data contradict",
            f"{SPOTS} spots of sigma {SIGMA} px in each of {EVALUATED} frames of {SIDE} × {SIDE} px, with "
            f"{BACKGROUND:g} photons of background, {BRIGHT:g} at the bright level and {READ} electrons of read noise. "
            "Limit: median detection limit in photons. False, erased: % of the spots that are contradicted, of 10 "
            "photons and of the detection limit. Texture: % of the pixels that are contradicted if a pattern of "
            f"{TEXTURE:g} standard deviations of the noise is added to the result. False alarms: % of the regions if "
            "nothing is planted, with the reference and with the restoration as the result. Confirmed, untestable: % "
            "of the pixels of the restoration. Cost: CPU time relative to the restoration. "
            f"Model: {', '.join(dict.fromkeys(row['models'] for row in rows))}.",
            table(header, lines, [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 2]),
            *(["Not tested, with the message:\n\n" + "\n".join(refused)] if refused else []),
        ]
    )


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--model", default="fluorescence-movie", help="model of 3 frames")
    args = options.parse_args()
    import torch

    torch.set_num_threads(args.threads)
    from benchmarks.harness.scoring import identity

    settings = {"model": identity(args.model), "version": 2}
    jobs = {key: Job(settings, partial(measure, *case, args.model)) for key, case in CASES.items()}
    Benchmark("trust", args, options).run(jobs, section)


if __name__ == "__main__":
    main()
