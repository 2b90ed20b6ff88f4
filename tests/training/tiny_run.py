"""A training run of seconds; also a script, for tests that need a separate process.

Usage: python tiny_run.py FOLDER start|resume [MAX_STEPS [N_DEVICES [OTHER_FOLDER]]]

In OTHER_FOLDER, it then starts a run that only a signal ends.
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
from decrappify.training import RunOptions, TrainingConfig, train
from decrappify.training.engine import validation_patches

NETWORK = {"base_channels": 16, "depth": 1, "stem": 1}
CONFIG = TrainingConfig(
    network="small",
    n_frames=3,
    max_steps=12,
    batch_size=2,
    patch_size=16,
    learning_rate=2e-3,
    ema_decay=0.9,
    validate_every=4,
    device="cpu",
    network_settings=NETWORK,
)
NOISE = Crappifier([Gaussian((0.1, 0.3))], name="noise")


def cells():
    """Create a float32 movie of smooth blobs that drift by one pixel per frame."""
    blobs = gaussian_filter(np.random.default_rng(0).random((64, 64)), 3).astype(np.float32)
    return Movie.from_array(np.stack([np.roll(blobs, t, axis=1)[:48, :48] for t in range(16)]), name="cells")


def tiny_train(folder, config=CONFIG, start_from=None, **run):
    with patch.object(validation_patches, "PATCHES", 8):
        return train(cells(), NOISE, config=config, output=folder, start_from=start_from, run=RunOptions(**run))


if __name__ == "__main__":
    folder, how, *rest = sys.argv[1:]
    numbers, others = rest[:2], rest[2:]
    max_steps, n_devices = [*map(int, numbers), *(CONFIG.max_steps, 1)[len(numbers) :]]
    tiny_train(Path(folder), replace(CONFIG, max_steps=max_steps, n_devices=n_devices), resume=how == "resume")
    for other in others:
        tiny_train(Path(other), replace(CONFIG, max_steps=100_000))
