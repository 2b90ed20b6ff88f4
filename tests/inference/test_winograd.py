from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from decrappify.errors import InputError
from decrappify.inference.folding import fold_norms
from decrappify.inference.winograd import WinogradConv2d, transformed_filters, with_winograd
from decrappify.networks import create
from decrappify.networks.blocks import SpectralConv2d

pytestmark = pytest.mark.cpu_sensitive


def predictions(conv, image, **settings):
    """Return the predictions of a convolution in float64 and of its Winograd form."""
    with torch.inference_mode():
        found = WinogradConv2d(conv, **settings)(image)
        return conv.double()(image.double()), found


def assert_close(expected, found):
    assert found.shape == expected.shape
    size = expected.square().mean().sqrt().clamp_min(0.1)  # sums of a few terms of size 1 can nearly cancel
    assert (found - expected).square().mean() <= (1e-5 * size) ** 2


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("padding_mode", ["zeros", "replicate", "reflect", "circular"])
def test_winograd_equals_the_convolution_for_every_padding_and_bias(padding_mode, bias):
    conv = nn.Conv2d(5, 7, 3, padding=1, padding_mode=padding_mode, bias=bias)
    assert_close(*predictions(conv, torch.randn(2, 5, 13, 18), least_tiles=0))


@pytest.mark.parametrize(
    "shape",
    [(1, 3, 1, 1), (1, 3, 1, 9), (3, 3, 4, 4), (1, 3, 5, 3), (1, 3, 8, 1030), (1, 3, 90, 66), (0, 3, 8, 8)],
    ids=str,
)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_winograd_equals_the_convolution_for_tiny_long_and_odd_images(shape, layout):
    conv = nn.Conv2d(3, 20, 3, padding=1)
    image = torch.randn(shape).contiguous(memory_format=layout)
    expected, found = predictions(conv, image, least_tiles=0)
    assert found.is_contiguous(memory_format=torch.channels_last)
    if len(image):
        assert_close(expected, found)
    else:
        assert found.shape == expected.shape


@settings(max_examples=15, deadline=None)
@given(
    sizes=st.tuples(*[st.integers(1, 3), st.integers(1, 40), st.integers(1, 40)], *[st.integers(1, 45)] * 2),
    seed=st.integers(0, 2**16),
)
def test_winograd_equals_the_convolution_for_any_size(sizes, seed):
    n, n_in, n_out, height, width = sizes
    torch.manual_seed(seed)
    conv = nn.Conv2d(n_in, n_out, 3, padding=1)
    assert_close(*predictions(conv, torch.randn(n, n_in, height, width) + 1, least_tiles=0))


def test_winograd_rounding_error_of_a_wide_layer_is_a_few_millionths():
    conv = nn.Conv2d(256, 128, 3, padding=1)
    expected, found = predictions(conv, torch.randn(1, 256, 48, 48).relu_())
    assert (found - expected).square().mean().sqrt() / expected.std() < 4e-6


def test_transformed_filters_match_the_paper():
    weight = torch.randn(2, 3, 3, 3)
    filters = transformed_filters(weight)
    assert filters.shape == (36, 16, 16)
    torch.testing.assert_close(filters[0, :3, :2], weight[:, :, 0, 0].T / 16)
    torch.testing.assert_close(filters[35, :3, :2], weight[:, :, 2, 2].T)
    torch.testing.assert_close(filters[7, :3, :2], weight.sum((2, 3)).T / 36)
    assert not filters[:, 3:].any()
    assert not filters[:, :, 2:].any()


@pytest.mark.parametrize(("side", "same"), [(44, True), (48, False)])
def test_winograd_uses_the_convolution_for_small_images(side, same):
    conv, image = nn.Conv2d(32, 32, 3, padding=1), torch.randn(1, 32, side, side)
    with torch.inference_mode():
        assert torch.equal(WinogradConv2d(conv)(image), conv(image)) == same


def test_winograd_gradients_equal_those_of_the_convolution():
    conv = nn.Conv2d(3, 4, 3, padding=1)
    image = torch.randn(1, 3, 60, 60, requires_grad=True)
    WinogradConv2d(conv)(image).square().sum().backward()
    found = image.grad.clone(), conv.weight.grad.clone()
    image.grad = conv.weight.grad = None
    conv(image).square().sum().backward()
    torch.testing.assert_close(found, (image.grad, conv.weight.grad), rtol=0, atol=0)


def test_winograd_uses_the_convolution_for_other_dtypes_and_autocast():
    conv, image = nn.Conv2d(3, 4, 3, padding=1), torch.randn(1, 3, 60, 60)
    fast = WinogradConv2d(conv)
    with torch.inference_mode():
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(fast(image), conv(image))
        fast.double()
        assert torch.equal(fast(image.double()), conv(image.double()))


def test_winograd_rejects_other_channels_like_the_convolution():
    with pytest.raises(RuntimeError, match="to have 3 channels, but got 2"):
        WinogradConv2d(nn.Conv2d(3, 4, 3, padding=1))(torch.zeros(1, 2, 60, 60))


@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv2d(4, 4, 5, padding=1),
        nn.Conv2d(4, 4, 3),
        nn.Conv2d(4, 4, 3, padding=1, stride=2),
        nn.Conv2d(4, 4, 3, padding=1, groups=2),
        nn.Conv2d(4, 4, 3, padding=1, dilation=2),
    ],
    ids=["kernel", "padding", "stride", "groups", "dilation"],
)
def test_winograd_rejects_other_convolutions(conv):
    with pytest.raises(InputError, match="has no Winograd form, expected kernel 3"):
        WinogradConv2d(conv)


def test_with_winograd_replaces_only_wide_plain_convolutions_and_keeps_the_network():
    network = nn.Sequential(
        nn.Conv2d(112, 128, 3, padding=1),
        nn.ReLU(),
        nn.Sequential(nn.Conv2d(128, 48, 3, padding=1), nn.Conv2d(48, 128, 3, padding=1)),
        nn.Conv2d(128, 128, 1),
        SpectralConv2d(128, 128, 3, padding=1),
    )
    kinds = [type(module) for module in network.modules()]
    fast = with_winograd(network)
    assert [name for name, module in fast.named_modules() if isinstance(module, WinogradConv2d)] == ["0"]
    assert [type(module) for module in network.modules()] == kinds
    assert fast[0].conv.weight is network[0].weight
    assert isinstance(with_winograd(network[0]), WinogradConv2d)


@pytest.mark.slow
def test_with_winograd_predicts_like_the_generator():
    torch.manual_seed(3)
    network = create("deoldify-artistic", encoder="resnet18", width_factor=0.75).eval()
    fast = with_winograd(fold_norms(network, large_in_one_go=True)).to(memory_format=torch.channels_last)
    replaced = [module for module in fast.modules() if isinstance(module, WinogradConv2d)]
    for module in replaced:
        module.least_tiles = 0
    source = torch.randn(1, 3, 64, 98)
    with torch.inference_mode():
        expected, found = network(source), fast(source.contiguous(memory_format=torch.channels_last))
    assert len(replaced) > 10
    assert all(module._filters is not None for module in replaced)
    error = (found - expected).square().mean().sqrt().item()
    assert 20 * math.log10((expected.max() - expected.min()).item() / error) > 80
