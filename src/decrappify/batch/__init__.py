"""Restoration of many files, folders and scenes into one folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decrappify._common.lazy import lazy_names

if TYPE_CHECKING:
    from decrappify.batch.api import restore_many as restore_many
    from decrappify.batch.each import write_each as write_each
    from decrappify.batch.estimate import RunEstimate as RunEstimate
    from decrappify.batch.estimate import estimate_restoration as estimate_restoration
    from decrappify.batch.inputs import Source as Source
    from decrappify.batch.inputs import find_sources as find_sources
    from decrappify.batch.summary import Row as Row
    from decrappify.batch.summary import Summary as Summary

_HOMES = {
    "Row": "summary",
    "RunEstimate": "estimate",
    "Source": "inputs",
    "Summary": "summary",
    "estimate_restoration": "estimate",
    "find_sources": "inputs",
    "restore_many": "api",
    "write_each": "each",
}

__all__ = sorted(_HOMES)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
