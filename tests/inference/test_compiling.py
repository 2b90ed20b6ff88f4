from __future__ import annotations

import logging

import pytest
import torch
from torch import nn

from decrappify.inference.compiling import compiled
from decrappify.networks import create

UNET = {"encoder": "resnet18", "width_factor": 0.25}


@pytest.fixture(autouse=True)
def _fresh_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    torch._dynamo.reset()


def eager(name, **settings):
    torch.manual_seed(0)
    return create(name, **settings).eval()


@pytest.mark.usefixtures("no_compiler")
@pytest.mark.slow
def test_compiled_returns_the_network_without_a_compiler(caplog):
    network = eager("small", base_channels=16, depth=1)
    with caplog.at_level(logging.INFO):
        assert compiled(network) is network
    assert "torch.compile does not work here" in caplog.text
    assert "the network runs uncompiled" in caplog.text
    assert network(torch.rand(1, 3, 8, 8)).shape == (1, 1, 8, 8)


class _ChangedByCompiling(nn.Module):
    """A network that predicts other values when compiled."""

    in_channels = 1

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, source):
        return source * self.scale * (2 if torch.compiler.is_compiling() else 1)


def test_compiled_returns_the_network_if_predictions_differ(monkeypatch, caplog):
    network = _ChangedByCompiling()
    monkeypatch.setattr(torch, "compile", lambda module: torch._dynamo.optimize("eager")(module))
    with caplog.at_level(logging.INFO):
        assert compiled(network) is network
    assert "the compiled network differs by 1 of the largest prediction" in caplog.text


@pytest.mark.slow  # code generation takes one or two minutes per network
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("small", {"base_channels": 16, "depth": 1}),
        ("deoldify-artistic", UNET),
        ("deoldify-stable", UNET),
        ("lesson7-superres", UNET),
        ("pssr", UNET | {"encoder": "wn-resnet18"}),
        ("small-critic", {"width": 16}),
    ],
)
def test_compiled_predicts_like_every_kind_of_network(name, settings, caplog):
    network = eager(name, **settings)
    for module in network.modules():
        if hasattr(module, "gamma"):
            nn.init.constant_(module.gamma, 0.5)
    with caplog.at_level(logging.INFO):
        fast = compiled(network)
    assert fast is not network, caplog.text
    source = torch.rand(2, getattr(network, "n_frames", 1) * network.in_channels, 64, 96)
    with torch.inference_mode():
        torch.testing.assert_close(fast(source), network(source), atol=1e-4, rtol=1e-4)
