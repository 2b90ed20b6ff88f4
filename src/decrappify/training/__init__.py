"""Training: the engine, supervised and NoGAN runs, their settings, data and monitors."""

from __future__ import annotations

from decrappify.training.config.nogan import NoganConfig
from decrappify.training.config.options import DataOptions, RunOptions
from decrappify.training.config.presets import nogan_preset
from decrappify.training.config.supervised import TrainingConfig
from decrappify.training.nogan.api import train_nogan
from decrappify.training.supervised.api import train

__all__ = ["DataOptions", "NoganConfig", "RunOptions", "TrainingConfig", "nogan_preset", "train", "train_nogan"]
