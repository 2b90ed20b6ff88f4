"""Restoration of whole movies with a model: windows over time and tiles over the frame, for any size; resumable."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decrappify._common.lazy import lazy_names

if TYPE_CHECKING:
    from decrappify.limits.reached import is_out_of_memory as is_out_of_memory
    from decrappify.restoration.confirmed import confirmed_resolution as confirmed_resolution
    from decrappify.restoration.job.options import RestorationOptions as RestorationOptions
    from decrappify.restoration.pipeline import restore as restore
    from decrappify.restoration.pipeline import restore_array as restore_array
    from decrappify.restoration.preview import Preview as Preview
    from decrappify.restoration.records.result_record import recorded_options as recorded_options
    from decrappify.restoration.spread.api import open_spread_map as open_spread_map
    from decrappify.restoration.spread.api import spread_map as spread_map
    from decrappify.restoration.spread.api import spread_path as spread_path
    from decrappify.restoration.tiling.restorer import Restorer as Restorer

_HOMES = {
    "Preview": "preview",
    "RestorationOptions": "job.options",
    "Restorer": "tiling.restorer",
    "confirmed_resolution": "confirmed",
    "is_out_of_memory": "tiling.restorer",
    "open_spread_map": "spread.api",
    "recorded_options": "records.result_record",
    "restore": "pipeline",
    "restore_array": "pipeline",
    "spread_map": "spread.api",
    "spread_path": "spread.api",
}

__all__ = sorted(_HOMES)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
