"""Plots of movies with matplotlib: comparison, kymograph and trust overlay, each returned as a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decrappify._common.lazy import lazy_names

if TYPE_CHECKING:
    from decrappify.plot.along_line import kymograph as kymograph
    from decrappify.plot.comparison import compare as compare
    from decrappify.plot.labels import trust_overlay as trust_overlay

_HOMES = {"compare": "comparison", "kymograph": "along_line", "trust_overlay": "labels"}

__all__ = sorted(_HOMES)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
