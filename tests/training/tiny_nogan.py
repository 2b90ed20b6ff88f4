"""A NoGAN run of seconds; also a script, for tests that need a separate process.

Usage: python tiny_nogan.py FOLDER start|resume [N_DEVICES]
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

if __name__ == "__main__":
    sys.modules["torchmetrics"] = None  # lightning imports it if installed, which doubles the start-up time

import numpy as np
from scipy.ndimage import gaussian_filter

from decrappify.crappify import Crappifier, Gaussian
from decrappify.movie import Movie
from decrappify.training import NoganConfig, RunOptions, train_nogan
from decrappify.training.engine import validation_patches

CONFIG = NoganConfig.from_dict(
    {
        "items": 240,
        "generator_settings": {"base_channels": 16, "depth": 1, "stem": 1},
        "critic_settings": {"width": 8, "blocks": 1, "attention": False},
        "pretrain": [{"size": 32, "batch_size": 4, "share": 0.2}],
        "generated_size": 32,
        "generated_share": 0.1,
        "critic_steps": [{"size": 32, "batch_size": 8, "epochs": 2, "learning_rate": 1e-3}],
        "gan": {"size": 32, "batch_size": 4, "share": 0.2, "learning_rate": 1e-4, "threshold": 0.7},
        "checkpoint_share": 0.05,
        "validation_patches": 4,
        "ema_decay": 0.9,
        "detect": False,
        "device": "cpu",
    }
)
NOISE = Crappifier([Gaussian((0.1, 0.3))], name="noise")


def spots():
    """Create a float32 movie of smooth blobs that drift by one pixel per frame."""
    blobs = gaussian_filter(np.random.default_rng(0).random((64, 64)), 3).astype(np.float32)
    return Movie.from_array(np.stack([np.roll(blobs, t, axis=1)[:48, :48] for t in range(16)]), name="spots")


def tiny_nogan(folder, config=CONFIG, start_from=None, critic_from=None, **run):
    models = {"start_from": start_from, "critic_from": critic_from}
    with patch.object(validation_patches, "PATCHES", 8):
        return train_nogan(spots(), NOISE, config=config, output=folder, run=RunOptions(**run), **models)


if __name__ == "__main__":
    folder, how, *n_devices = sys.argv[1:]
    tiny_nogan(Path(folder), replace(CONFIG, n_devices=int(*n_devices or [1])), resume=how == "resume")
