"""Shared NoGAN runs: an uninterrupted one, and one whose critic never reaches the threshold of the GAN phase."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace

import pytest
from tests.training.tiny_nogan import CONFIG, tiny_nogan

from decrappify.training.engine.training_log import TrainingLog
from decrappify.training.nogan import selection


@contextmanager
def without_drawings():
    """Skip the plots of shared runs, half of the time of a tiny run; `straight` draws them all."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingLog, "plot", lambda self, *, final=True: None)
        patch.setattr(selection, "plot_monitors", lambda *arguments, **settings: None)
        patch.setattr(selection, "plot_fidelity", lambda *arguments, **settings: None)
        patch.setattr(selection, "contact_sheet", lambda *arguments, **settings: None)
        yield


@pytest.fixture(scope="session")
def straight(tmp_path_factory):
    """Folder and model of an uninterrupted run that many tests share."""
    folder = tmp_path_factory.mktemp("nogan") / "straight"
    return folder, tiny_nogan(folder)


@pytest.fixture(scope="session")
def critic_alone(tmp_path_factory):
    """A run whose critic stops its pretraining early and never reaches the threshold of the GAN phase."""
    folder = tmp_path_factory.mktemp("nogan") / "critic_alone"
    steps = (replace(CONFIG.critic_steps[0], epochs=50, accuracy=0.5),)
    config = replace(CONFIG, critic_steps=steps, gan=replace(CONFIG.gan, threshold=0.0))
    with without_drawings():
        return folder, config, tiny_nogan(folder, config)
