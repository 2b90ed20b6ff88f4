from __future__ import annotations

import pytest
import torch
from lightning_fabric import Fabric
from tests import narrow  # noqa: F401  # makes its encoder known

from decrappify.errors import InputError
from decrappify.networks import create
from decrappify.training.engine.optimization import OptimizedNetwork

FABRIC = Fabric(accelerator="cpu", devices=1)


def tiny():
    torch.manual_seed(0)
    return create("dynamic-unet", encoder="narrow-resnet", width_factor=0.1)


def test_parameter_groups_use_their_learning_rates_and_a_frozen_encoder_stays():
    network = tiny()
    network.freeze_encoder(True)
    optimized = OptimizedNetwork(FABRIC, network, (1e-4, 1e-3, 1e-2), groups=network.parameter_groups())
    before = {key: value.detach().clone() for key, value in network.named_parameters()}
    optimized.step(optimized.network(torch.randn(2, 3, 32, 32)).square().mean(), "step 1")
    moved = {key: float((value.detach() - before[key]).abs().max()) for key, value in network.named_parameters()}
    assert moved["layers.0.0.weight"] == 0
    assert moved["layers.0.1.bias"] == pytest.approx(1e-4, rel=0.1)  # the first step of Adam equals its learning rate
    assert moved["layers.0.7.0.bn2.bias"] == pytest.approx(1e-3, rel=0.1)
    assert moved["layers.1.bias"] == pytest.approx(1e-2, rel=0.1)


def test_one_cycle_schedule_matches_fastai():
    optimized = OptimizedNetwork(FABRIC, tiny(), (1e-2,), one_cycle=(100, 0.3))
    rates, betas = [], []
    for _ in range(100):
        rates.append(optimized.learning_rate)
        betas.append(optimized.optimizer.param_groups[0]["betas"][0])
        optimized.optimizer.step()
        optimized.schedule.step()
    assert rates[0] == pytest.approx(1e-2 / 25)
    assert max(rates) == pytest.approx(1e-2, rel=1e-3)
    assert optimized.learning_rate == pytest.approx(1e-2 / 2.5e5, rel=1e-2)
    assert (betas[0], round(min(betas), 3)) == (0.95, 0.85)


def test_one_cycle_without_warm_up_starts_at_its_peak():
    optimized = OptimizedNetwork(FABRIC, tiny(), (1e-2,), one_cycle=(50, 1e-8))
    assert optimized.learning_rate == pytest.approx(1e-2, rel=0.01)


def test_weight_decay_is_decoupled():
    network = tiny()
    before = network.layers[1].weight.detach().clone()
    optimized = OptimizedNetwork(FABRIC, network, (0.1,), weight_decay=0.5)
    optimized.step(0 * sum(p.sum() for p in network.parameters()), "step 1")
    torch.testing.assert_close(network.layers[1].weight.detach(), before * (1 - 0.1 * 0.5))


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_step_rejects_a_loss_that_is_not_finite(value):
    optimized = OptimizedNetwork(FABRIC, tiny(), (1e-3,))
    with pytest.raises(InputError, match=f"the loss of step 7 of pretrain is {value}; lower learning_rate"):
        optimized.step(torch.tensor(float(value)), "step 7 of pretrain")


def test_optimizer_is_fused_unless_gradients_are_scaled(monkeypatch):
    assert OptimizedNetwork(FABRIC, tiny(), (1e-3,)).optimizer.param_groups[0]["fused"]
    monkeypatch.setattr(FABRIC.strategy.precision, "scaler", object(), raising=False)  # as in float16 on a GPU
    assert not OptimizedNetwork(FABRIC, tiny(), (1e-3,)).optimizer.param_groups[0]["fused"]
