"""Restoration of whole movies with a model: windows over time and tiles over the frame, for any size; resumable."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decrappify._common.lazy import lazy_names

if TYPE_CHECKING:
    from decrappify.limits.reached import is_out_of_memory as is_out_of_memory
    from decrappify.restoration.options import RestorationOptions as RestorationOptions
    from decrappify.restoration.pipeline import restore as restore
    from decrappify.restoration.pipeline import restore_array as restore_array
    from decrappify.restoration.preview import Preview as Preview
    from decrappify.restoration.restorer import Restorer as Restorer

_HOMES = {
    "Preview": "preview",
    "RestorationOptions": "options",
    "Restorer": "restorer",
    "is_out_of_memory": "restorer",
    "restore": "pipeline",
    "restore_array": "pipeline",
}

__all__ = sorted(_HOMES)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
