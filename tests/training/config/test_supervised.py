from __future__ import annotations

from dataclasses import FrozenInstanceError, fields, replace

import pytest
import torch

from decrappify.errors import InputError
from decrappify.training import TrainingConfig
from decrappify.training.config.options import RunSettings
from decrappify.training.engine.processes import check_device


def test_training_config_round_trips_through_a_dictionary():
    config = TrainingConfig(network="small", n_frames=5, max_steps=10, deterministic=True)
    assert TrainingConfig.from_dict(config.to_dict()) == config
    assert TrainingConfig.from_dict({}) == TrainingConfig()


def test_minutes_and_max_steps_exclude_each_other():
    with pytest.raises(InputError, match=r"both minutes \(3\) and max_steps \(10\) are set; remove one of them"):
        TrainingConfig(minutes=3, max_steps=10)
    with pytest.raises(InputError, match=r"minutes is 0\.0, expected a number of at least 0\.01"):
        TrainingConfig(minutes=0)


@pytest.mark.parametrize(
    ("given", "planned"),
    [
        ({}, (20_000, 500)),
        ({"max_steps": 1900}, (1900, 95)),
        ({"max_steps": 10}, (10, 1)),
        ({"max_steps": 10, "validate_every": 3}, (10, 3)),
    ],
)
def test_validations_are_a_twentieth_of_the_run_apart(given, planned):
    config = TrainingConfig(**given).planned()
    assert (config.max_steps, config.validate_every) == planned


def test_training_config_is_frozen():
    config = TrainingConfig()
    with pytest.raises(FrozenInstanceError):
        config.seed = 3
    assert replace(config, seed=3).seed == 3


def test_from_dict_accepts_former_precision_names():
    assert TrainingConfig.from_dict({"precision": "bf16-mixed"}).precision == "bfloat16"
    with pytest.raises(InputError, match="expected one of auto, float32, bfloat16, float16"):
        TrainingConfig(precision="bf16-mixed")


def test_training_config_converts_integers_to_floats():
    config = TrainingConfig(learning_rate=1, stability_weight=0)
    assert (type(config.learning_rate), type(config.stability_weight)) == (float, float)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("max_steps", "ten", "max_steps is 'ten', expected a value of type int"),
        ("max_steps", 10.0, "max_steps is 10.0, expected a value of type int"),
        ("max_steps", True, "max_steps is True, expected a value of type int"),
        ("deterministic", 1, "deterministic is 1, expected a value of type bool"),
        ("learning_rate", "fast", "learning_rate is 'fast', expected a value of type float"),
        ("batch_size", 0, "batch_size is 0, expected a number of at least 1"),
        ("workers", -1, "workers is -1, expected a number of at least 0"),
        ("learning_rate", 0.0, "learning_rate is 0.0, expected a number from 1e-09 to 1"),
        ("learning_rate", float("nan"), "learning_rate is nan, expected a number from"),
        ("stability_weight", float("inf"), "stability_weight is inf, expected a number of at least 0"),
        ("ema_decay", 1, "ema_decay is 1.0, expected a number from 0 to 0.99999"),
        ("n_frames", 2, "n_frames is 2, expected an odd integer"),
        ("loss", "huber", "unknown loss 'huber'"),
        ("precision", "fp8", "precision is 'fp8', expected one of auto, float32, bfloat16, float16"),
        ("device", "gpu", "device is 'gpu', expected one of auto, cpu, cuda, mps"),
        ("learning_rte", 1e-3, "unknown key 'learning_rte' in the training settings; did you mean 'learning_rate'?"),
        (
            "network_settings",
            {"n_frames": 3},
            "a key 'n_frames', which is the setting n_frames of the training; remove",
        ),
        (
            "network_settings",
            {"scale": 2},
            "a key 'scale', which is the factor of the crappifier or of the pairs; remove",
        ),
        (
            "network_settings",
            {"name": "a"},
            "network_settings has a key 'name', but the network is selected by another setting",
        ),
        ("zzz", 1, "unknown key 'zzz' in the training settings; known keys: n_frames, stability_weight"),
    ],
)
def test_training_config_errors_are_one_line(key, value, message):
    with pytest.raises(InputError, match=message.replace("?", r"\?")) as caught:
        TrainingConfig.from_dict({key: value})
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA GPU")
def test_check_device_rejects_a_missing_cuda_gpu():
    with pytest.raises(InputError, match=r"device is 'cuda' and n_devices is 1, but torch finds 0 CUDA GPUs here"):
        check_device(TrainingConfig(device="cuda"))


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="this machine has an Apple GPU")
def test_check_device_rejects_a_missing_apple_gpu():
    with pytest.raises(InputError, match="device is 'mps', but torch finds no Apple GPU here; use device='auto'"):
        check_device(TrainingConfig(device="mps"))


def test_training_config_docstrings_describe_every_field():
    shared = {field.name for field in fields(RunSettings)}
    for field in fields(TrainingConfig):
        described = RunSettings if field.name in shared else TrainingConfig
        assert f"    {field.name} : " in str(described.__doc__)
