"""Exponential moving average of a network's weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


class WeightAverage:
    """Exponential moving average of all floating-point entries of a state dict, with a warm start.

    The decay at step k is ``min(decay, (1 + k) / (10 + k))``, so that the weights of early steps have little influence.

    Parameters
    ----------
    network : nn.Module
        The network to average.
    decay : float
        Final decay per step; 0 keeps the newest weights.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.steps = 0
        self.weights: dict[str, Tensor] = {key: value.detach().clone() for key, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Update the average with the network's current weights."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for key, value in network.state_dict().items():
            if value.is_floating_point():
                self.weights[key].lerp_(value, 1 - decay)
            else:
                self.weights[key].copy_(value)

    def state_dict(self) -> dict[str, Any]:
        """Return the averaged weights and the number of steps."""
        return {"weights": self.weights, "steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the average."""
        self.weights = {key: value.to(self.weights[key].device) for key, value in state["weights"].items()}
        self.steps = int(state["steps"])

    @contextmanager
    def applied_to(self, network: nn.Module) -> Iterator[None]:
        """Load the averaged weights into `network`, and restore its own weights afterwards."""
        own = {key: value.detach().clone() for key, value in network.state_dict().items()}
        network.load_state_dict(self.weights)
        try:
            yield
        finally:
            network.load_state_dict(own)
