"""How good is a restoration: pure functions on arrays, and one scorecard for movies of any length."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from decrappify.metrics.scorecard import Scorecard as Scorecard
    from decrappify.metrics.scorecard import score_movie as score_movie

__all__ = ["Scorecard", "score_movie"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("decrappify.metrics.scorecard"), name)
    raise AttributeError(f"module 'decrappify.metrics' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
