"""Roofline plot (Williams et al. 2009) of the shipped models from the rows of peak.py, and their shares of the peak."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness.results import Row
from decrappify._common.files.atomic import write_file
from decrappify._common.plotting import new_figure, png_bytes

COLORS = {"bfloat16": "#c05a00", "float32": "#0a5fa5"}
MARKERS = {"torch": "o", "compile": "^", "openvino": "s"}
LABELS = {"torch": "torch", "compile": "torch.compile", "openvino": "OpenVINO"}
_TICKS = (20, 50, 100, 200, 500, 1000)  # GFLOP/s


def save_plot(rows: list[Row], path: Path) -> None:
    """Draw the roofs with all models on the left, and the share of the peak of each model on the right."""
    figure = new_figure(10, 4.2, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.1))
    models = [row for row in rows if row["kind"] == "model"]
    _draw_roofs(left, next(row for row in rows if row["kind"] == "channels"), models)
    _draw_shares(right, models)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, png_bytes(figure, dpi=130))


def _points(models: list[Row], precision: str, backend: str) -> list[tuple[Row, float]]:
    """Return the models with their GFLOP/s on a backend, where it was measured."""
    key = f"{backend} {precision}"
    return [(row, row["gflops"][key]) for row in models if key in row["gflops"]]


def _draw_roofs(axes: Any, roofs: Row, models: list[Row]) -> None:
    bandwidth, highest = roofs["copy_gb_per_s"], max(max(values) for values in roofs["conv"].values())
    first, last = 1.0, 3 * max(value for row in models for value in row["intensity"].values())
    axes.set(xscale="log", yscale="log", xlim=(first, last), ylim=(0.7 * bandwidth, 1.5 * highest))
    ticks = [tick for tick in _TICKS if 0.7 * bandwidth < tick < 1.5 * highest]
    axes.set_yticks(ticks, map(str, ticks))
    axes.set_yticks([], minor=True)
    axes.set_xticks([1, 10, 100], ["1", "10", "100"])
    for precision, values in roofs["conv"].items():
        peak, color = max(values), COLORS[precision]
        x = np.geomspace(first, last, 200)
        axes.plot(x, np.minimum(bandwidth * x, peak), color=color, linewidth=1.6)
        axes.text(last * 0.93, peak * 1.04, f"{precision}: {peak:.0f}", ha="right", color=color, fontsize=9)
        for backend, marker in MARKERS.items():
            for row, rate in _points(models, precision, backend):
                axes.plot(row["intensity"][precision], rate, marker, color=color, fillstyle="none", markersize=5)
    axes.text(first * 2.4, bandwidth * 1.9, f"main memory,\n{bandwidth:.0f} GB/s", fontsize=9, color="0.3")
    axes.set_xlabel("Intensity, FLOP per byte of sources and results of the layers")
    axes.set_ylabel("GFLOP per CPU second")
    axes.set_title("Roofs: memory, and convolutions of 3 × 3", fontsize=10)
    axes.grid(linewidth=0.3, alpha=0.7)


def _draw_shares(axes: Any, models: list[Row]) -> None:
    names = [row["model"] for row in models]
    for precision, color in COLORS.items():
        offset = 0.16 if precision == "float32" else -0.16
        for backend, marker in MARKERS.items():
            for row, rate in _points(models, precision, backend):
                y = names.index(row["model"]) + offset
                is_chosen = row["auto"][precision] == backend
                axes.plot(
                    rate / row["peak"][precision], y, marker, color=color, fillstyle="full" if is_chosen else "none"
                )
    for y in range(1, len(names)):
        axes.axhline(y - 0.5, color="0.85", linewidth=0.8)
    axes.set(ylim=(len(names) - 0.5, -0.5), xlim=(None, 1.0))
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("Share of the peak of a convolution")
    axes.set_title("Network alone, by backend", fontsize=10)
    axes.grid(axis="x", linewidth=0.3, alpha=0.7)
    for backend, marker in MARKERS.items():
        axes.plot([], [], marker, color="0.3", fillstyle="none", linestyle="none", label=LABELS[backend])
    axes.plot([], [], "D", color="0.3", linestyle="none", markersize=5, label="filled: chosen by auto")
    for precision, color in COLORS.items():
        axes.plot([], [], "_", color=color, markeredgewidth=3, linestyle="none", label=precision)
    axes.legend(loc="lower left", fontsize=8, framealpha=1)
