from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from decrappify.inference.network import InferenceNetwork
from decrappify.inference.strips import StripedUNet, in_strips
from decrappify.networks.residual_unet import ResidualUNet


class LargestMaps(TorchDispatchMode):
    """Sizes of all tensors that are computed while it is active."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        given = {x.untyped_storage().data_ptr() for x in args if isinstance(x, Tensor)}
        if isinstance(made, Tensor) and made.untyped_storage().data_ptr() not in given:
            self.sizes.append(made.numel())
        return made


def random_unet(**settings):
    torch.manual_seed(0)
    network = ResidualUNet(base_channels=16, **settings).eval()
    nn.init.normal_(network.tail.weight, std=0.1)
    return network


@pytest.mark.parametrize(
    "settings",
    [{"stem": 2}, {"depth": 1, "blocks": 3}, {"scale": 2, "stem": 2}, {"bias": True, "in_channels": 2, "n_frames": 1}],
    ids=str,
)
@pytest.mark.parametrize("rows", [1, 8, 40])
def test_striped_unet_predicts_as_the_network(monkeypatch, settings, rows):
    network = random_unet(**settings)
    width = 200
    monkeypatch.setattr("decrappify.inference.strips._STRIP_BYTES", rows * 4 * 16 * width // network.stem)
    monkeypatch.setattr("decrappify.inference.strips._LEAST_ROWS", 2)
    source = torch.randn(2, network.n_frames * network.in_channels, 184, width)
    with torch.inference_mode():
        found, expected = StripedUNet(network)(source), network(source)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_striped_unet_has_one_complete_map_of_the_finest_level():
    network = random_unet()
    striped, source = StripedUNet(network), torch.randn(1, 3, 1024, 512)
    with torch.inference_mode(), LargestMaps() as whole:
        network(source)
    with torch.inference_mode(), LargestMaps() as strips:
        striped(source)
    complete = 16 * 1024 * 512
    assert sum(size >= complete for size in whole.sizes) >= 6
    assert sum(size >= complete for size in strips.sizes) == 1  # the skip connection
    with torch.inference_mode(), LargestMaps() as again:
        striped(source)
    assert sum(size >= complete for size in again.sizes) == 0  # its buffer is used again


def test_in_strips_leaves_other_networks_unchanged():
    flat, other = ResidualUNet(base_channels=16, depth=0), nn.Conv2d(1, 1, 3)
    assert in_strips(flat) is flat
    assert in_strips(other) is other


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_inference_network_predicts_large_sources_as_without_strips(monkeypatch, precision):
    source = torch.rand(1, 3, 512, 512)
    striped = InferenceNetwork(random_unet(), device="cpu", precision=precision)
    monkeypatch.setattr("decrappify.inference.network.in_strips", lambda network: network)
    whole = InferenceNetwork(random_unet(), device="cpu", precision=precision)
    torch.testing.assert_close(striped(source), whole(source), rtol=0, atol=1e-5 if precision == "float32" else 2e-2)
