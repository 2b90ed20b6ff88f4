"""Import of published fastai v1 weights (DeOldify, lesson 7 of the course, PSSR), identified by their shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decrappify._common.lazy import lazy_names

if TYPE_CHECKING:
    from decrappify.model.fastai_import.checkpoint import Imported as Imported
    from decrappify.model.fastai_import.checkpoint import read_checkpoint as read_checkpoint
    from decrappify.model.fastai_import.reading import read_state_dict as read_state_dict

_HOMES = {"Imported": "checkpoint", "read_checkpoint": "checkpoint", "read_state_dict": "reading"}

__all__ = sorted(_HOMES)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
