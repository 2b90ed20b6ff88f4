from __future__ import annotations

import logging

import pytest
import torch
from tests.restoration.conftest import PoolingNetwork, WindowMean
from torch import nn

from decrappify.errors import InputError
from decrappify.inference import network as inference
from decrappify.inference.network import InferenceNetwork, choose_device
from decrappify.inference.winograd import WinogradConv2d
from decrappify.networks.residual_unet import ResidualUNet


def source_for(network, side=32):
    return torch.rand(1, network.n_frames * network.in_channels, side, side, generator=torch.Generator().manual_seed(1))


def test_float32_predicts_like_the_network_and_does_not_change_it():
    network = PoolingNetwork(3).train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    ready = InferenceNetwork(network, device="cpu", precision="float32")
    source = source_for(network)
    torch.testing.assert_close(ready(source), network(source).detach(), atol=1e-6, rtol=0)
    assert network.training
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert next(network.parameters()).requires_grad


def test_bfloat16_is_close_and_returns_float32():
    network = PoolingNetwork(3)
    ready = InferenceNetwork(network, device="cpu", precision="bfloat16")
    prediction = ready(source_for(network))
    assert prediction.dtype == torch.float32
    torch.testing.assert_close(prediction, network(source_for(network)).detach(), atol=0.02, rtol=0)
    assert not torch.equal(prediction, network(source_for(network)).detach())


@pytest.mark.parametrize(("fast", "expected"), [(True, "bfloat16"), (False, "float32")])
def test_auto_precision_is_bfloat16_if_the_processor_supports_it(monkeypatch, fast, expected):
    monkeypatch.setattr(inference, "has_fast_bfloat16", lambda device: fast)
    assert InferenceNetwork(PoolingNetwork(), device="cpu").precision == expected


class Amplifier(WindowMean):
    """A network that subtracts two large values: bfloat16 loses all digits."""

    def __init__(self):
        super().__init__()
        self.scaling = nn.Conv2d(1, 1, 1)
        nn.init.constant_(self.scaling.weight, 1.0)
        nn.init.constant_(self.scaling.bias, 4000.0)

    def forward(self, source):
        return self.scaling(source) - 4000.0


def test_auto_precision_is_float32_if_bfloat16_is_too_inaccurate(monkeypatch, caplog):
    monkeypatch.setattr(inference, "has_fast_bfloat16", lambda device: True)
    with caplog.at_level(logging.INFO):
        assert InferenceNetwork(Amplifier(), device="cpu").precision == "float32"
    assert "expected at least 55 dB: using float32" in caplog.text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "gpu7"}, "device='gpu7' is not known"),
        ({"device": "meta"}, "device='meta' is not supported"),
        ({"device": "cuda:99"}, "device='cuda:99' is not available"),
        ({"device": "cpu", "precision": "float8"}, "precision='float8' is not known"),
        ({"device": "cpu", "precision": "float16"}, "precision='float16' needs a GPU"),
    ],
)
def test_inference_network_rejects_unsuitable_devices_and_precisions(options, message):
    with pytest.raises(InputError, match=message):
        InferenceNetwork(PoolingNetwork(), **options)


def test_choose_device_returns_an_available_device():
    assert choose_device("auto").type in ("cpu", "cuda", "mps")
    assert choose_device(torch.device("cpu")) == torch.device("cpu")


class WinogradCounter:
    """Counter of the calls of Winograd convolutions."""

    def __init__(self, monkeypatch, error=0.0):
        self.count = 0
        forward = WinogradConv2d.forward

        def watched(module, x):
            self.count += 1
            return forward(module, x) + error

        monkeypatch.setattr(WinogradConv2d, "forward", watched)


def wide():
    network = ResidualUNet(n_frames=1, base_channels=128, depth=0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        nn.init.normal_(network.tail.weight, std=0.05)
    return network


def test_wide_convolutions_use_winograd_in_float32(monkeypatch):
    network = wide()
    counter = WinogradCounter(monkeypatch)
    source = source_for(network, 64)
    exact = InferenceNetwork(network, device="cpu", precision="float32")
    counter.count = 0
    torch.testing.assert_close(exact(source), network(source).detach(), atol=1e-5, rtol=0)
    assert counter.count == 2
    InferenceNetwork(network, device="cpu", precision="bfloat16")(source)
    InferenceNetwork(ResidualUNet(n_frames=1, base_channels=16, depth=0), device="cpu", precision="float32")(source)
    assert counter.count == 2


def test_wide_convolutions_do_not_use_winograd_if_predictions_differ(monkeypatch):
    network = wide()
    counter = WinogradCounter(monkeypatch, error=0.1)
    kept = InferenceNetwork(network, device="cpu", precision="float32", backend="torch")
    counter.count = 0
    source = source_for(network, 64)
    torch.testing.assert_close(kept(source), network(source).detach(), atol=1e-5, rtol=0)
    assert not counter.count
