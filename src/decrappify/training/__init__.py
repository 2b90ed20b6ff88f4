"""Training: the engine, supervised and NoGAN runs, their settings, data and monitors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decrappify._common.lazy import lazy_names

if TYPE_CHECKING:
    from decrappify.training.adaptation.api import adapt as adapt
    from decrappify.training.adaptation.api import verdict as verdict
    from decrappify.training.config.adaptation import AdaptationConfig as AdaptationConfig
    from decrappify.training.config.nogan import CriticStep as CriticStep
    from decrappify.training.config.nogan import GanStep as GanStep
    from decrappify.training.config.nogan import NoganConfig as NoganConfig
    from decrappify.training.config.nogan import PretrainStep as PretrainStep
    from decrappify.training.config.options import DataOptions as DataOptions
    from decrappify.training.config.options import RunOptions as RunOptions
    from decrappify.training.config.options import RunSettings as RunSettings
    from decrappify.training.config.presets import nogan_preset as nogan_preset
    from decrappify.training.config.supervised import TrainingConfig as TrainingConfig
    from decrappify.training.nogan.api import train_nogan as train_nogan
    from decrappify.training.supervised.api import train as train

_HOMES = {
    "AdaptationConfig": "config.adaptation",
    "CriticStep": "config.nogan",
    "DataOptions": "config.options",
    "GanStep": "config.nogan",
    "NoganConfig": "config.nogan",
    "PretrainStep": "config.nogan",
    "RunOptions": "config.options",
    "RunSettings": "config.options",
    "TrainingConfig": "config.supervised",
    "nogan_preset": "config.presets",
    "adapt": "adaptation.api",
    "verdict": "adaptation.api",
    "train": "supervised.api",
    "train_nogan": "nogan.api",
}

__all__ = sorted(_HOMES)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
