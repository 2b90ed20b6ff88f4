"""Running average of a network's weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class WeightAverage:
    """Exponential moving average of all floating-point entries of a state dict, with a warm start.

    The decay at step k is ``min(decay, (1 + k) / (10 + k))``, so that early steps are forgotten quickly.

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
        """Take the network's present weights into the average."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for key, value in network.state_dict().items():
            if value.is_floating_point():
                self.weights[key].lerp_(value, 1 - decay)
            else:
                self.weights[key].copy_(value)

    def state(self) -> dict[str, Any]:
        """Everything to go on from."""
        return {"weights": self.weights, "steps": self.steps}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        self.weights = {key: value.to(self.weights[key].device) for key, value in state["weights"].items()}
        self.steps = int(state["steps"])
