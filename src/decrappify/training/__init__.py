"""Training: the loop, the NoGAN schedule, their configurations, checkpoints and records."""

from __future__ import annotations

from decrappify.training.supervised import train
from decrappify.training.config.supervised import TrainingConfig
from decrappify.training.nogan.api import train_nogan
from decrappify.training.config.nogan import NoganConfig
from decrappify.training.config.presets import nogan_preset

__all__ = ["NoganConfig", "TrainingConfig", "nogan_preset", "train", "train_nogan"]
