"""Outputs of an adaptation next to its checkpoint: columns of the log and the plot of the validations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from decrappify._common.plotting import new_figure
from decrappify.training.adaptation.validation import SCORES
from decrappify.training.engine.training_log import Row

COLUMNS = ("step", "learning_rate", "loss", "stability", *(f"val_{name}" for name in SCORES), "seconds")
_MODEL, _GIVEN, _GAUSSIAN = "#1f5fa8", "0.45", "#d9822b"


def plot_adaptation(rows: Sequence[Row], folder: Path) -> None:
    """Plot the change of the validation error with its standard error against the step, as ``loss.png``."""
    figure = new_figure(10, 3.6, layout="constrained")
    left, right = figure.subplots(1, 2)
    known = [row for row in rows if row["val_change"]]
    steps = [int(row["step"]) for row in known]
    change, error, gaussian = (
        np.array([float(row[f"val_{key}"]) for row in known]) for key in ("change", "change_error", "gaussian")
    )
    left.axhline(0, color=_GIVEN, linestyle="--", linewidth=1.3, label="given model")
    left.axhline(gaussian[-1], color=_GAUSSIAN, linestyle="-.", linewidth=1.3, label="best Gaussian")
    left.errorbar(steps, change, error, fmt="o-", color=_MODEL, markersize=4, capsize=2, label="adapted model")
    left.set(xlabel="step", ylabel="squared error - given model's", title="held-out split frames, ± standard error")
    left.legend(frameon=False)
    right.plot(steps, [float(row["val_noise_draw"]) for row in known], "o-", color=_MODEL, markersize=4)
    right.set(xlabel="step", ylabel="network units", title="difference of two predictions due to noise")
    for axes in (left, right):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(folder / "loss.png", dpi=120)
