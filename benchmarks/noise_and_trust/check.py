"""Agreement of the verdicts of `check` with comparisons with a reference, for suitable and for wrong models.

`check` gets the noisy data only. The true difference is that of the restoration of all photons and the best Gaussian
filter against the reference: PSNR, or SI-PSNR for the real pairs whose gray levels differ. Differences up to 0.2 dB
are counted as equal. "blurred" is the suitable model followed by a Gaussian filter of 2 px, "sharpened" by an unsharp
mask that doubles the contrast of fine structure. Models of scale 4 are compared on the grid of the data.

    python benchmarks/noise_and_trust/check.py                     # about 15 minutes
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the root of the repository

from benchmarks.harness import corpus
from benchmarks.harness.results import Benchmark, Job, Row, parser, table

FRAMES, SIDE, EQUAL_DB = 12, 384, 0.2
MOVIE, STILL, EM, EM_X4 = "fluorescence-movie", "fluorescence-still", "em-denoise", "em-x4"
FAULTS = {"blurred": (2.0, -1.0), "sharpened": (2.0, 1.0)}  # sigma in pixels, factor of the difference from the blurred
SIMULATED = ("cell", "vesicles")
STILLS = (corpus.TEST_STILLS[0], *corpus.TEST_STILLS[2:], corpus.UNUSED_STILLS[2])
GAIN, OFFSET, READ, KERNEL = 2.2, 100.0, 1.6, 0.7  # of simulated scenes: as in trust.py
BRIGHT, BACKGROUND = 40.0, 5.0  # photons


def cases() -> dict[str, tuple[str, ...]]:
    """Return the models of each data set."""
    from benchmarks.restoration_quality.real_noise import PAIRS

    found = {f"pair {name}": (STILL, EM, f"{STILL} blurred") for name in PAIRS}
    for kind in SIMULATED:
        found[f"simulated {kind}, white"] = (MOVIE, EM)
        found[f"simulated {kind}, correlated"] = (MOVIE, EM)
    found |= {f"{name}, 10 photons": (MOVIE, EM) for name in corpus.TEST_MOVIES}
    found[f"{corpus.TEST_MOVIES[0]}, 40 photons"] = (MOVIE, EM)
    found[f"{corpus.TEST_MOVIES[0]}, 10 photons"] += (EM_X4,)
    for label in (f"simulated {SIMULATED[0]}, white", f"{corpus.TEST_MOVIES[1]}, 10 photons"):
        found[label] += tuple(f"{MOVIE} {fault}" for fault in FAULTS)
    found |= {f"{name}, 10 photons": (STILL, EM) for name in STILLS}
    found[f"{STILLS[0]}, 40 photons"] = (STILL, EM)
    return found | {f"{name}, EM, strong noise": (EM, STILL, EM_X4) for name in corpus.TEST_EM}


def data(label: str) -> tuple[Any, Any, bool]:
    """Return source and reference (T, Y, X), and whether gray levels have to be fitted."""
    import numpy as np

    from benchmarks.harness.scoring import EM_LEVELS, LEVELS, degrade, truths
    from benchmarks.restoration_quality.real_noise import PAIRS

    if label.startswith("pair "):
        name = label.removeprefix("pair ")
        source, truth = (np.asarray(corpus.load(f"pairs/{path}"))[0, 0, :1] for path in PAIRS[name])
        return source, truth.astype(np.float32), not name.startswith("FMD")
    if label.startswith("simulated "):
        return *simulated(*label.removeprefix("simulated ").split(", ")), False
    name, _, level = label.partition(", ")
    truth = next(iter(truths(name, FRAMES, SIDE).values()))
    return degrade(truth, (LEVELS | EM_LEVELS)[level], seed=1), truth, False


def simulated(kind: str, noise: str) -> tuple[Any, Any]:
    """Return source and reference of a simulated scene with known noise."""
    import numpy as np

    from decrappify.crappify.camera import correlate
    from decrappify.samples import simulate

    signal = np.asarray(simulate(kind, n_frames=FRAMES, size=(192, 192), seed=3).truth, np.float32)[:, 0, 0]
    low, high = np.percentile(signal, (1, 99.8))
    photons = BACKGROUND + (BRIGHT - BACKGROUND) * np.clip((signal - low) / (high - low), 0, None)
    rng = np.random.default_rng(1)
    if noise == "correlated":
        field = correlate(rng.standard_normal(photons.shape, dtype=np.float32), (KERNEL, KERNEL))
        electrons = photons + np.sqrt(photons + READ**2) * field
    else:
        electrons = rng.poisson(photons) + READ * rng.standard_normal(photons.shape)
    return np.rint(OFFSET + GAIN * electrons).astype(np.uint16), (OFFSET + GAIN * photons).astype(np.float32)


def loaded(name: str) -> Any:
    """Return a shipped model, with a fault if its name contains one."""
    from decrappify import load_model
    from decrappify.model import Model

    name, _, fault = name.partition(" ")
    model = load_model(name)
    if not fault:
        return model
    return Model(faulty(model.network, *FAULTS[fault]), model.normalization, model.crappifier, model.card)


def faulty(inner: Any, sigma: float, factor: float) -> Any:
    """Return a network that adds `factor` times the difference of the result from a blurred one."""
    import torch
    from torch.nn import functional

    from decrappify.networks.spec import RestorationNetwork

    class Faulty(RestorationNetwork):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.spec, self.architecture = inner, inner.spec, inner.architecture
            at = torch.arange(-8, 9, dtype=torch.float32)
            kernel = torch.exp(-(at**2) / (2 * sigma**2))
            self.register_buffer("kernel", torch.outer(kernel, kernel)[None, None] / kernel.sum() ** 2)

        def forward(self, source: torch.Tensor) -> torch.Tensor:
            result = self.inner(source)
            blurred = functional.conv2d(functional.pad(result, (8, 8, 8, 8), "replicate"), self.kernel)
            return result + factor * (result - blurred)

    return Faulty()


def measure(label: str, names: Sequence[str]) -> Row:
    """Check all models on one data set, and compare them with its reference."""
    import time

    import numpy as np

    from decrappify import Movie, calibrate, check
    from decrappify.checking.forward import forward_of
    from decrappify.metrics.baselines import best_gaussian
    from decrappify.metrics.fidelity import psnr, si_psnr

    source, truth, fit = data(label)
    movie, width = Movie.from_array(source, "TYX", name="movie"), 255.0 if "FMD" in label else float(np.ptp(truth))
    noise = calibrate(movie)
    row: Row = {"data": label, "gain_valid": noise.noise.gain.valid, "models": {}}
    for name in names:
        model = loaded(name)
        in_time = model.n_frames > 1
        gaussian = best_gaussian(source, truth, data_range=width, fit_levels=fit, in_time=in_time).psnr
        forward = forward_of(model)
        assert not isinstance(forward, str)
        restored = np.stack([forward(frame) for frame in full(movie, model)])
        started = time.process_time()
        found = check(movie, model, noise)
        row["models"][name] = {
            "true_db": float((si_psnr if fit else psnr)(restored, truth, data_range=width)) - gaussian,
            "verdict": found.verdict,
            "reason": found.reason,
            "outside": [one.feature for one in found.deviations or ()],
            "gain_db": found.held_out and found.held_out.gain_db,
            "gain_error_db": found.held_out and found.held_out.gain_error_db,
            "least_db": found.held_out and found.held_out.least_db,
            "shared": found.held_out and found.held_out.shared,
            "cpu_seconds": round(time.process_time() - started, 1),
        }
    return row


def full(movie: Any, model: Any) -> Any:
    """Restore all frames, as float32."""
    import numpy as np

    from decrappify import RestorationOptions, restore

    return np.asarray(restore(movie, model, options=RestorationOptions(dtype="float32")))[:, 0, 0]


def truth_of(decibels: float) -> str:
    """Return what a verdict should be."""
    return "similar" if abs(decibels) <= EQUAL_DB else "better" if decibels > 0 else "worse"


def section(rows: list[Row]) -> str:
    """Format the numbers of each verdict, and all rows."""
    every = [(row["data"], name, one) for row in rows for name, one in row["models"].items()]
    counts = Counter((truth_of(one["true_db"]), one["verdict"]) for _, _, one in every)
    kinds, verdicts = ("better", "similar", "worse"), ("better", "similar", "worse", "untested")
    tested = [entry for entry in every if entry[2]["verdict"] != "untested"]
    agreeing = [entry for entry in tested if truth_of(entry[2]["true_db"]) == entry[2]["verdict"]]
    opposite = [
        f"{name} on {label} ({one['true_db']:+.2f} dB, verdict {one['verdict']})"
        for label, name, one in tested
        if {truth_of(one["true_db"]), one["verdict"]} == {"better", "worse"}
    ]
    lines = [[label, name, one["true_db"], _gain(one), one["verdict"], ", ".join(one["outside"])]
             for label, name, one in every]  # fmt: skip
    head = ["data", "model", "true, dB", "held-out, dB", "verdict", "outside of the learned range"]
    reasons = dict.fromkeys(
        f"{label}: {one['reason'] or 'the difference is smaller than its uncertainty'}"
        for label, _, one in every
        if one["verdict"] == "untested"
    )
    seconds = [one["cpu_seconds"] for _, _, one in every]
    return "\n\n".join(
        [
            "## Check of movies against a reference",
            f"`check` of {len(every)} pairs of data and model; {len(tested)} are tested, of which {len(agreeing)} have "
            f"the verdict of the comparison with the reference (difference from the best Gaussian filter above 0.2 dB, "
            f"within, or below), and {len(opposite)} the opposite one{': ' if opposite else ''}{'; '.join(opposite)}. "
            f"Time of a check without the calibration: {min(seconds):.0f} to {max(seconds):.0f} CPU seconds.",
            table(
                ["with the reference", *(f"verdict {name}" for name in verdicts)],
                [[kind, *(counts[kind, verdict] for verdict in verdicts)] for kind in kinds],
            ),
            table(head, lines),
            "Not tested:\n\n" + "\n".join(f"- {text}" for text in reasons),
        ]
    )


def _gain(one: Row) -> str | None:
    if one["gain_db"] is not None:
        return f"{one['gain_db']:+.2f} ± {one['gain_error_db']:.2f}"
    if one["verdict"] not in ("better", "worse"):
        return None
    sign = "+" if one["verdict"] == "better" else "−"
    return f"at least {sign}{one['least_db']:.2f}" if one["least_db"] >= 0.05 else f"{sign}, not determined"


def jobs_for() -> dict[str, Job]:
    """Return one row per data set."""
    from benchmarks.harness.scoring import identity

    jobs = {}
    for label, names in cases().items():
        settings = {"models": {name: identity(name.partition(" ")[0]) for name in names}, "frames": FRAMES}
        jobs[label] = Job(settings, partial(measure, label, names))
    return jobs


def main() -> None:
    """Run the missing rows and write the section."""
    options = parser(__doc__)
    args = options.parse_args()
    import torch

    torch.set_num_threads(args.threads)
    Benchmark("check", args, options).run(jobs_for(), section)


if __name__ == "__main__":
    main()
