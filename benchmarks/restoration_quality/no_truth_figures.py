"""Ranking of restorations by metrics without a reference, and the gross failures that these do not show.

Real noisy exposures and degraded held-out images, all with a reference, are restored by a ladder of methods from too
little to too much smoothing, and by results with planted failures (no_truth_methods.py). Every metric is computed
without the reference and compared with the PSNR against it. Gain and correlation of the noise are those of the
simulation, and of real pairs measured from the difference of image and reference, as a laboratory would measure them
from repeated exposures; "gain of the image" uses `calibrate` on the image instead. BM3D is omitted, as the metrics need
up to eleven restorations of every image.

    python benchmarks/restoration_quality/no_truth_figures.py                  # about 70 s of CPU time
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[2]))  # the root of the repository

from benchmarks.harness.ranking import FIGURES, failures_table, ranking_table
from benchmarks.harness.results import Benchmark, Job, Row, parser
from benchmarks.restoration_quality.no_truth_methods import (
    FAILURES,
    GAUSSIANS,
    IMAGES,
    LADDER,
    LEVELS,
    SIDE,
    Case,
    Ladder,
    another_field,
    cases,
    masked,
    region,
)

Array = NDArray[Any]
Values = dict[str, float | None]
CORRELATED = 0.1  # from this correlation of neighbors, the noise counts as correlated
GAIN_ERRORS = {"gain - 20 %": 0.8, "gain + 20 %": 1.2}
_STEP = 0.2  # added noise of the risk estimate, relative to the noise of the image
_TENTH = 0.1


def measure(name: str, model: str) -> Row:
    """Compute the PSNR and all figures of every restoration of one image."""
    from decrappify import restore_array
    from decrappify.metrics.fidelity import psnr, ssim

    case = cases()[name]()
    gain, intercept, correlation = case.gain, case.intercept, correlation_of(case)
    shown = region(case.truth)
    image, truth = case.source[shown], case.truth[shown]
    ladder = Ladder(
        truth,
        another_field(case.truth, shown),
        lambda noisy: restore_array(noisy.astype(np.float32), model).astype(np.float64),
    )
    results = ladder(image)
    width = float(np.ptp(truth))
    figures = blind_figures(image, results, gain, intercept)
    figures |= photon_figures(image, results, ladder, (gain, intercept), correlation)
    own = own_gain(case.source)
    if own is not None:
        figures["own halves"] = halves_figures(image, ladder, own, 0.0)[0]
    row: Row = {"image": name, "gain": gain, "intercept": intercept, "correlation": correlation}
    row["own gain"] = None if own is None else own[0]
    row["psnr"] = {key: round(float(psnr(result, truth, data_range=width)), 3) for key, result in results.items()}
    row["ssim"] = {key: round(float(ssim(result, truth, data_range=width)), 4) for key, result in results.items()}
    row["figures"] = {key: {name: _plain(value) for name, value in values.items()} for key, values in figures.items()}
    return row


def _plain(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(f"{value:.6g}")


def correlation_of(case: Case) -> float:
    """Return the correlation of the noise of neighbors, from the difference to the reference."""
    from scipy.ndimage import gaussian_filter

    residual = case.source - case.truth
    fine = residual - gaussian_filter(residual, 4)
    fine -= fine.mean()
    products = ((fine[1:] * fine[:-1]).mean() + (fine[:, 1:] * fine[:, :-1]).mean()) / 2
    return float(max(0.0, products / np.square(fine).mean()))


def own_gain(source: Array) -> tuple[float, float] | None:
    """Return gain and intercept that `calibrate` measures in the image alone; None if it does not determine them."""
    from decrappify import calibrate

    noise = calibrate(source.astype(np.float32)).noise
    gain, intercept = noise.gain.value, noise.intercept.value
    return None if gain is None or intercept is None else (gain, intercept)


def blind_figures(image: Array, results: Mapping[str, Array], gain: float, intercept: float) -> dict[str, Values]:
    """Compute the figures that need no other restoration."""
    from decrappify.metrics.decorrelation import decorrelation_resolution
    from decrappify.metrics.no_reference.blind import noise_sigma, residual_autocorrelation

    variance = float(variance_map(image, gain, intercept).mean())

    def whiteness(result: Array) -> float | None:
        return abs(residual_autocorrelation(image, result)) if np.ptp(image - result) > 0 else None

    def removed(result: Array, expected: float) -> float | None:
        found = float(np.var(image - result))
        return abs(math.log(found / expected)) if found > 0 else None

    def together(result: Array) -> float | None:
        both = whiteness(result), removed(result, variance)
        return None if None in both else math.hypot(*both)  # type: ignore[arg-type]

    functions: dict[str, Callable[[Array], float | None]] = {
        "noise": noise_sigma,
        "whiteness": whiteness,
        "removed, estimated noise": partial(removed, expected=noise_sigma(image) ** 2),
        "removed": partial(removed, expected=variance),
        "whiteness and removed": together,
        "decorrelation": lambda result: decorrelation_resolution(result).resolution_px if np.ptp(result) > 0 else None,
    }
    return {key: {name: function(result) for name, result in results.items()} for key, function in functions.items()}


def variance_map(image: Array, gain: float, intercept: float) -> Array:
    """Return the variance of the noise at the smoothed brightness."""
    from scipy.ndimage import gaussian_filter

    return np.asarray(np.maximum(gain * gaussian_filter(image, 2) + intercept, 1e-9))


def photon_figures(
    image: Array, results: Mapping[str, Array], ladder: Ladder, camera: tuple[float, float], correlation: float
) -> dict[str, Values]:
    """Compute the figures that restore a part of the photons, or an image with other noise."""
    found: dict[str, Values] = {}
    known = correlation if correlation >= CORRELATED else 0.0
    found["halves"], found["confirmed"] = halves_figures(image, ladder, camera, 0.0)
    again = halves_figures(image, ladder, camera, known) if known else (found["halves"], found["confirmed"])
    found["halves, correlation"], found["confirmed, correlation"] = again
    for name, factor in GAIN_ERRORS.items():
        found[name] = halves_figures(image, ladder, (factor * camera[0], factor * camera[1]), known)[0]
    found["tenth"] = tenth_figure(image, ladder, camera)
    found["masked"] = masked_figure(image, ladder)
    found["risk"] = risk_figure(image, results, ladder, camera, known)
    return found


def halves_figures(
    image: Array, ladder: Ladder, camera: tuple[float, float], correlation: float
) -> tuple[Values, Values]:
    """Restore one half: its estimated squared error, and the resolution confirmed by the other half."""
    from decrappify.metrics.no_reference.held_out import held_out_error
    from decrappify.metrics.resolution import BETWEEN_HALVES, cross_frc
    from decrappify.noise.pixels.splitting import NoiseSplitter
    from decrappify.noise.simulation import kernel_sigma

    width = kernel_sigma(correlation)
    # At the brightness of the image, for which the planted failures are made.
    one, two = NoiseSplitter(*camera, (width, width)).split(image, 0.5, np.random.default_rng(1))
    restored = ladder(one)
    errors: Values = {name: held_out_error(result, one, two) for name, result in restored.items()}
    confirmed: Values = {
        name: cross_frc(result, two).resolution_px(BETWEEN_HALVES) if np.ptp(result) > 0 else None
        for name, result in restored.items()
    }
    return errors, confirmed


def tenth_figure(image: Array, ladder: Ladder, camera: tuple[float, float]) -> Values:
    """Restore nine tenths of the photons: squared difference from the last tenth."""
    gain, offset = camera[0], -camera[1] / camera[0]
    rng = np.random.default_rng(2)
    photons = np.maximum(np.rint((image - offset) / gain), 0).astype(np.int64)
    kept = rng.binomial(photons, 1 - _TENTH)
    held_out = gain * (photons - kept) / _TENTH + offset
    return {
        name: float(np.mean((r - held_out) ** 2)) for name, r in ladder(gain * kept / (1 - _TENTH) + offset).items()
    }


def masked_figure(image: Array, ladder: Ladder) -> Values:
    """Predict pixels from their neighborhood: squared difference from these pixels (Batson and Royer 2019)."""
    totals: Values = {}
    for hidden, mask in masked(image):
        for name, result in ladder(hidden).items():
            totals[name] = (totals.get(name) or 0.0) + float(np.mean((result - image)[mask] ** 2))
    return totals


def risk_figure(
    image: Array, results: Mapping[str, Array], ladder: Ladder, camera: tuple[float, float], correlation: float
) -> Values:
    """Estimate the squared error by Stein's unbiased risk estimate (Ramani et al. 2008), with the known covariance."""
    from scipy.ndimage import gaussian_filter

    from decrappify.noise.simulation import kernel_sigma

    white = np.random.default_rng(3).normal(size=image.shape)
    noise = gaussian_filter(white, kernel_sigma(correlation))
    variance = variance_map(image, *camera)
    noise *= np.sqrt(variance) / noise.std()
    found: Values = {}
    for name, moved in ladder(image + _STEP * noise).items():
        divergence = float(np.mean(noise * (moved - results[name]))) / _STEP
        found[name] = float(np.mean((image - results[name]) ** 2)) + 2 * divergence - float(variance.mean())
    return found


def section(rows: list[Row]) -> str:
    """Format the ranking of the ladder and the failures, for independent and for correlated noise."""
    independent = [row for row in rows if row["correlation"] < CORRELATED]
    correlated = [row for row in rows if row["correlation"] >= CORRELATED]
    about = (
        f"{len(rows)} images: {len(independent)} with independent noise, {len(correlated)} with correlated noise. "
        f"Ladder of {len(LADDER)} restorations: {', '.join(LADDER)}. Per image: Spearman and Kendall correlation of "
        "the metric with the PSNR against the reference (1: same order), and with SSIM, share of the pairs of "
        "restorations in the right order (of those that differ by 0.3 dB or more), share of the images on which the "
        "restoration with the best metric is within 0.3 dB of the best one, and the PSNR lost by this choice. Model "
        "or Gaussian: share of the images on which the metric has the right order of the model and the best Gaussian "
        "of the ladder (of those that differ by 0.1 dB or more). Ties count half."
    )
    parts = [
        "## Metrics without a reference",
        about,
        "Metrics: " + "; ".join(f"*{figure.label}*: {figure.about}" for figure in FIGURES.values()) + ".",
    ]
    for title, chosen in (("Independent noise", independent), ("Correlated noise", correlated)):
        if chosen:
            parts += [f"### {title}: ranking", ranking_table(chosen, LADDER, GAUSSIANS)]
            parts += [f"### {title}: gross failures that are seen", failures_table(chosen, FAILURES)]
    return "\n\n".join(part for part in parts if part)


def jobs_for(args: Any) -> dict[str, Job]:
    """Return one row per image."""
    from benchmarks.harness.scoring import identity

    settings = {"model": identity(args.model), "side": SIDE, "ladder": LADDER, "failures": FAILURES, "version": 2}
    return {
        name: Job(settings | {"level": LEVELS.get(name.partition(", ")[2]), "file": IMAGES.get(name.partition(",")[0])},
                  partial(measure, name, args.model))
        for name in cases()
    }  # fmt: skip


def main() -> None:
    """Run the missing rows and write the section."""
    options = parser(__doc__)
    options.add_argument("--model", default="fluorescence-still", help="model of 1 frame")
    args = options.parse_args()
    import logging

    import torch

    torch.set_num_threads(args.threads)
    logging.getLogger("decrappify").setLevel(logging.ERROR)  # warnings about inputs outside of the learned range
    benchmark = Benchmark("no_truth_figures", args, options)
    benchmark.run(jobs_for(args), section)


if __name__ == "__main__":
    main()
