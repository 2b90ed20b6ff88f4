"""Check of a model on a raw movie before it is used: noise, learned range, and errors on held-out photons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decrappify._common.lazy import lazy_names

if TYPE_CHECKING:
    from decrappify.checking.api import MovieCheck as MovieCheck
    from decrappify.checking.api import check as check
    from decrappify.checking.comparison import HeldOut as HeldOut

_HOMES = {"HeldOut": "comparison", "MovieCheck": "api", "check": "api"}

__all__ = sorted(_HOMES)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
