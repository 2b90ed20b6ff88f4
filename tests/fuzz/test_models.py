"""Damaged model files, published weights, crappifier files, run files, training checkpoints and journals."""

from __future__ import annotations

import pytest

from . import run_inputs
from .conftest import Fuzz

pytestmark = pytest.mark.fuzz
_MODELS = ("decrappify.model", "decrappify.cli", "decrappify.networks.residual_unet", "safetensors.torch")


def test_damaged_model_files_are_refused_in_one_line_or_loaded(fuzz: Fuzz) -> None:
    fuzz("safetensors", "model", run_inputs.model_files, 800, preload=_MODELS)


def test_damaged_checkpoints_are_refused_in_one_line_or_loaded(fuzz: Fuzz) -> None:
    preload = (*_MODELS, "decrappify.model.fastai_import", "decrappify.networks.dynamic_unet", "torchvision")
    fuzz("pth", "model", run_inputs.checkpoint_files, 120, preload=preload)


def test_damaged_crappifier_files_are_refused_in_one_line_or_loaded(fuzz: Fuzz) -> None:
    fuzz("crappifier", "crappifier", run_inputs.crappifier_files, 2000, preload=("decrappify.crappify", "PIL.Image"))


def test_damaged_run_files_are_refused_in_one_line_or_read(fuzz: Fuzz) -> None:
    preload = ("decrappify.training.config.run_file", "decrappify.samples")
    fuzz("run", "run", run_inputs.run_files, 800, preload=preload)


def test_damaged_training_checkpoints_are_refused_in_one_line_or_resumed(fuzz: Fuzz) -> None:
    preload = ("decrappify.training.supervised.api", "lightning_fabric")
    fuzz("training", "checkpoint", run_inputs.training_runs, 80, preload=preload)


def test_damaged_journals_are_refused_in_one_line_or_resumed(fuzz: Fuzz) -> None:
    fuzz(
        "journal",
        "journal",
        run_inputs.interrupted_restorations,
        120,
        preload=("decrappify.restoration.pipeline", "zarr"),
    )  # fmt: skip
