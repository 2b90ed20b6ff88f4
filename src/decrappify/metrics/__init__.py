"""How good is a restoration: pure functions on arrays, and one scorecard for movies of any length."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decrappify.lazy import lazy_names

if TYPE_CHECKING:
    from decrappify.metrics.scorecard import Scorecard as Scorecard
    from decrappify.metrics.scorecard import score_movie as score_movie

_HOMES = {"Scorecard": "scorecard", "score_movie": "scorecard"}

__all__ = sorted(_HOMES)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
