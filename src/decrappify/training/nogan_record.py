"""What a NoGAN run leaves to look at beside its checkpoints: one row of numbers per checkpoint, and their plot."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from decrappify._common.plotting import new_figure
from decrappify.training.record import SECONDS_BETWEEN_PLOTS, complete_rows, write_rows

FIELDS = (
    "phase",
    "step",
    "seconds",
    "content",
    "stability",
    "adversarial",
    "critic",
    "accuracy",
    "val_psnr",
    "val_accuracy",
    "generator_steps",
    "generator_rate",
    "critic_rate",
)
_PLOTTED = (("content", "content loss"), ("critic", "critic loss"), ("val_psnr", "validation PSNR (dB)"))


class NoganRecord:
    """Append rows to ``log.csv`` and draw ``log.png`` in the run folder.

    Parameters
    ----------
    folder : Path
        Run folder, created.
    writes : bool
        False on all processes but the first.
    """

    def __init__(self, folder: Path, *, writes: bool = True) -> None:
        self.path, self._writes = folder / "log.csv", writes
        self.rows: list[dict[str, str]] = []
        self._drawn_at = -SECONDS_BETWEEN_PLOTS
        if writes:
            folder.mkdir(parents=True, exist_ok=True)

    def add(self, phase: str, step: int, seconds: float, numbers: Mapping[str, float]) -> None:
        """Append one row; `numbers` has keys of `FIELDS`."""
        if not self._writes:
            return
        # Rounded down, lest `forget_after` take the row for one that came after the checkpoint.
        row = {"phase": phase, "step": step, "seconds": f"{math.floor(seconds * 1000) / 1000:.3f}"} | dict(numbers)
        self.rows.append({key: _short(row.get(key, "")) for key in FIELDS})
        is_new = not self.path.is_file()
        with self.path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, FIELDS)
            if is_new:
                writer.writeheader()
            writer.writerow(self.rows[-1])

    def forget_after(self, seconds: float) -> None:
        """Drop the rows of a run that went further than its last checkpoint."""
        if not self._writes or not self.path.is_file():
            return
        rows = complete_rows(self.path, FIELDS, texts=("phase",))
        self.rows = [row for row in rows if row["seconds"] and float(row["seconds"]) <= seconds]
        write_rows(self.path, FIELDS, self.rows)

    def draw(self, *, final: bool = True) -> None:
        """Plot losses and validation against time; other than final plots are at least 10 s apart."""
        is_early = not final and time.monotonic() - self._drawn_at < SECONDS_BETWEEN_PLOTS
        if not self._writes or not self.rows or is_early:
            return
        self._drawn_at = time.monotonic()
        figure = new_figure(11, 3.2)
        figure.subplots_adjust(left=0.055, right=0.99, bottom=0.145, top=0.9, wspace=0.26)
        phases = list(dict.fromkeys(row["phase"] for row in self.rows))
        for axes, (key, label) in zip(figure.subplots(1, len(_PLOTTED)), _PLOTTED, strict=True):
            for phase in phases:
                rows = [row for row in self.rows if row["phase"] == phase and row[key]]
                if rows:
                    minutes = [float(row["seconds"]) / 60 for row in rows]
                    axes.plot(minutes, [float(row[key]) for row in rows], ".-", label=phase)
            axes.set(xlabel="minutes", title=label)
            if axes.lines:
                axes.legend(fontsize=7)
        figure.savefig(self.path.with_suffix(".png"), dpi=120)


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
