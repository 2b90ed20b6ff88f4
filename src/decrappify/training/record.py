"""What a run leaves to look at: CSV log, loss plot, preview pictures, TensorBoard events where installed."""

from __future__ import annotations

import csv
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from decrappify._common.plotting import new_figure
from decrappify.movie import Array

FIELDS = ("step", "learning_rate", "loss", "stability", "val_psnr", "val_psnr_source", "val_noise_draw", "seconds")
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
        self.rows = [row for row in complete_rows(self.path, FIELDS) if float(row["step"]) <= resume_step]
        write_rows(self.path, FIELDS, self.rows)
        self._events = _tensorboard(folder)
        self._drawn_at = -SECONDS_BETWEEN_PLOTS

    def add(self, row: dict[str, Any]) -> None:
        """Append one row (keys of `FIELDS`)."""
        self.rows.append({key: _short(row.get(key, "")) for key in FIELDS})
        with self.path.open("a", newline="", encoding="utf-8") as file:
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
        steps = [int(row["step"]) for row in self.rows]
        figure = new_figure(8, 3)
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
        """Close the event file; what a full disk does not take of it is lost without an error."""
        if self._events is not None:
            with suppress(OSError):
                self._events.close()


def complete_rows(path: Path, fields: Sequence[str], texts: Sequence[str] = ()) -> list[dict[str, str]]:
    """Read the rows of a log; one that a kill cut short, and all of a damaged file, are left out.

    Parameters
    ----------
    path : Path
        The log; none has no rows.
    fields : sequence of str
        Columns that every row has.
    texts : sequence of str
        Those that hold other things than numbers.
    """
    if not path.is_file():
        return []
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    except UnicodeDecodeError:
        return []
    whole = [line for line in lines if line.endswith("\n")]
    return [row for row in csv.DictReader(whole) if _is_complete(row, fields, texts)]


def _is_complete(row: dict[str, Any], fields: Sequence[str], texts: Sequence[str]) -> bool:
    if list(row) != list(fields) or None in row.values():
        return False
    try:
        for key in fields:
            if key not in texts and row[key]:
                float(row[key])
    except ValueError:
        return False
    return True


def write_rows(path: Path, fields: Sequence[str], rows: Sequence[dict[str, str]]) -> None:
    """Write a whole log through a temporary name, so that a kill leaves the old one or the new one."""
    temporary = path.with_name(f".{path.name}.partial")
    with temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fields)
        writer.writeheader()
        writer.writerows(rows)
    temporary.replace(path)


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _tensorboard(folder: Path) -> Any:
    """Open an event writer where TensorBoard is installed, else give None."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder))
