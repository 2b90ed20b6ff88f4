"""Style of the plots of HTML reports, and their conversion to SVG."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's colors, distinct for color-blind readers; dashes distinguish them in black and white.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
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

P = ParamSpec("P")
T = TypeVar("T")


def styled(draw: Callable[P, T]) -> Callable[P, T]:
    """Decorate a function to draw in the style of the reports, independent of the user's matplotlib settings."""

    @wraps(draw)
    def drawn(*arguments: P.args, **options: P.kwargs) -> T:
        from matplotlib import rc_context

        with rc_context(_STYLE):
            return draw(*arguments, **options)

    return drawn


@styled
def svg(figure: Figure) -> str:
    """Return a figure as an SVG element with text as text; equal figures have equal SVG."""
    text = io.StringIO()
    figure.savefig(text, format="svg", transparent=True, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    whole = text.getvalue()
    return whole[whole.index("<svg") :]


def svg_markup(figure: Figure | None) -> Any:
    """Return a figure as SVG markup for a template; None for None."""
    from markupsafe import Markup

    return None if figure is None else Markup(svg(figure))
