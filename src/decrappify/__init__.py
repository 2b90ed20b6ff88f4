"""decrappify: degrade good images, train networks to reverse the degradation, and restore real stills and movies.

The public names load on first use, so that ``import decrappify`` and ``decrappify --help`` stay fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from decrappify._version import __version__

if TYPE_CHECKING:
    from decrappify._common.plugins import load_plugin as load_plugin
    from decrappify.batch import restore_many as restore_many
    from decrappify.benchmarking import benchmark as benchmark
    from decrappify.benchmarking import calibrate_intervals as calibrate_intervals
    from decrappify.benchmarking.options import BenchmarkOptions as BenchmarkOptions
    from decrappify.checking import MovieCheck as MovieCheck
    from decrappify.checking import check as check
    from decrappify.colorization import colorize as colorize
    from decrappify.colorization.options import ColorizationOptions as ColorizationOptions
    from decrappify.crappify import Crappifier as Crappifier
    from decrappify.crappify import crappifier_preset as crappifier_preset
    from decrappify.errors import Cancelled as Cancelled
    from decrappify.inference.options import InferenceOptions as InferenceOptions
    from decrappify.io import open_movie as open_movie
    from decrappify.io import save_movie as save_movie
    from decrappify.io import scenes as scenes
    from decrappify.model import Model as Model
    from decrappify.model import export_model as export_model
    from decrappify.model import load_model as load_model
    from decrappify.movie import Movie as Movie
    from decrappify.noise import Calibration as Calibration
    from decrappify.noise import NoiseModel as NoiseModel
    from decrappify.noise import calibrate as calibrate
    from decrappify.restoration import confirmed_resolution as confirmed_resolution
    from decrappify.restoration import restore as restore
    from decrappify.restoration import restore_array as restore_array
    from decrappify.restoration import spread_map as spread_map
    from decrappify.restoration.follow.api import follow as follow
    from decrappify.restoration.job.options import RestorationOptions as RestorationOptions
    from decrappify.training import AdaptationConfig as AdaptationConfig
    from decrappify.training import DataOptions as DataOptions
    from decrappify.training import RunOptions as RunOptions
    from decrappify.training import TrainingConfig as TrainingConfig
    from decrappify.training import adapt as adapt
    from decrappify.training import train as train
    from decrappify.training import train_nogan as train_nogan
    from decrappify.trust import Intervals as Intervals
    from decrappify.trust import TrustMap as TrustMap
    from decrappify.trust import interval_map as interval_map
    from decrappify.trust import trust_map as trust_map

_HOMES = {
    "AdaptationConfig": "training",
    "BenchmarkOptions": "benchmarking.options",
    "Calibration": "noise",
    "Cancelled": "errors",
    "ColorizationOptions": "colorization.options",
    "Crappifier": "crappify",
    "DataOptions": "training",
    "InferenceOptions": "inference.options",
    "Intervals": "trust",
    "Model": "model",
    "Movie": "movie",
    "MovieCheck": "checking",
    "NoiseModel": "noise",
    "RestorationOptions": "restoration.job.options",
    "RunOptions": "training",
    "TrainingConfig": "training",
    "TrustMap": "trust",
    "adapt": "training",
    "benchmark": "benchmarking",
    "calibrate": "noise",
    "calibrate_intervals": "benchmarking",
    "check": "checking",
    "colorize": "colorization",
    "confirmed_resolution": "restoration",
    "crappifier_preset": "crappify",
    "export_model": "model",
    "follow": "restoration.follow.api",
    "interval_map": "trust",
    "load_model": "model",
    "load_plugin": "_common.plugins",
    "open_movie": "io",
    "restore": "restoration",
    "restore_array": "restoration",
    "restore_many": "batch",
    "save_movie": "io",
    "scenes": "io",
    "spread_map": "restoration",
    "train": "training",
    "train_nogan": "training",
    "trust_map": "trust",
}

# Sub-packages available as attributes (`dc.networks.create(...)`) without an explicit import.
_SUBPACKAGES = frozenset(
    {
        "batch",
        "benchmarking",
        "checking",
        "colorization",
        "crappify",
        "datasets",
        "io",
        "losses",
        "metrics",
        "networks",
        "noise",
        "plot",
    }
    | {"restoration", "samples", "training", "trust"}
)

# Modules of version 0.1.0 that were renamed.
_FORMER_MODULES = {
    "fastai_import": "model.fastai_import",
    "importing": "model.importing",
    "intensity": "normalization",
}

__all__ = ["__version__", *sorted(_HOMES)]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"decrappify.{_HOMES[name]}"), name)
    if name in _SUBPACKAGES:
        return import_module(f"decrappify.{name}")
    if name in _FORMER_MODULES:
        raise AttributeError(f"decrappify has no module {name!r}; import decrappify.{_FORMER_MODULES[name]}")
    raise AttributeError(f"module 'decrappify' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
