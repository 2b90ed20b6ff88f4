"""Precisions of network execution, and conversion of a network to one of them."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from decrappify._common.processes.processor import onednn_level

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_LEVELS_WITHOUT_BFLOAT16 = {"none", "SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX512_CORE", "AVX512_CORE_VNNI"}


def has_fast_bfloat16(device: torch.device) -> bool:
    """Return whether the hardware of `device` computes bfloat16; elsewhere it is emulated and slower than float32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and onednn_level() not in _LEVELS_WITHOUT_BFLOAT16


class InFloat32(nn.Module):
    """A float32 layer in a network of lower precision; its result is float32."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """Convert (N, C, H, W) of any dtype and apply the layer."""
        with torch.autocast(x.device.type, enabled=False):
            answer: Tensor = self.layer(x.float())
        return answer


def convert(network: nn.Module, precision: str, *, output_layer: str = "") -> nn.Module:
    """Convert a float32 network in place to a precision, except its output layer.

    Parameters
    ----------
    network : nn.Module
        Folded, float32.
    precision : {"float32", "bfloat16", "float16"}
        The precision.
    output_layer : str
        Name of the layer that remains in float32, see `NetworkSpec.output_layer`; "" for none.

    Returns
    -------
    nn.Module
        The network.

    Examples
    --------
    >>> network = convert(nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 1, 1)), "bfloat16", output_layer="1")
    >>> [parameter.dtype for parameter in network.parameters()][::2]
    [torch.bfloat16, torch.float32]
    """
    if precision == "float32":
        return network
    exact = copy.deepcopy(network.get_submodule(output_layer)) if output_layer else None
    network.to(PRECISIONS[precision])
    if exact is not None:
        parent, _, name = output_layer.rpartition(".")
        setattr(network.get_submodule(parent), name, InFloat32(exact))
    return network
