"""What a run leaves to look at: CSV log, loss plot, preview pictures, TensorBoard events where installed."""

from __future__ import annotations

import csv
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from decrappify.movie import Array

FIELDS = ("step", "learning_rate", "loss", "stability", "val_psnr", "val_psnr_source", "val_noise_draw", "seconds")
_DRAWN = ("loss", "val_psnr", "val_psnr_source")  # numbers of a row that the plot shows
SECONDS_BETWEEN_PLOTS = 10.0  # a plot takes as long as many steps of a small network


class RunRecord:
    """Append rows to ``log.csv`` and draw ``loss.png`` and ``preview_*.png`` into the run folder.

    Parameters
    ----------
    folder : Path
        Run folder, created.
    resume_step : int
        Rows after this step (of a run that went further than its last checkpoint) are dropped.
    """

    def __init__(self, folder: Path, resume_step: int = 0) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "log.csv"
        self.rows = [row for row in self._read() if int(row["step"]) <= resume_step] if resume_step else []
        self._write_all()
        self._events = _tensorboard(folder)
        self._drawn_at = -SECONDS_BETWEEN_PLOTS

    def add(self, row: dict[str, Any]) -> None:
        """Append one row (keys of `FIELDS`)."""
        self.rows.append({key: _short(row.get(key, "")) for key in FIELDS})
        with self.path.open("a", newline="") as file:
            csv.DictWriter(file, FIELDS).writerow(self.rows[-1])
        if self._events is not None:
            for key in FIELDS[1:-1]:
                if row.get(key) is not None:
                    self._events.add_scalar(key, row[key], row["step"])

    def draw(self, *, final: bool = True) -> None:
        """Plot loss and validation PSNR against the step; other than final plots are at least 10 s apart."""
        if not final and time.monotonic() - self._drawn_at < SECONDS_BETWEEN_PLOTS:
            return
        self._drawn_at = time.monotonic()
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        steps = [int(row["step"]) for row in self.rows]
        figure = Figure(figsize=(8, 3))
        FigureCanvasAgg(figure)
        figure.subplots_adjust(left=0.105, right=0.985, bottom=0.155, top=0.895, wspace=0.28)
        left, right = figure.subplots(1, 2)
        losses = [float(row["loss"]) for row in self.rows]
        left.plot(steps, losses, ".-")
        left.set(xlabel="step", ylabel="loss", title="training loss", yscale="log" if min(losses) > 0 else "linear")
        right.plot(steps, [float(row["val_psnr"]) for row in self.rows], ".-", label="restored")
        right.plot(steps, [float(row["val_psnr_source"]) for row in self.rows], "--", color="0.5", label="source")
        right.set(xlabel="step", ylabel="PSNR (dB)", title="validation, fixed noise draws")
        right.legend()
        figure.savefig(self.folder / "loss.png", dpi=120)

    def preview(self, step: int, triples: Sequence[tuple[Array, Array, Array]]) -> Path:
        """Save rows of source | prediction | target (Y, X), each row with the target's contrast."""
        from PIL import Image

        rows = []
        for images in triples:
            low, high = np.percentile(images[2], [0.5, 99.8])
            height = images[2].shape[0]
            levels = [np.nan_to_num((image - low) / max(high - low, 1e-6) * 255, nan=0.0) for image in images]
            bytes_ = [np.clip(level, 0, 255).astype(np.uint8) for level in levels]
            enlarged = [np.kron(image, np.ones((height // image.shape[0],) * 2, np.uint8)) for image in bytes_]
            rows.append(np.concatenate([np.pad(image, 2, constant_values=255) for image in enlarged], axis=1))
        path = self.folder / f"preview_{step:07d}.png"
        Image.fromarray(np.concatenate(rows)).save(path)
        return path

    def close(self) -> None:
        """Close the event file."""
        if self._events is not None:
            self._events.close()

    def _read(self) -> list[dict[str, str]]:
        if not self.path.is_file():
            return []
        with self.path.open(newline="", encoding="utf-8", errors="replace") as file:
            return [row for row in csv.DictReader(line.replace("\0", "") for line in file) if _is_whole(row)]

    def _write_all(self) -> None:
        with self.path.open("w", newline="") as file:
            writer = csv.DictWriter(file, FIELDS)
            writer.writeheader()
            writer.writerows(self.rows)


def _is_whole(row: dict[str, Any]) -> bool:
    """Whether a row has all fields and nothing else; one that was cut short or damaged is left out of the log."""
    try:
        [float(row[key]) for key in _DRAWN]
        return set(row) == set(FIELDS) and row["step"].isascii() and row["step"].isdecimal()
    except (TypeError, ValueError, KeyError, AttributeError):
        return False


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _tensorboard(folder: Path) -> Any:
    """Open an event writer where TensorBoard is installed, else give None."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder))
