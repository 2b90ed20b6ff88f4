from __future__ import annotations

import pytest
import torch
from torch import nn

from decrappify.inference.folding import fold_norms
from decrappify.networks.blocks import SpectralConv2d, SplitConv2d, WeightNormConv2d, convolve

pytestmark = pytest.mark.cpu_sensitive


@pytest.fixture
def source():
    return torch.randn(1, 300, 9, 10, generator=torch.Generator().manual_seed(1))


def distance(found, expected):
    return (found.detach().double() - expected).norm().item() / expected.norm().item()


@pytest.mark.parametrize("settings", [{"bias": False}, {"padding": 1}, {"stride": 2, "padding_mode": "reflect"}])
@pytest.mark.parametrize("kind", [SplitConv2d, SpectralConv2d, WeightNormConv2d])
def test_split_convolution_is_close_to_float64(kind, settings, source):
    conv = kind(300, 8, 3, **settings).eval()
    weight = conv.effective_weight() if hasattr(conv, "effective_weight") else conv.weight
    bias = None if conv.bias is None else conv.bias.double()
    found = conv(source)
    expected = conv._conv_forward(source.double(), weight.double(), bias)
    assert found.shape == expected.shape
    assert distance(found, expected) < 4e-7  # the error of one convolution in float32 is at least 7e-7


def test_split_convolution_has_the_gradients_of_one_convolution(source):
    conv = SplitConv2d(300, 8, 3)
    gradients = []
    for training in (True, False):
        inputs = source.clone().requires_grad_()
        gradients.append(torch.autograd.grad(conv.train(training)(inputs).square().sum(), [inputs, *conv.parameters()]))
    for one, split in zip(*gradients, strict=True):
        torch.testing.assert_close(split, one, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("conv", "dtype"),
    [
        (nn.Conv2d(300, 8, 3).train(), torch.float32),
        (nn.Conv2d(300, 8, 3).eval(), torch.bfloat16),
        (nn.Conv2d(300, 8, 1).eval(), torch.float32),
        (nn.Conv2d(300, 9, 3, groups=3).eval(), torch.float32),
        (nn.Conv2d(300, 8, 3).eval(), "autocast"),
    ],
    ids=["training", "bfloat16", "1x1", "groups", "autocast"],
)
def test_convolve_uses_one_convolution_where_splitting_does_not_apply(conv, dtype, source):
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "autocast"):
        if isinstance(dtype, torch.dtype):
            conv, source = conv.to(dtype), source.to(dtype)
        torch.testing.assert_close(convolve(conv, source, conv.weight), conv(source), atol=0, rtol=0)


@pytest.mark.parametrize(("side", "convolutions"), [(181, 2), (182, 1)])
def test_folded_convolution_uses_one_convolution_for_large_images(side, convolutions, monkeypatch):
    image = torch.randn(1, 80, side, side, generator=torch.Generator().manual_seed(1))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        conv, calls = fold_norms(SpectralConv2d(80, 2, 3), large_in_one_go=True), []
    single = conv._conv_forward(image, conv.weight, conv.bias)
    convolve = conv._conv_forward
    monkeypatch.setattr(conv, "_conv_forward", lambda *arguments: calls.append(1) or convolve(*arguments))
    torch.testing.assert_close(conv(image), single, atol=1e-6 * single.abs().max().item(), rtol=1e-5)
    assert len(calls) == convolutions


def test_exported_graph_contains_one_convolution(source):
    program = torch.export.export(SplitConv2d(300, 8, 3).eval(), (source,))
    assert [str(node.target) for node in program.graph.nodes].count("aten.conv2d.default") == 1
