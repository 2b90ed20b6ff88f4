"""Matplotlib figures that are drawn without a display and without pyplot's global state."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(width: float, height: float, **options: Any) -> Figure:
    """Create a figure of `width` × `height` inches on the Agg backend.

    Parameters
    ----------
    width, height : float
        Size in inches.
    **options
        As for `matplotlib.figure.Figure`, such as ``layout="constrained"``.

    Examples
    --------
    >>> figure = new_figure(4, 3)
    >>> figure.get_size_inches().tolist(), type(figure.canvas).__name__
    ([4.0, 3.0], 'FigureCanvasAgg')
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), **options)
    FigureCanvasAgg(figure)
    return figure


def png_bytes(figure: Figure, *, dpi: int, facecolor: str = "white") -> bytes:
    """Return a figure as the bytes of a PNG file."""
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=dpi, facecolor=facecolor)
    return data.getvalue()
