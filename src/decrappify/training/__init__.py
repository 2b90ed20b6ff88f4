"""Training: the loop, the NoGAN schedule, their configurations, checkpoints and records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decrappify.lazy import lazy_names

if TYPE_CHECKING:
    from decrappify.training.api import train as train
    from decrappify.training.config import TrainingConfig as TrainingConfig
    from decrappify.training.nogan import train_nogan as train_nogan
    from decrappify.training.nogan_config import NoganConfig as NoganConfig
    from decrappify.training.nogan_presets import nogan_preset as nogan_preset

_HOMES = {
    "NoganConfig": "nogan_config",
    "TrainingConfig": "config",
    "nogan_preset": "nogan_presets",
    "train": "api",
    "train_nogan": "nogan",
}

__all__ = sorted(_HOMES)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
