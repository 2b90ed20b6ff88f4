"""Opening and saving of movies; the module of each format is imported when needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decrappify._common.lazy import lazy_names

if TYPE_CHECKING:
    from decrappify.io.format import Format as Format
    from decrappify.io.format import FrameFiles as FrameFiles
    from decrappify.io.format import SceneDetails as SceneDetails
    from decrappify.io.opening.open import open_movie as open_movie
    from decrappify.io.opening.open import open_pyramid as open_pyramid
    from decrappify.io.opening.open import open_scenes as open_scenes
    from decrappify.io.opening.open import scenes as scenes
    from decrappify.io.opening.scene_details import scene_details as scene_details
    from decrappify.io.recognition.registry import readable_suffixes as readable_suffixes
    from decrappify.io.recognition.registry import register_format as register_format
    from decrappify.io.recognition.registry import writable_suffixes as writable_suffixes
    from decrappify.io.save import save_movie as save_movie
    from decrappify.io.save import save_scenes as save_scenes
    from decrappify.io.store.outputs import atomic_output as atomic_output
    from decrappify.io.store.working_paths import partial_path as partial_path

_MODULES = {
    "Format": "format",
    "FrameFiles": "format",
    "atomic_output": "store.outputs",
    "open_movie": "opening.open",
    "open_pyramid": "opening.open",
    "open_scenes": "opening.open",
    "partial_path": "store.working_paths",
    "readable_suffixes": "recognition.registry",
    "register_format": "recognition.registry",
    "SceneDetails": "format",
    "save_movie": "save",
    "save_scenes": "save",
    "scene_details": "opening.scene_details",
    "scenes": "opening.open",
    "writable_suffixes": "recognition.registry",
}

__all__ = [*sorted(_MODULES)]
__getattr__, __dir__ = lazy_names(__name__, _MODULES)
