"""Export of networks to ONNX, for ONNX Runtime and for files."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim

OPSET = 18
"""Version of the operators in exported files, which ONNX Runtime reads from release 1.14 on."""


def onnx_model(network: nn.Module, source: Tensor, *, multiple: int | None = None) -> Any:
    """Export a network to ONNX, with its input named "source" and its output "prediction".

    Parameters
    ----------
    network : nn.Module
        Folded, in eval mode, float32 on the CPU, without gradients.
    source : Tensor
        Source of the shape to predict from, (N, C, H, W) float32.
    multiple : int, optional
        If given, the exported network accepts any batch size, and any height and width that are multiples of it;
        `source` must have two or more images, and be two or more multiples high and wide. By default, it accepts
        sources of the shape of `source` only.

    Returns
    -------
    onnx.ModelProto
        The exported network, with its weights.

    Raises
    ------
    Exception
        Of several types, if torch cannot export the network.
    """
    names = {"input_names": ["source"], "output_names": ["prediction"]}
    settings: dict[str, Any] = {"dynamo": True, "verbose": False, **names}
    if multiple is not None:
        height, width = Dim("height"), Dim("width")
        sides = (height, width) if multiple == 1 else (multiple * height, multiple * width)
        settings |= {"dynamic_shapes": ({0: Dim("batch"), 2: sides[0], 3: sides[1]},), "opset_version": OPSET}
    program = torch.onnx.export(network, (source,), **settings)
    if program is None:
        raise RuntimeError("torch.onnx.export returned no program")
    return program.model_proto
