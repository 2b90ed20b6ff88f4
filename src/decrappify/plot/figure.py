"""Figures that a notebook displays without pyplot, their axes, and the scale bar."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, FigureBase

from decrappify._common.checks import short
from decrappify._common.counting import counted
from decrappify._common.plotting import png_bytes
from decrappify.errors import InputError

TITLE_SIZE = 9
_BAR_SHARE = 0.25  # largest length of a scale bar relative to the width of the image
_DPI = 110


class PlotFigure(Figure):
    """A matplotlib figure that notebooks display as PNG; it is not registered in pyplot.

    Examples
    --------
    >>> PlotFigure(figsize=(2, 1))._repr_png_()[1:4]
    b'PNG'
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        FigureCanvasAgg(self)

    def _repr_png_(self) -> bytes:
        return png_bytes(self, dpi=_DPI)


def axes_grid(
    axes: Any, figure: FigureBase | None, n_rows: int, n_columns: int, panel: tuple[float, float]
) -> list[list[Axes]]:
    """Return the axes of a plot: those of the user, or those of a new figure.

    Parameters
    ----------
    axes : Axes, sequence or array of Axes, or None
        As passed by the user, in the order of the rows.
    figure : Figure, SubFigure or None
        As passed by the user, to be divided into panels.
    n_rows, n_columns : int
        Of the panels.
    panel : (float, float)
        Width and height of a panel of a new figure in inches.
    """
    if axes is not None:
        return _given_axes(axes, n_rows, n_columns)
    if figure is None:
        figure = PlotFigure(figsize=(n_columns * panel[0], n_rows * panel[1]), layout="constrained")
    elif not isinstance(figure, FigureBase):
        raise InputError(f"figure is {short(figure)}, expected a matplotlib Figure or SubFigure")
    elif isinstance(figure, Figure) and figure.get_layout_engine() is None:
        figure.set_layout_engine("constrained")
    grid: list[list[Axes]] = figure.subplots(n_rows, n_columns, squeeze=False).tolist()
    return grid


def _given_axes(axes: Any, n_rows: int, n_columns: int) -> list[list[Axes]]:
    given = np.ravel(np.asarray(axes, dtype=object)).tolist()
    if len(given) != n_rows * n_columns or not all(isinstance(each, Axes) for each in given):
        raise InputError(
            f"axes has {counted(len(given), 'entry', 'entries')}, expected matplotlib axes for "
            f"{counted(n_rows * n_columns, 'panel')}, {n_columns} per row"
        )
    return [given[row * n_columns : (row + 1) * n_columns] for row in range(n_rows)]


def figure_of(axes: Axes) -> Figure:
    """Return the figure of axes, also of axes in a subfigure."""
    figure = axes.get_figure(root=True)
    if not isinstance(figure, Figure):
        raise InputError("the axes belong to no figure, expected axes such as those of Figure.subplots()")
    return figure


def show_image(axes: Axes, image: Any, low: float, high: float, title: str = "") -> None:
    """Draw an image (Y, X) in gray, or (Y, X, 3) uint8 in color, without ticks."""
    if image.ndim == 3:
        axes.imshow(image, interpolation="nearest")
    else:
        axes.imshow(image, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    if title:
        axes.set_title(title, fontsize=TITLE_SIZE)


def add_scale_bar(axes: Axes, width_px: int, height_px: int, pixel_um: float | None) -> None:
    """Draw a scale bar in the lower left corner of an image; none if the pixel size is unknown.

    Parameters
    ----------
    axes : Axes
        With an image in pixels.
    width_px, height_px : int
        Size of the image.
    pixel_um : float or None
        Width of a pixel in micrometers.
    """
    if pixel_um is None:
        return
    from matplotlib.patches import Rectangle
    from matplotlib.patheffects import withStroke

    length_um = round_length(width_px * pixel_um * _BAR_SHARE)
    left, bottom, thickness = 0.04 * width_px - 0.5, 0.95 * height_px - 0.5, max(0.012 * height_px, 0.3)
    bar = Rectangle((left, bottom - thickness), length_um / pixel_um, thickness, color="white", linewidth=0)
    bar.set_path_effects([withStroke(linewidth=2, foreground="black")])
    axes.add_patch(bar)
    axes.text(
        left,
        bottom - 2 * thickness,
        length_text(length_um),
        color="white",
        fontsize=8,
        va="bottom",
        path_effects=[withStroke(linewidth=2, foreground="black")],
    )


def round_length(longest: float) -> float:
    """Return the longest of 1, 2, 5, 10, ... that is not longer than `longest`.

    >>> round_length(7.3), round_length(0.23)
    (5.0, 0.2)
    """
    unit = 10.0 ** math.floor(math.log10(longest))
    return float(f"{max(step for step in (1, 2, 5) if step * unit <= longest * (1 + 1e-9)) * unit:.3g}")


def length_text(length_um: float) -> str:
    """Return a length in its unit.

    >>> length_text(5.0), length_text(0.2), length_text(2000.0)
    ('5 µm', '200 nm', '2 mm')
    """
    for unit, factor in (("mm", 1e-3), ("µm", 1.0)):
        if length_um * factor >= 1:
            return f"{length_um * factor:g} {unit}"
    return f"{length_um * 1e3:g} nm"


def row_text(names: Sequence[str]) -> str:
    """Return the label of a row from the names that distinguish it.

    >>> row_text(["frame 3", "", "GFP"])
    'frame 3, GFP'
    """
    return ", ".join(name for name in names if name)
