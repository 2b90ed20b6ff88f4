"""Published weights of fastai v1 (DeOldify, lesson 7 of its course, PSSR): read safely, recognised by their shapes."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from decrappify.fastai_import.checkpoint import Imported as Imported
    from decrappify.fastai_import.checkpoint import read_checkpoint as read_checkpoint
    from decrappify.fastai_import.reading import read_state_dict as read_state_dict

_HOMES = {"Imported": "checkpoint", "read_checkpoint": "checkpoint", "read_state_dict": "reading"}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"decrappify.fastai_import.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'decrappify.fastai_import' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
