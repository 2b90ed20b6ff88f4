"""Training: the loop, the NoGAN schedule, their configurations, checkpoints and records."""

from __future__ import annotations

from decrappify.training.api import train
from decrappify.training.config import TrainingConfig
from decrappify.training.nogan import train_nogan
from decrappify.training.nogan_config import NoganConfig
from decrappify.training.nogan_presets import nogan_preset

__all__ = ["NoganConfig", "TrainingConfig", "nogan_preset", "train", "train_nogan"]
