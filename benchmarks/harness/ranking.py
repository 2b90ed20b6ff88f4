"""Agreement of metrics without a reference with PSNR: order, choice of the best, and failures that are seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.results import Row, table

Array = NDArray[Any]
_EQUAL_DB, _CLOSE_DB, _NEAR_DB = 0.3, 0.1, 0.3


@dataclass(frozen=True)
class Figure:
    """A figure, of which lower values are taken as better."""

    label: str
    about: str


FIGURES = {
    "noise": Figure("noise estimate", "`noise_sigma` of the result"),
    "whiteness": Figure("residual whiteness", "distance of `residual_autocorrelation` from 0"),
    "removed, estimated noise": Figure(
        "removed variance, own estimate", "|log| of the variance of the residual over `noise_sigma`² of the image"
    ),
    "removed": Figure("removed variance", "the same over the noise variance of the camera"),
    "whiteness and removed": Figure("whiteness and removed variance", "root of the sum of their squares"),
    "decorrelation": Figure("decorrelation resolution", "of the result"),
    "confirmed": Figure("confirmed resolution", "`confirmed_px`, photons split at random"),
    "confirmed, correlation": Figure("confirmed resolution, correlation known", "halves for the correlation"),
    "halves": Figure("held-out gain", "`held_out_gain_db`, photons split at random"),
    "halves, correlation": Figure("held-out gain, correlation known", "halves for the correlation"),
    "own halves": Figure("held-out gain, gain of the image", "with the gain that `calibrate` measures in the image"),
    "gain - 20 %": Figure("held-out gain, gain 20 % too low", "and the correlation known"),
    "gain + 20 %": Figure("held-out gain, gain 20 % too high", "and the correlation known"),
    "tenth": Figure("held-out tenth", "nine tenths of the photons are restored and compared with the last"),
    "masked": Figure("masked pixels", "hidden pixels against their prediction; needs no camera"),
    "risk": Figure("risk estimate", "Stein's unbiased risk estimate with gain and correlation"),
}


def _values(row: Row, figure: str, names: Sequence[str]) -> Array | None:
    """Return the values of a figure; those that are not defined count as the worst."""
    if figure not in row["figures"]:
        return None
    values = [row["figures"][figure][name] for name in names]
    worst = np.finfo(np.float64).max
    return np.array([worst if value is None else value for value in values], np.float64)


def _truth(row: Row, names: Sequence[str]) -> Array:
    return np.array([row["psnr"][name] for name in names], np.float64)


def agreement(figure: Array, psnr: Array) -> dict[str, float]:
    """Return rank correlations, accuracy of pairs, and the PSNR that is lost by choosing by the figure.

    >>> agreement(np.array([3.0, 2.0, 1.0]), np.array([20.0, 21.0, 22.0]))["spearman"]
    1.0
    """
    from scipy.stats import kendalltau, spearmanr

    if np.ptp(figure) == 0:
        spearman = kendall = 0.0
    else:
        spearman, kendall = float(spearmanr(-figure, psnr)[0]), float(kendalltau(-figure, psnr)[0])
    one, two = np.triu_indices(len(psnr), 1)
    clear = np.abs(psnr[one] - psnr[two]) >= _EQUAL_DB
    right = np.sign(figure[two] - figure[one]) * np.sign(psnr[one] - psnr[two])
    regret = float(psnr.max() - psnr[figure == figure.min()].mean())
    return {
        "spearman": spearman,
        "kendall": kendall,
        "pairs": float((right[clear] + 1).mean() / 2) if clear.any() else float("nan"),
        "regret": regret,
        "near": float(regret <= _NEAR_DB),
    }


def model_or_gaussian(rows: Sequence[Row], figure: str, sigmas: Sequence[float]) -> tuple[float, int]:
    """Return the share of rows with the right order of the model and the best Gaussian, and their number."""
    right = []
    for row in rows:
        best = max((f"Gaussian {sigma:g}" for sigma in sigmas), key=lambda name: row["psnr"][name])
        values, psnr = _values(row, figure, ("model", best)), _truth(row, ("model", best))
        if values is not None and abs(psnr[0] - psnr[1]) >= _CLOSE_DB:
            right.append(0.5 + 0.5 * float(np.sign(values[1] - values[0]) * np.sign(psnr[0] - psnr[1])))
    return (float(np.mean(right)) if right else float("nan")), len(right)


def summary(rows: Sequence[Row], figure: str, names: Sequence[str]) -> dict[str, Any] | None:
    """Return means over the rows that have the figure, with the worst correlation and the largest loss."""
    values = [(row, _values(row, figure, names)) for row in rows]
    found = [
        agreement(value, _truth(row, names))
        | {"ssim": agreement(value, np.array([row["ssim"][name] for name in names]))["spearman"]}
        for row, value in values
        if value is not None
    ]
    if not found:
        return None
    mean = {key: float(np.mean([each[key] for each in found])) for key in found[0]}
    return mean | {
        "n": len(found),
        "worst": min(each["spearman"] for each in found),
        "most": max(each["regret"] for each in found),
    }


def _is_repeated(rows: Sequence[Row], figure: str) -> bool:
    """Return whether a figure with known correlation equals the one without, as for independent noise."""
    plain, _, known = figure.partition(", ")
    return known == "correlation" and all(row["figures"][figure] == row["figures"][plain] for row in rows)


def ranking_table(rows: Sequence[Row], names: Sequence[str], sigmas: Sequence[float]) -> str:
    """Format one line per figure."""
    header = ["metric", "n", "Spearman", "worst", "Spearman, SSIM", "Kendall", "pairs, %"]
    header += ["within 0.3 dB, %", "lost, dB", "most, dB", "model or Gaussian, %"]
    lines = []
    for key, figure in FIGURES.items():
        found = summary(rows, key, names)
        if found is not None and not _is_repeated(rows, key):
            order, n = model_or_gaussian(rows, key, sigmas)
            lines.append(
                [figure.label, found["n"], found["spearman"], found["worst"], found["ssim"], found["kendall"],
                 100 * found["pairs"], 100 * found["near"], found["regret"], found["most"], 100 * order if n else None]
            )  # fmt: skip
    return table(header, lines, [0, 0, 2, 2, 2, 2, 0, 0, 2, 2, 0])


def seen(rows: Sequence[Row], figure: str, failure: str) -> float | None:
    """Return the share of images on which the figure is worse with the failure than for the model.

    Images on which the failure costs less than 0.3 dB are left out.
    """
    found = []
    for row in rows:
        values = _values(row, figure, ("model", failure))
        if values is not None and row["psnr"][failure] <= row["psnr"]["model"] - _EQUAL_DB:
            found.append(float(values[1] > values[0]))
    return float(np.mean(found)) if found else None


def failures_table(rows: Sequence[Row], failures: Sequence[str]) -> str:
    """Format the share of images on which each failure is seen, in percent."""
    lines = []
    for key, figure in FIGURES.items():
        shares: Mapping[str, float | None] = {failure: seen(rows, key, failure) for failure in failures}
        if any(share is not None for share in shares.values()) and not _is_repeated(rows, key):
            lines.append([figure.label, *(None if share is None else 100 * share for share in shares.values())])
    about = (
        "Share of the images, in percent, on which the metric is worse with the failure than for the unspoiled model."
    )
    return f"{about}\n\n{table(['metric', *failures], lines, 0)}"
