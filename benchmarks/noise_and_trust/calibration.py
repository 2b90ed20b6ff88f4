"""Error of the measured gain on simulated movies with known gain, and calibration of real movies.

Simulated scenes of three kinds, 20 frames of 256 x 256 px moving 1 px per frame or static, and single images of
512 x 512 px, with 3, 30 and 300 electrons in bright pixels, 1.5 electrons read noise, gain 1.7. Noise is white, or
correlated between neighbors by 0.3 and 0.6. A gain that is not determined counts as an error of 100 %.

The real movies need --data, a folder with noisy/yeast_mitochondria_tz.tif and pairs/acsn_tirf/tirf_200hz_5ms_20f.tif.

    nice python benchmarks/noise_and_trust/calibration.py --data DATA            # about 10 minutes on 1 core
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))  # the root of the repository

from benchmarks.harness.results import Benchmark, Job, Row, parser, table
from decrappify import calibrate, open_movie
from decrappify.crappify import CorrelatedNoise
from decrappify.samples import Microscope, simulate

KINDS = ("filaments", "cell", "nuclei")
PHOTONS = (3, 30, 300)
SIGMAS = {"0": 0.0, "0.3": 0.52, "0.6": 0.714}  # kernels by the correlation of neighbors
GAIN, OFFSET, READ_NOISE = 1.7, 100.0, 1.5
SCENES = {"moving": (20, 256, 1.0), "static": (20, 256, 0.0), "single image": (1, 512, 0.0)}
AIMS = {"moving": 5, "static": 3, "single image": 15}
AIM_CORRELATED = 8


def measure(scene: str, kind: str, seed: int) -> Row:
    """Return the gain errors in percent of one scene for all photon numbers and correlations."""
    n_frames, side, speed = SCENES[scene]
    camera = Microscope(loss_per_frame=0.002)
    movie = simulate(kind, n_frames=n_frames, size=(side, side), speed_px=speed, seed=seed, microscope=camera)
    light = (np.asarray(movie.truth)[:, 0, 0] - camera.offset) / camera.gain / camera.photons
    row: Row = {"scene": scene, "kind": kind, "seed": seed}
    for photons in PHOTONS:
        for name, sigma in SIGMAS.items():
            if scene != "moving" and sigma:
                continue
            noise = CorrelatedNoise(photons=1.0, read_noise=READ_NOISE, sigma=sigma)
            rng = np.random.default_rng([seed, photons, int(1000 * sigma)])
            electrons = noise.apply((light * photons).astype(np.float32), rng, np.arange(n_frames))
            gray = np.clip(np.rint(electrons * GAIN + OFFSET), 0, 65535).astype(np.uint16)
            gain = calibrate(open_movie(gray, axes="TYX")).noise.gain
            row[f"{photons} {name}"] = 100.0 if gain.value is None else 100 * (gain.value / GAIN - 1)
            if gain.valid and gain.value and gain.error:
                row[f"{photons} {name} z"] = (gain.value - GAIN) / gain.error
    return row


def measure_real(data: Path) -> Row:
    """Return the noise of the yeast movie, and the gain of the burst by two methods."""
    yeast = calibrate(data / "noisy" / "yeast_mitochondria_tz.tif").noise
    burst = open_movie(data / "pairs" / "acsn_tirf" / "tirf_200hz_5ms_20f.tif", axes="TYX")
    noise = calibrate(burst).noise
    return {
        "scene": "real",
        "yeast sd": yeast.noise_sd.value,
        "yeast gain": yeast.gain.text(),
        "burst gain": noise.gain.value,
        "burst error": noise.gain.error,
        "burst reference": transfer_fit(np.asarray(burst)[:, 0, 0].astype(np.float64)),
    }


def transfer_fit(frames: np.ndarray) -> float:
    """Return the gain of a static burst by a standard photon-transfer fit.

    The variance of the differences of the first half of the frames, against the mean of the second half, whose noise is
    independent.
    """
    half = len(frames) // 2
    mean = frames[half:].mean(0)
    variance = (np.diff(frames[:half], axis=0) ** 2).mean(0) / 2
    edges = np.linspace(*np.percentile(mean, [1, 99.8]), 16)
    numbers = np.digitize(mean, edges)
    inside = [numbers == k for k in range(1, len(edges)) if (numbers == k).sum() >= 100]
    x, v = (np.array([values[one].mean() for one in inside]) for values in (mean, variance))
    n = np.array([one.sum() for one in inside])
    return float(np.polyfit(x, v, 1, w=np.sqrt(n) / v)[0])


def section(rows: list[Row]) -> str:
    """Format the table of gain errors and the values of the real movies."""
    cells = []
    for scene in SCENES:
        of_scene = [row for row in rows if row["scene"] == scene]
        for photons in PHOTONS:
            for name in SIGMAS:
                key = f"{photons} {name}"
                errors = np.array([row[key] for row in of_scene if key in row])
                if not len(errors):
                    continue
                aim = AIM_CORRELATED if name != "0" else AIMS[scene]
                within = [100 * float((np.abs(errors) <= limit).mean()) for limit in (5, aim)]
                worst = float(errors[np.argmax(np.abs(errors))])
                z = np.array([row[f"{key} z"] for row in of_scene if f"{key} z" in row])
                covered = f"{int((np.abs(z) <= 2).sum())} of {len(z)}"
                cells.append(
                    [
                        scene,
                        photons,
                        name,
                        len(errors),
                        float(np.median(errors)),
                        worst,
                        within[0],
                        aim,
                        within[1],
                        covered,
                    ]
                )
    head = ["scene", "electrons", "correlation", "scenes", "median error, %", "worst, %", "within 5 %, %"]
    parts = [
        "## Calibration of the noise",
        f"Error of the measured gain over {', '.join(KINDS)} and seeds; a gain that is not determined counts as 100 %. "
        "The thresholds of the estimators were chosen on these scenes.",
        "The last column is the number of valid gains within two standard errors.",
        table([*head, "target, %", "within the target, %", "within 2 errors"], cells, 1),
    ]
    for row in rows:
        if row["scene"] == "real":
            parts.append(
                f"Real movies: yeast, noise sd {row['yeast sd']:.2f} gray levels (reference 3), gain "
                f"{row['yeast gain']}; TIRF burst of 20 frames, gain "
                f"{row['burst gain']:.2f} ± {row['burst error']:.2f}, "
                f"by a photon-transfer fit of the static burst {row['burst reference']:.2f}."
            )
    return "\n\n".join(parts)


def main() -> None:
    """Run the missing rows and write the section."""
    options = parser(__doc__)
    options.add_argument("--data", type=Path, help="folder of the real movies")
    options.add_argument("--seeds", type=int, default=3, help="seeds per scene")
    args = options.parse_args()
    shared = {"photons": PHOTONS, "sigmas": list(SIGMAS.values()), "gain": GAIN, "read_noise": READ_NOISE}
    jobs = {
        f"{scene} {kind} {seed}": Job(
            shared | {"scene": scene, "kind": kind, "seed": seed}, partial(measure, scene, kind, seed)
        )
        for seed in range(1, args.seeds + 1)
        for scene in SCENES
        for kind in KINDS
    }
    if args.data is not None:
        jobs["real"] = Job({"scene": "real"}, partial(measure_real, args.data))
    Benchmark("calibration", args, options).run(jobs, section)


if __name__ == "__main__":
    main()
