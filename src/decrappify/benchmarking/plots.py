"""The plots, each a matplotlib figure that goes into the page as SVG and into the folder as PNG."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np

from decrappify.benchmarking.evidence import TRUTH
from decrappify.benchmarking.figures import FIGURES, HEADLINES
from decrappify.benchmarking.pictures import sheet_png
from decrappify.metrics.resolution import AGAINST_TRUTH

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

    from decrappify.benchmarking.report import Report, ViewRecord

# Okabe and Ito's colours, which stay apart for colour-blind readers; dashes keep them apart in black and white.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_GREYS = ("#999999", "#666666", "#b09a72", "#7a8fa6", "#a58aa5")
_DASHES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "decrappify",
    "font.size": 9,
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "legend.frameon": False,
}
PICTURED = 24

P = ParamSpec("P")
T = TypeVar("T")


def styled(draw: Callable[P, T]) -> Callable[P, T]:
    """Let a function draw in the report's style, whatever the user's own matplotlib settings are."""

    @wraps(draw)
    def drawn(*arguments: P.args, **options: P.kwargs) -> T:
        from matplotlib import rc_context

        with rc_context(_STYLE):
            return draw(*arguments, **options)

    return drawn


def pictured(report: Report) -> Sequence[ViewRecord]:
    """Pick the images that get pictures and curves: the first 24."""
    return report.views[:PICTURED]


@styled
def dots(report: Report) -> Drawing | None:
    """Draw each image as a line across the methods, and the means as bars, for the headline figures."""
    keys = [key for key in HEADLINES if key in report.keys]
    if not keys:
        return None
    height = 2.3 + 0.055 * max(len(name) for name in report.names)
    figure = _figure(3.05 * len(keys), height)
    positions = np.arange(len(report.names))
    for i, key in enumerate(keys):
        axes = figure.add_subplot(1, len(keys), i + 1)
        for view in report.views:
            values = [report.value(name, view.name, key) for name in report.names]
            finite = [value if math.isfinite(value) else math.nan for value in values]
            axes.plot(positions, finite, color="#bbbbbb", linewidth=0.8, zorder=1)
            axes.scatter(positions, finite, c=[colour(report, name) for name in report.names], s=16, zorder=2)
        for x, name in zip(positions, report.names, strict=True):
            mean = report.mean(name, key)
            if math.isfinite(mean):
                axes.hlines(mean, x - 0.28, x + 0.28, color=colour(report, name), linewidth=2.4, zorder=3)
        entry = FIGURES[key]
        axes.set_title(f"{entry.label} ({entry.unit})" if entry.unit else entry.label)
        axes.set_xticks(positions, report.names, rotation=35, ha="right", rotation_mode="anchor")
        axes.set_xlim(-0.6, len(report.names) - 0.4)
        axes.grid(axis="y", color="#eeeeee")
        axes.set_axisbelow(True)
    return figure


@styled
def frc_curves(report: Report, view: ViewRecord) -> Drawing | None:
    """Draw the Fourier ring correlation of each method with the truth."""
    curves = {
        name: one.frc for name in report.names if (one := report.scores[name].get(view.name)) and one.frc is not None
    }
    if not curves:
        return None
    figure = _figure(6.0, 2.7)
    axes = figure.add_subplot()
    for name, curve in curves.items():
        axes.plot(curve.frequency[2:], curve.smoothed()[2:], label=name, **line(report, name))
    axes.axhline(AGAINST_TRUTH, color="#444444", linewidth=0.8, linestyle=(0, (2, 2)))
    axes.text(0.5, AGAINST_TRUTH + 0.02, "0.5", ha="right", color="#444444")
    axes.set(xlim=(0, 0.5), ylim=(-0.1, 1.02), xlabel="cycles per pixel", ylabel="correlation")
    axes.set_title("Fourier ring correlation with the truth")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=8)
    return figure


@styled
def spectra(report: Report, view: ViewRecord) -> Drawing | None:
    """Draw the radial power spectra of methods and truth."""
    scores = {name: one for name in report.names if (one := report.scores[name].get(view.name)) and one.spectrum}
    if not scores:
        return None
    figure = _figure(6.0, 2.7)
    axes = figure.add_subplot()
    truths = [one.truth_spectrum for one in scores.values() if one.truth_spectrum is not None]
    if truths:
        axes.semilogy(truths[0].frequency[1:], truths[0].power[1:], color="black", linewidth=1.8, label=TRUTH)
    for name, one in scores.items():
        if one.spectrum is not None:
            axes.semilogy(one.spectrum.frequency[1:], one.spectrum.power[1:], label=name, **line(report, name))
    axes.set(xlim=(0, 0.5), xlabel="cycles per pixel", ylabel="power (grey levels²)")
    axes.set_title("Radial spectra")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=8)
    return figure


@styled
def brightness(report: Report, view: ViewRecord) -> Drawing | None:
    """Draw the mean grey level of each frame: a result that follows the truth does not flicker."""
    means = report.evidence[view.name].brightness
    if not means:
        return None
    figure = _figure(12.2, 2.2)
    axes = figure.add_subplot()
    for name, values in means.items():
        style = {"color": "black", "linewidth": 1.8} if name == TRUTH else line(report, name)
        axes.plot(values, label=name, **style)
    axes.set(xlim=(0, max(1, view.n_frames - 1)), xlabel="frame", ylabel="mean grey level")
    axes.set_title("Brightness over time")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=8)
    return figure


def colour(report: Report, name: str) -> str:
    """Colour of a method: greys for baselines, colours for what is judged."""
    is_baseline, place = _place(report, name)
    palette = _GREYS if is_baseline else _COLOURS
    return palette[place % len(palette)]


def line(report: Report, name: str) -> dict[str, Any]:
    """Line style of a method."""
    is_baseline, place = _place(report, name)
    dashes = _DASHES[place % len(_DASHES)]
    return {"color": colour(report, name), "linestyle": dashes, "linewidth": 1.2 if is_baseline else 1.9}


def _place(report: Report, name: str) -> tuple[bool, int]:
    """Whether a method is a baseline, and its number among those of its kind."""
    baselines = {other: kind == "baseline" for other, kind in report.methods}
    family = [other for other in report.names if baselines[other] == baselines[name]]
    return baselines[name], family.index(name)


@styled
def svg(drawing: Drawing) -> str:
    """Write a figure as an SVG element, its text kept as text; equal figures give equal text."""
    text = io.StringIO()
    drawing.savefig(text, format="svg", transparent=True, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    whole = text.getvalue()
    return whole[whole.index("<svg") :]


@styled
def png(drawing: Drawing) -> bytes:
    """Write a figure as PNG."""
    data = io.BytesIO()
    drawing.savefig(data, format="png", dpi=160, facecolor="white")
    return data.getvalue()


def png_files(report: Report) -> Iterator[tuple[str, bytes]]:
    """Every plot and picture sheet as (file name, PNG)."""
    whole = dots(report)
    if whole is not None:
        yield "images.png", png(whole)
    for i, view in enumerate(pictured(report), start=1):
        for stem, drawing in (
            ("frc", frc_curves(report, view)),
            ("spectra", spectra(report, view)),
            ("brightness", brightness(report, view)),
        ):
            if drawing is not None:
                yield f"{stem}_{i}.png", png(drawing)
        yield f"pictures_{i}.png", sheet_png(report, view)


def _figure(width: float, height: float) -> Drawing:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure
