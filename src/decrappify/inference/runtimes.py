"""Networks converted for other runtimes, each for one source size, float32 in and out, on the CPU."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from decrappify._common.argument_names import setting
from decrappify.errors import InputError
from decrappify.inference.onnx_export import onnx_model
from decrappify.limits.reached import is_out_of_memory

Predict = Callable[[Tensor], Tensor]

_REPORTER = "openvino_telemetry"


def for_onnxruntime(network: nn.Module, source: Tensor, precision: str) -> Predict:
    """Export a network to ONNX, in memory, and open it in ONNX Runtime.

    Parameters
    ----------
    network : nn.Module
        Folded, in eval mode, float32 on the CPU.
    source : Tensor
        Source of the shape to predict from, (N, C, H, W) float32.
    precision : {"float32"}
        ONNX Runtime has no bfloat16 convolutions for CPUs.

    Returns
    -------
    callable
        Function that predicts from a source of that shape, with torch's current number of threads.

    Raises
    ------
    InputError
        If ONNX Runtime or a dependency of the export is not installed.
    """
    onnxruntime = _imported("onnxruntime", "onnx")
    _imported("onnxscript", "onnx")
    model = onnx_model(network, source).SerializeToString()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors only: its warnings are about single operators
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def predict(source: Tensor) -> Tensor:
        (prediction,) = _with_memory_errors(lambda: session.run(None, {"source": source.contiguous().numpy()}))
        return torch.from_numpy(prediction)

    return predict


def for_openvino(network: nn.Module, source: Tensor, precision: str) -> Predict:
    """Convert a network for OpenVINO and compile it.

    Parameters
    ----------
    network : nn.Module
        Folded, in eval mode, float32 on the CPU; must exist as long as the returned function, which uses its weights.
    source : Tensor
        Source of the shape to predict from, (N, C, H, W) float32.
    precision : {"float32", "bfloat16"}
        Precision of the arithmetic inside.

    Returns
    -------
    callable
        Function that predicts from a source of that shape, with torch's current number of threads.

    Raises
    ------
    InputError
        If OpenVINO is not installed.
    """
    openvino = _quietly_imported_openvino()
    converted = openvino.convert_model(torch.export.export(network, (source,)))
    settings = {
        "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[precision],
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,  # two runs on one machine would be pinned to the same cores
    }
    request = _openvino_core().compile_model(converted, "CPU", settings).create_infer_request()

    def predict(source: Tensor) -> Tensor:
        inputs = {0: source.contiguous().numpy()}
        predictions = _with_memory_errors(lambda: request.infer(inputs, share_inputs=True, share_outputs=False))
        return torch.from_numpy(predictions[0])

    return predict


def _imported(name: str, extra: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        remedy = f'pip install "decrappify[{extra}]"'
        raise InputError(f"{name} is not installed; run {remedy}, or use {setting('backend', 'torch')}") from error


def _quietly_imported_openvino() -> Any:
    """Import OpenVINO without its telemetry, which would report every import and conversion to a web service."""
    not_imported = {"openvino", _REPORTER}.isdisjoint(sys.modules)
    if not_imported:
        sys.modules[_REPORTER] = None  # type: ignore[assignment]  # importing it then fails, and OpenVINO uses a stub
    try:
        return _imported("openvino", "openvino")
    finally:
        if not_imported:
            del sys.modules[_REPORTER]


@cache
def _openvino_core() -> Any:
    """Return the only OpenVINO core of this process, which is never freed.

    The CPU plugin of a core sets its own signal stack and restores the previous one when it is freed. If several cores
    are freed in another order than they were created, the restored stack has already been freed, and the next signal
    (Ctrl-C, the end of a child process) kills the process. One core is also faster: it loads the plugin once.
    """
    return _quietly_imported_openvino().Core()


def _with_memory_errors(run: Callable[[], Any]) -> Any:
    """Run, and convert the runtimes' out-of-memory errors into MemoryError."""
    try:
        return run()
    except Exception as error:
        if is_out_of_memory(error):
            raise MemoryError(str(error)) from error
        raise
