"""Colorization of gray photographs and films: the network predicts the chroma, the luma is that of the original."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decrappify._common.lazy import lazy_names

if TYPE_CHECKING:
    from decrappify.colorization.api import colorize as colorize
    from decrappify.colorization.colorizer import Colorizer as Colorizer
    from decrappify.colorization.options import ColorizationOptions as ColorizationOptions
    from decrappify.colorization.watermark import add_watermark as add_watermark

_HOMES = {
    "ColorizationOptions": "options",
    "Colorizer": "colorizer",
    "add_watermark": "watermark",
    "colorize": "api",
}

__all__ = sorted(_HOMES)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
