from __future__ import annotations

import pytest

from decrappify.inference.reuse import networks_reused, prepared_network
from decrappify.networks import create


@pytest.fixture
def network():
    return create("small", base_channels=16, depth=1, n_frames=1)


def test_networks_are_prepared_once_within_the_context(network):
    with networks_reused():
        first = prepared_network(network, device="cpu")
        assert prepared_network(network, device="cpu", expected_pixels=100) is first
        assert prepared_network(network, device="cpu", precision="float32") is not first
        assert prepared_network(create("small", base_channels=16, depth=1, n_frames=1), device="cpu") is not first
    assert prepared_network(network, device="cpu") is not first
    with networks_reused():
        assert prepared_network(network, device="cpu") is not first


def test_number_of_prepared_networks_is_limited(network):
    with networks_reused():
        first = prepared_network(network, device="cpu")
        for _ in range(3):
            prepared_network(create("small", base_channels=16, depth=1, n_frames=1), device="cpu")
            assert prepared_network(network, device="cpu") is first
        for _ in range(4):
            prepared_network(create("small", base_channels=16, depth=1, n_frames=1), device="cpu")
        assert prepared_network(network, device="cpu") is not first


def test_long_runs_have_a_separate_automatic_backend(network, monkeypatch):
    from decrappify.inference import network as module

    chosen = []
    fastest = lambda self, expected_pixels: chosen.append(expected_pixels) or "torch"  # noqa: E731
    monkeypatch.setattr(module.InferenceNetwork, "_fastest_backend", fastest)
    with networks_reused():
        for pixels in (10, 20, 60_000_000, 70_000_000, 30):
            prepared_network(network, device="cpu", expected_pixels=pixels)
    assert chosen == [10, 60_000_000]
