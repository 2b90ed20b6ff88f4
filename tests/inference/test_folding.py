from __future__ import annotations

import copy

import pytest
import torch
from tests import narrow  # noqa: F401  # makes its encoder known
from torch import nn
from torch.nn.utils import parametrize

from decrappify.inference.folding import fold_norms
from decrappify.networks import create
from decrappify.networks.blocks import NormedConv, SpectralConv1d, conv_layer

pytestmark = pytest.mark.cpu_sensitive


def with_statistics(network):
    """Return the network in eval mode with random running statistics."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 2)
    return network.eval()


def are_plain(modules, *kinds):
    return all(
        isinstance(module, kind) and not isinstance(module, NormedConv) and not parametrize.is_parametrized(module)
        for module, kind in zip(modules, kinds, strict=True)
    )


@pytest.mark.parametrize(
    "network",
    [
        nn.Sequential(
            nn.utils.parametrizations.weight_norm(nn.Conv2d(2, 4, 3)),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.utils.parametrizations.spectral_norm(nn.Conv2d(4, 4, 1)),
        ),
        nn.Sequential(
            *conv_layer(2, 4, norm="spectral", batch_norm=True, activation=False), nn.ReLU(), nn.Conv2d(4, 4, 1)
        ),
    ],
    ids=["torch", "decrappify"],
)
def test_fold_norms_returns_plain_convolutions_and_keeps_the_network(network):
    with_statistics(network)
    source, before = torch.rand(1, 2, 8, 8), copy.deepcopy(network.state_dict())
    with torch.inference_mode():
        expected = network(source)
        folded = fold_norms(network.train())
        torch.testing.assert_close(folded(source), expected, atol=1e-6, rtol=1e-5)
        assert are_plain(folded, nn.Conv2d, nn.Identity, nn.ReLU, nn.Conv2d)
        assert network.training
        assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
        torch.testing.assert_close(network.eval()(source), expected, atol=0, rtol=0)


@pytest.mark.parametrize("norm", ["spectral", "weight", "batch", "none"])
def test_fold_norms_keeps_a_batch_norm_after_a_relu(norm):
    layer = with_statistics(conv_layer(2, 4, norm=norm, batch_norm=True))
    folded = fold_norms(layer)
    source = torch.rand(1, 2, 8, 8)
    assert are_plain(folded, nn.Conv2d, nn.ReLU, nn.BatchNorm2d)
    torch.testing.assert_close(folded(source), layer(source), atol=1e-6, rtol=1e-5)


def test_fold_norms_removes_all_norms_of_a_generator_but_batch_norms_of_the_decoder():
    network = with_statistics(create("deoldify-artistic", encoder="narrow-resnet", width_factor=0.25))
    folded = fold_norms(network)
    assert not any(isinstance(module, NormedConv) for module in folded.modules())
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.layers[0].modules())
    source = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(folded(source), network(source), atol=1e-5, rtol=0)


def test_fold_norms_accepts_a_single_convolution():
    conv = SpectralConv1d(4, 2, 1).eval()
    folded = fold_norms(conv)
    assert type(folded) is nn.Conv1d
    torch.testing.assert_close(folded.weight, conv.effective_weight())
