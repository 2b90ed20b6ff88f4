"""Networks as ONNX and TorchScript graphs for any number of images and any size, each compared with its network."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from decrappify.errors import InputError
from decrappify.inference.agreement import trial_source
from decrappify.inference.folding import fold_norms
from decrappify.inference.onnx_export import onnx_model
from decrappify.model.exchange.extras import imported
from decrappify.networks.plain_residual_unet import PlainResidualUNet
from decrappify.networks.residual_unet import ResidualUNet
from decrappify.networks.spec import NetworkSpec, RestorationNetwork

MOST_DIFFERENCE = 1e-4
"""Largest accepted difference of a graph from its network, as a share of the range of the prediction."""

_LEAST_SIDE = 64


def plain_network(network: RestorationNetwork) -> nn.Module:
    """Return a copy of a network for export: in eval mode, float32 on the CPU, without gradients and norms of weights.

    A residual U-Net is copied without the checks of its source.
    """
    plain: nn.Module
    if is_residual_unet(network):
        settings = {key: value for key, value in network.architecture.items() if key != "name"}
        plain = PlainResidualUNet(**settings)
        plain.load_state_dict(network.state_dict())
    else:
        plain = fold_norms(network).float().cpu()
    return plain.eval().requires_grad_(False)


def is_residual_unet(network: RestorationNetwork) -> bool:
    """Return whether a network is a residual U-Net, and not of a class derived from it."""
    return type(network) is ResidualUNet


def size_step(spec: NetworkSpec) -> int:
    """Return the number of which height and width of an exported network's source must be multiples."""
    return max(spec.size_multiple, spec.tile_multiple)


def as_onnx(network: nn.Module, spec: NetworkSpec, metadata: str) -> bytes:
    """Export a network to ONNX, with its input "source" and its output "prediction".

    Parameters
    ----------
    network : nn.Module
        Result of `plain_network`.
    spec : NetworkSpec
        Channels and sizes.
    metadata : str
        Value of the entry "decrappify" of the file's metadata.

    Raises
    ------
    MissingExtraError
        If ONNX Runtime or a dependency of the export is not installed.
    InputError
        If the network cannot be exported, or the exported one predicts otherwise.
    """
    onnxruntime = imported("onnxruntime", "onnx")
    imported("onnxscript", "onnx")
    source, other = _sources(spec)
    try:
        model = onnx_model(network, source, multiple=size_step(spec))
        model.metadata_props.add(key="decrappify", value=metadata)
        content: bytes = model.SerializeToString()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors only: its warnings are about single operators
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        _check(lambda x: torch.from_numpy(session.run(None, {"source": x.numpy()})[0]), network, other, "ONNX")
    except (InputError, MemoryError):
        raise
    except Exception as error:  # the errors of exporters and runtimes have no common base class
        raise _failure("ONNX", error) from error
    return content


def as_torchscript(network: nn.Module, spec: NetworkSpec, metadata: str) -> bytes:
    """Trace a network as TorchScript; for `network`, `spec` and `metadata`, see `as_onnx`.

    Raises
    ------
    InputError
        If the network cannot be traced, or the traced one predicts otherwise.
    """
    source, other = _sources(spec)
    content = io.BytesIO()
    jit: Any = torch.jit  # its functions have no types
    with warnings.catch_warnings():
        # torch has deprecated TorchScript, and deepImageJ runs no other format of torch.
        warnings.filterwarnings("ignore", r"`torch\.jit\.\w+` is (deprecated|not supported)")
        # Decisions by size become constants; the comparison at another size shows whether they matter.
        warnings.filterwarnings("ignore", category=jit.TracerWarning)
        try:
            traced = jit.trace(network, source, check_trace=False)
            with torch.inference_mode():
                _check(traced, network, other, "TorchScript")
            jit.save(traced, content, _extra_files={"decrappify.json": metadata})
        except (InputError, MemoryError):
            raise
        except Exception as error:  # of several types
            raise _failure("TorchScript", error) from error
    return content.getvalue()


def _sources(spec: NetworkSpec) -> tuple[Tensor, Tensor]:
    """Return two sources that differ in the number of images and in both sides."""
    step = size_step(spec)
    side = max(2, -(-_LEAST_SIDE // step)) * step
    shapes = (2, spec.source_channels, side, side + step), (1, spec.source_channels, side + 2 * step, side + step * 3)
    first, second = (trial_source(shape, torch.device("cpu")) for shape in shapes)
    return first, second


def _check(predict: Callable[[Tensor], Tensor], network: nn.Module, source: Tensor, name: str) -> None:
    """Raise InputError if a graph does not predict the same as its network."""
    with torch.inference_mode():
        expected = network(source)
    found = predict(source)
    data_range = (expected.max() - expected.min()).item()
    difference = (found - expected).abs().max().item()
    if not difference <= MOST_DIFFERENCE * data_range:
        raise InputError(
            f"the network exported to {name} differs by {difference:.1g} from the network (range {data_range:.2g}) for "
            f"a source of another size, expected at most {MOST_DIFFERENCE:g} of the range; use another format"
        )


def _failure(name: str, error: Exception) -> InputError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return InputError(f"this network cannot be exported to {name} ({reason}); use another format")
