from __future__ import annotations

import pytest
import torch

from decrappify.errors import InputError
from decrappify.networks import attention
from decrappify.networks.attention import SelfAttention


def published_attention(layer, x):
    pixels = x.flatten(2)
    query, key, value = layer.query(pixels), layer.key(pixels), layer.value(pixels)
    weights = torch.softmax(query.transpose(1, 2) @ key, dim=1)
    return layer.gamma * (value @ weights).reshape(x.shape) + x


@pytest.fixture
def layer():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layer = SelfAttention(32).eval()
        torch.nn.init.constant_(layer.gamma, 0.5)
        yield layer


@pytest.mark.parametrize("tokens", [2048, 7])
def test_self_attention_equals_the_softmax_over_queries(layer, tokens, monkeypatch):
    monkeypatch.setattr(attention, "_TOKENS", tokens)
    x = torch.randn(2, 32, 6, 5)
    torch.testing.assert_close(layer(x), published_attention(layer, x), atol=5e-6, rtol=1e-5)


def test_self_attention_gradients_equal_those_of_the_softmax(layer):
    x = torch.randn(1, 32, 4, 4, requires_grad=True)
    (found,) = torch.autograd.grad(layer(x).square().sum(), x)
    (expected,) = torch.autograd.grad(published_attention(layer, x).square().sum(), x)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_self_attention_starts_as_the_identity():
    x = torch.randn(1, 16, 3, 3)
    assert torch.equal(SelfAttention(16)(x), x)


def test_self_attention_limits_the_size_of_its_matrices(layer, monkeypatch):
    sizes = []
    real = torch.nn.functional.scaled_dot_product_attention

    def spy(query, key, value, **settings):
        sizes.append((query.shape[2], key.shape[2]))
        return real(query, key, value, **settings)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", spy)
    layer(torch.zeros(1, 32, 50, 50))
    assert sizes == [(2048, 2500), (452, 2500)]


def test_self_attention_rejects_too_few_channels():
    with pytest.raises(InputError, match="self-attention needs at least 8 channels, found 4; widen the network"):
        SelfAttention(4)
