"""Methods against paired ground truth: figures with intervals, plots, pictures, and one page that shows them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from decrappify.benchmarking.api import benchmark as benchmark
    from decrappify.benchmarking.report import Report as Report

_HOMES = {"Report": "report", "benchmark": "api"}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"decrappify.benchmarking.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'decrappify.benchmarking' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
