"""Precision of a run on hardware with and without bfloat16, and messages on it."""

from __future__ import annotations

import logging

import pytest

from decrappify.training import TrainingConfig
from decrappify.training.engine import processes
from decrappify.training.engine.processes import fabric_precision, used_precision
from decrappify.training.engine.trainer import Trainer


@pytest.mark.parametrize(("fast", "expected"), [(True, "bfloat16"), (False, "float32")])
def test_used_precision_follows_the_hardware_by_default(monkeypatch, fast, expected):
    monkeypatch.setattr(processes, "has_fast_bfloat16", lambda device: fast)
    assert used_precision(TrainingConfig(device="cpu")) == expected
    assert used_precision(TrainingConfig(device="cpu", precision="float32")) == "float32"


def test_fabric_precision_keeps_weights_in_float32():
    assert fabric_precision(TrainingConfig(precision="bfloat16")) == "bf16-mixed"


def test_trainer_shows_no_messages_of_fabric_on_its_settings(caplog, monkeypatch):
    logger = logging.getLogger("lightning_fabric")
    monkeypatch.setattr(logger, "handlers", [caplog.handler])
    caplog.set_level(logging.INFO, "lightning_fabric.utilities.rank_zero")
    Trainer(TrainingConfig(device="cpu", precision="bfloat16"), {}, None, settings={})
    assert caplog.messages == []
    assert logging.getLogger("lightning_fabric.utilities.rank_zero").level == logging.INFO
