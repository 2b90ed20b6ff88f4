"""Outputs of a supervised run next to its checkpoint: columns of the log, loss plot, previews."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from decrappify._common.plotting import new_figure
from decrappify.movie import Array
from decrappify.training.engine.training_log import Row

COLUMNS = ("step", "learning_rate", "loss", "stability", "val_psnr", "val_psnr_source", "val_noise_draw", "seconds")


def plot_loss(rows: Sequence[Row], folder: Path) -> None:
    """Plot training loss and validation PSNR against the step, as ``loss.png``."""
    steps = [int(row["step"]) for row in rows]
    figure = new_figure(8, 3)
    figure.subplots_adjust(left=0.105, right=0.985, bottom=0.155, top=0.895, wspace=0.28)
    left, right = figure.subplots(1, 2)
    losses = [float(row["loss"]) for row in rows]
    left.plot(steps, losses, ".-")
    left.set(xlabel="step", ylabel="loss", title="training loss", yscale="log" if min(losses) > 0 else "linear")
    right.plot(steps, [float(row["val_psnr"]) for row in rows], ".-", label="restored")
    right.plot(steps, [float(row["val_psnr_source"]) for row in rows], "--", color="0.5", label="source")
    right.set(xlabel="step", ylabel="PSNR (dB)", title="validation, fixed noise draws")
    right.legend()
    figure.savefig(folder / "loss.png", dpi=120)


def save_preview(path: Path, triples: Sequence[tuple[Array, Array, Array]]) -> None:
    """Save rows of source, prediction and target (Y, X) as PNG, each row with the contrast of the target."""
    from PIL import Image

    rows = []
    for images in triples:
        low, high = np.percentile(images[2], [0.5, 99.8])
        height = images[2].shape[0]
        levels = [np.nan_to_num((image - low) / max(high - low, 1e-6) * 255, nan=0.0) for image in images]
        bytes_ = [np.clip(level, 0, 255).astype(np.uint8) for level in levels]
        enlarged = [np.kron(image, np.ones((height // image.shape[0],) * 2, np.uint8)) for image in bytes_]
        rows.append(np.concatenate([np.pad(image, 2, constant_values=255) for image in enlarged], axis=1))
    Image.fromarray(np.concatenate(rows)).save(path)
