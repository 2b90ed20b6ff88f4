"""Outputs of a supervised run next to its checkpoint: columns of the log, loss plot, previews."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from decrappify._common.plotting import new_figure
from decrappify.training.engine.training_log import Row
from decrappify.training.engine.validation import SCORES, Preview
from decrappify.training.monitors.plots import contact_sheet

COLUMNS = ("step", "learning_rate", "loss", "stability", *(f"val_{name}" for name in SCORES), "seconds")
_MODEL, _SOURCE, _GAUSSIAN = "#1f5fa8", "0.45", "#d9822b"
_LEAST_SIDE = 192  # pixels of a preview


def plot_loss(rows: Sequence[Row], folder: Path) -> None:
    """Plot training loss and validation PSNR against the step, as ``loss.png``."""
    figure = new_figure(10, 3.6, layout="constrained")
    left, right = figure.subplots(1, 2)
    steps, losses = _points(rows, "loss")
    left.plot(steps, losses, ".-", color=_MODEL)
    is_log = bool(losses) and 0 < 10 * min(losses) < max(losses)
    left.set(xlabel="step", ylabel="loss", title="training loss", yscale="log" if is_log else "linear")
    steps, values = _points(rows, "val_psnr")
    right.plot(steps, values, "o-", color=_MODEL, markersize=4, label="model", zorder=3)
    for key, label, color, style in (
        ("val_psnr_gaussian", "best Gaussian", _GAUSSIAN, "-."),
        ("val_psnr_source", "source", _SOURCE, "--"),
    ):
        _, values = _points(rows, key)
        if values:
            label = f"{label}, {values[-1]:.1f} dB"
            right.axhline(values[-1], color=color, linestyle=style, linewidth=1.3, label=label)
    right.set(xlabel="step", ylabel="PSNR (dB)", title="validation, fixed patches and noise")
    figure.legend(loc="outside lower right", ncols=3, frameon=False)
    for axes in (left, right):
        _tidy(axes, int(rows[-1]["step"]))
    figure.savefig(folder / "loss.png", dpi=120)


def _tidy(axes: Any, last: int) -> None:
    axes.set_xlim(-0.03 * max(last, 1), 1.03 * max(last, 1))  # step 0 is a point, too
    axes.margins(y=0.08)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _points(rows: Sequence[Row], key: str) -> tuple[list[int], list[float]]:
    """Return the steps and values of the rows that have a value; step 0 has no loss."""
    found = [(int(row["step"]), float(row[key])) for row in rows if row[key]]
    return [step for step, _ in found], [value for _, value in found]


def save_preview(path: Path, step: int, previews: Sequence[Preview]) -> None:
    """Save rows of source, best Gaussian, prediction and target as PNG, with one contrast per row."""
    labels = ("source", "best Gaussian", f"prediction, step {step}", "target")
    columns = [(label, [images[k] for images in previews]) for k, label in enumerate(labels)]
    contact_sheet(path, columns, least_side=_LEAST_SIDE, overwrite=True)
