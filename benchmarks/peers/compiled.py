"""Networks of other programs in OpenVINO, converted with its own tool from the torch module.

The compiled network has OpenVINO's defaults on the CPU, apart from the number of threads: bfloat16 where the processor
supports it. Only torch and openvino are imported here, as this file runs in the environments of the other programs.
"""

from __future__ import annotations

import openvino
import torch
from torch import Tensor, nn


def run_in_openvino(network: nn.Module, n_channels: int, side: int = 256) -> None:
    """Replace the calculation of a network, for images of any size; its weights must not change afterwards.

    The module keeps its weights, as CAREamics loads the checkpoint again before each prediction.
    """
    model = openvino.convert_model(network.eval(), example_input=torch.zeros(1, n_channels, side, side))
    model.reshape([-1, n_channels, -1, -1])
    threads = {"INFERENCE_NUM_THREADS": str(torch.get_num_threads())}
    compiled = openvino.Core().compile_model(model, "CPU", threads)

    def forward(source: Tensor) -> Tensor:
        return torch.from_numpy(compiled(source.contiguous().numpy())[0])

    network.forward = forward  # type: ignore[method-assign]
