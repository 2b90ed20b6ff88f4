"""Methods against paired ground truth: figures with intervals, plots, pictures, and one page that shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decrappify.lazy import lazy_names

if TYPE_CHECKING:
    from decrappify.benchmarking.api import benchmark as benchmark
    from decrappify.benchmarking.report import Report as Report

_HOMES = {"Report": "report", "benchmark": "api"}

__all__ = sorted(_HOMES)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
