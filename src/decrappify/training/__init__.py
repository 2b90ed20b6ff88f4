"""Training: the loop, its configuration, checkpoints and records."""

from __future__ import annotations

from decrappify.training.api import train
from decrappify.training.config import TrainingConfig

__all__ = ["TrainingConfig", "train"]
