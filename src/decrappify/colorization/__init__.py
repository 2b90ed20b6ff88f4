"""Colour for grey photographs and films: the network gives the chroma, the original keeps its luma."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from decrappify.colorization.api import colorize as colorize
    from decrappify.colorization.colorizer import Colorizer as Colorizer
    from decrappify.colorization.watermark import add_watermark as add_watermark

_HOMES = {"Colorizer": "colorizer", "add_watermark": "watermark", "colorize": "api"}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"decrappify.colorization.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'decrappify.colorization' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
