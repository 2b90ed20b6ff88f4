"""Run a model over whole movies: windows over time, tiles over the frame, any size, resumable."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from decrappify.restoration.pipeline import restore as restore
    from decrappify.restoration.preview import Preview as Preview
    from decrappify.restoration.restorer import RestorationCancelled as RestorationCancelled
    from decrappify.restoration.restorer import Restorer as Restorer
    from decrappify.restoration.restorer import is_out_of_memory as is_out_of_memory

_HOMES = {
    "Preview": "preview",
    "RestorationCancelled": "restorer",
    "Restorer": "restorer",
    "is_out_of_memory": "restorer",
    "restore": "pipeline",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"decrappify.restoration.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'decrappify.restoration' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
