"""The figures of the report: their order, their names, and what a good value is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

HIGH, LOW, ONE, ZERO = "high", "low", "one", "zero"


class Figure(NamedTuple):
    """One line of the table.

    Attributes
    ----------
    better : {"high", "low", "one", "zero", ""}
        What is good; "" for figures that are no competition.
    """

    key: str
    label: str
    unit: str
    better: str
    meaning: str


SECTIONS: tuple[tuple[str, tuple[Figure, ...]], ...] = (
    (
        "Fidelity",
        (
            Figure("psnr", "PSNR", "dB", HIGH, "mean squared error over the data range D"),
            Figure("si_psnr", "SI-PSNR", "dB", HIGH, "PSNR after the best gain and offset; blind to both"),
            Figure("nrmse", "NRMSE, affine", "", LOW, "error after the best gain and offset, over p99.9 - p0.1"),
            Figure("slope", "affine slope", "", ONE, "gain that fits the result to the truth"),
            Figure("linearity_slope", "linearity slope", "", ONE, "under 1: contrast is compressed"),
            Figure(
                "linearity_deviation_percent", "linearity deviation", "%", LOW, "largest stray from a straight line"
            ),
        ),
    ),
    (
        "Structure",
        (
            Figure("ssim", "SSIM", "", HIGH, "Wang 2004; dark background lifts it"),
            Figure("ms_ssim", "MS-SSIM", "", HIGH, "SSIM over several scales"),
            Figure("micro_ssim", "MicroSSIM", "", HIGH, "SSIM without background, one gain for the dataset"),
            Figure("foreground_ssim", "foreground SSIM", "", HIGH, "SSIM above the truth's Otsu threshold"),
        ),
    ),
    (
        "Detail",
        (
            Figure("frc_px", "FRC resolution", "px", LOW, "against the truth, threshold 0.5; 2 px is the grid's limit"),
            Figure("band_coarse_db", "power, coarse", "dB", ZERO, "restored over true power, 0.05-0.125 cycles/px"),
            Figure("band_middle_db", "power, middle", "dB", ZERO, "the same, 0.125-0.25 cycles/px"),
            Figure("band_fine_db", "power, fine", "dB", ZERO, "the same, 0.25-0.45; above 0: noise or invention"),
            Figure("confirmed_px", "confirmed resolution", "px", LOW, "restored half against the raw other half, 1/7"),
        ),
    ),
    (
        "Movie",
        (
            Figure("tde", "TDE", "", LOW, "error of frame differences; 1 is a frozen movie"),
            Figure("tdr", "TDR", "", ONE, "strength of frame differences; under 1: ghosting"),
            Figure("flicker_floor", "flicker floor", "of D", LOW, "change where nothing moves; a frozen movie has 0"),
            Figure("flicker_ratio", "flicker / input", "", LOW, "the same, over the input's"),
            Figure("gain_jitter", "gain jitter", "", LOW, "spread of the frames' gains"),
        ),
    ),
    (
        "Without the truth",
        (
            Figure("noise_sigma", "noise estimate", "grey", "", "left in the result; over-smoothing lowers it too"),
            Figure("residual_autocorrelation", "residual whiteness", "", ZERO, "above 0: structure was taken away"),
        ),
    ),
    ("Cost", (Figure("megapixels_per_s", "speed", "MP/s", "", "output megapixels per second on this machine"),)),
)
FIGURES = {figure.key: figure for _, figures in SECTIONS for figure in figures}
HEADLINES = ("psnr", "ssim", "micro_ssim", "frc_px")


def best_of(key: str, values: Mapping[str, float]) -> str | None:
    """Name the method with the best value of a figure; None where there is nothing to win.

    >>> best_of("tdr", {"a": 0.7, "b": 1.1}), best_of("noise_sigma", {"a": 1.0, "b": 2.0})
    ('b', None)
    """
    better = FIGURES[key].better
    known = {name: value for name, value in values.items() if not math.isnan(value)}
    if not better or len(known) < 2:
        return None
    goal = {ONE: 1.0, ZERO: 0.0}.get(better)
    if goal is not None:
        return min(known, key=lambda name: abs(known[name] - goal))
    return (max if better == HIGH else min)(known, key=lambda name: known[name])


def written(value: float | None, key: str = "") -> str:
    """Write a figure as a reader wants it; a dash where there is none.

    >>> written(31.4159, "psnr"), written(0.98765, "ssim"), written(float("inf"), "psnr"), written(None)
    ('31.42', '0.9877', '∞', '–')
    """
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if key.endswith("ssim") or key in ("nrmse", "flicker_floor", "gain_jitter"):
        digits = 4
    elif key in ("noise_sigma", "residual_autocorrelation", "slope", "linearity_slope", "tde", "tdr", "flicker_ratio"):
        digits = 3
    else:
        digits = 2
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        small = value != 0 and key in ("nrmse", "flicker_floor", "gain_jitter")
        text = f"{value:.1e}" if small else f"{0:.{digits}f}"
    return text.replace("-", "−")
