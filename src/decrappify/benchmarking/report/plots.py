"""Plots of a benchmark as matplotlib figures, and their conversion to PNG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from decrappify._common.pages.plots import COLORS, styled
from decrappify._common.plotting import new_figure, png_bytes
from decrappify.benchmarking.report.results import Results, ViewRecord
from decrappify.benchmarking.scoring.evidence import REFERENCE
from decrappify.metrics.resolution import AGAINST_REFERENCE
from decrappify.metrics.scoring.metric import Metric

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_GRAYS = ("#999999", "#666666", "#b09a72", "#7a8fa6", "#a58aa5")
_DASHES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
SHOWN_IMAGES = 24


def shown_images(results: Results) -> Sequence[ViewRecord]:
    """Return the scored images that are shown with pixels and curves: the first 24."""
    return results.views[:SHOWN_IMAGES]


@styled
def dots(results: Results) -> Figure | None:
    """Draw each image as a line across the methods, and the means as bars, for the headline metrics."""
    metrics = results.headlines
    if not metrics:
        return None
    height = 2.3 + 0.055 * max(len(name) for name in results.names)
    figure = new_figure(3.05 * len(metrics), height, layout="constrained")
    for i, metric in enumerate(metrics):
        _draw_dots(figure.add_subplot(1, len(metrics), i + 1), results, metric)
    return figure


def _draw_dots(axes: Any, results: Results, metric: Metric) -> None:
    positions = np.arange(len(results.names))
    for view in results.views:
        values = [results.value(name, view.name, metric.key) for name in results.names]
        finite = [value if math.isfinite(value) else math.nan for value in values]
        axes.plot(positions, finite, color="#bbbbbb", linewidth=0.8, zorder=1)
        axes.scatter(positions, finite, c=[color(results, name) for name in results.names], s=16, zorder=2)
    for x, name in zip(positions, results.names, strict=True):
        mean = results.mean(name, metric.key)
        if math.isfinite(mean):
            axes.hlines(mean, x - 0.28, x + 0.28, color=color(results, name), linewidth=2.4, zorder=3)
    axes.set_title(f"{metric.label} ({metric.unit})" if metric.unit else metric.label)
    axes.set_xticks(positions, results.names, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_xlim(-0.6, len(results.names) - 0.4)
    axes.grid(axis="y", color="#eeeeee")
    axes.set_axisbelow(True)


@styled
def frc_curves(results: Results, view: ViewRecord) -> Figure | None:
    """Draw the Fourier ring correlation of each method with the reference."""
    curves = {
        name: one.frc for name in results.names if (one := results.scores[name].get(view.name)) and one.frc is not None
    }
    if not curves:
        return None
    figure = new_figure(6.0, 2.7, layout="constrained")
    axes = figure.add_subplot()
    for name, curve in curves.items():
        axes.plot(curve.frequency[2:], curve.smoothed()[2:], label=name, **line(results, name))
    axes.axhline(AGAINST_REFERENCE, color="#444444", linewidth=0.8, linestyle=(0, (2, 2)))
    axes.text(0.5, AGAINST_REFERENCE + 0.02, "0.5", ha="right", color="#444444")
    axes.set(xlim=(0, 0.5), ylim=(-0.1, 1.02), xlabel="cycles per pixel", ylabel="correlation")
    axes.set_title("Fourier ring correlation with the reference")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=8)
    return figure


@styled
def spectra(results: Results, view: ViewRecord) -> Figure | None:
    """Draw the radial power spectra of methods and reference."""
    scores = {
        name: score for name in results.names if (score := results.scores[name].get(view.name)) and score.spectrum
    }
    if not scores:
        return None
    figure = new_figure(6.0, 2.7, layout="constrained")
    axes = figure.add_subplot()
    references = [one.reference_spectrum for one in scores.values() if one.reference_spectrum is not None]
    if references:
        axes.semilogy(
            references[0].frequency[1:], references[0].power[1:], color="black", linewidth=1.8, label=REFERENCE
        )
    for name, one in scores.items():
        if one.spectrum is not None:
            axes.semilogy(one.spectrum.frequency[1:], one.spectrum.power[1:], label=name, **line(results, name))
    axes.set(xlim=(0, 0.5), xlabel="cycles per pixel", ylabel="power (gray levels²)")
    axes.set_title("Radial spectra")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=8)
    return figure


@styled
def brightness(results: Results, view: ViewRecord) -> Figure | None:
    """Draw the mean gray level of each frame: a result parallel to the reference does not flicker."""
    means = results.evidence[view.name].brightness
    if not means:
        return None
    figure = new_figure(12.2, 2.2, layout="constrained")
    axes = figure.add_subplot()
    for name, values in means.items():
        style = {"color": "black", "linewidth": 1.8} if name == REFERENCE else line(results, name)
        axes.plot(values, label=name, **style)
    axes.set(xlim=(0, max(1, view.n_frames - 1)), xlabel="frame", ylabel="mean gray level")
    axes.set_title("Brightness over time")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=8)
    return figure


def color(results: Results, name: str) -> str:
    """Return the color of a method: grays for baselines, colors for the compared methods."""
    is_baseline, place = _place(results, name)
    palette = _GRAYS if is_baseline else COLORS
    return palette[place % len(palette)]


def line(results: Results, name: str) -> dict[str, Any]:
    """Return the line style of a method."""
    is_baseline, place = _place(results, name)
    dashes = _DASHES[place % len(_DASHES)]
    return {"color": color(results, name), "linestyle": dashes, "linewidth": 1.2 if is_baseline else 1.9}


def _place(results: Results, name: str) -> tuple[bool, int]:
    """Return whether a method is a baseline, and its index among the baselines or the compared methods."""
    baselines = {other: kind == "baseline" for other, kind in results.methods}
    family = [other for other in results.names if baselines[other] == baselines[name]]
    return baselines[name], family.index(name)


@styled
def png(figure: Figure) -> bytes:
    """Return a figure as PNG."""
    return png_bytes(figure, dpi=160)
