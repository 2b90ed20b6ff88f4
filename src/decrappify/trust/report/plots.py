"""Plots of a trust report: shares of the labels and detection limit over frames or slices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from decrappify._common.pages.plots import COLORS, styled
from decrappify._common.plotting import new_figure
from decrappify.movie import Array
from decrappify.trust.evaluation import Label
from decrappify.trust.palette import LABEL_COLORS
from decrappify.trust.report.survey import PlaneShares

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_POINTS = 500  # of a curve; longer movies are drawn in intervals


@styled
def over_frames(planes: Sequence[PlaneShares], axis: str) -> Figure | None:
    """Draw the shares of contradicted and untestable pixels, and the detection limit; None for a single position.

    Parameters
    ----------
    planes : sequence of PlaneShares
        Of one channel.
    axis : str
        ``"frame"`` or ``"slice"``.
    """
    from matplotlib.ticker import MaxNLocator

    positions = np.array([shares.plane[2 if axis == "slice" else 0] for shares in planes])
    at = np.unique(positions)
    if at.size < 2:
        return None
    rows: tuple[tuple[str, str, str, int, Callable[[Array], Any]], ...] = (
        ("contradicted", "contradicted (% of pixels)", LABEL_COLORS[Label.CONTRADICTED], 100, np.max),
        ("untestable", "below the limit (% of pixels)", COLORS[4], 100, np.mean),  # a yellow line is faint on white
        ("limit", "detection limit (photons)", COLORS[0], 1, np.mean),
    )
    figure = new_figure(12.2, 2.5, layout="constrained")
    for number, (name, label, color, factor, of_interval) in enumerate(rows, 1):
        values = np.array([getattr(shares, name) for shares in planes]) * factor
        x, y = _thinned(at, np.array([values[positions == each].mean() for each in at]), of_interval)
        axes = figure.add_subplot(1, 3, number)
        axes.plot(x, y, color=color, linewidth=1.6, marker="o" if at.size < 40 else "", markersize=3)
        top = float(max(y.max(), 1e-9)) * 1.1
        axes.set(xlim=(at[0], at[-1]), ylim=(0, top if y.any() else 1), xlabel=axis)
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        axes.set_title(label)
    return figure


def _thinned(x: Array, y: Array, of_interval: Callable[[Array], Any]) -> tuple[Array, Array]:
    """Return one value per interval of a long curve: its largest or mean value."""
    step = -(-len(x) // _MOST_POINTS)
    if step == 1:
        return x, y
    parts = [slice(start, start + step) for start in range(0, len(x), step)]
    return np.array([x[part].mean() for part in parts]), np.array([of_interval(y[part]) for part in parts])
