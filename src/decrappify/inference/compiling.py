"""Compilation of networks by torch, with the network itself as fallback."""

from __future__ import annotations

import logging
from typing import Any

import torch
from torch import Tensor, nn

logger = logging.getLogger(__name__)

# Known exceptions of torch.compile: missing C++ or Triton compiler, unsupported platform, or its own bugs.
_FAILURES = (RuntimeError, OSError, ImportError, LookupError, TypeError, ValueError, AssertionError)
_TOLERANCE = 0.05  # above rounding errors in bfloat16, below the error of a wrong kernel


def compiled(network: nn.Module, *, side: int = 64, source: Tensor | None = None) -> nn.Module:
    """Compile a network and run it once; return the network itself if that fails or changes the prediction.

    The first run compiles for its size and takes a minute or more for a large generator; other sizes are compiled on
    use.

    Parameters
    ----------
    network : nn.Module
        In eval mode, with floating-point parameters of one dtype on one device. Its source has ``n_frames *
        in_channels`` channels, or ``in_channels`` if it has no attribute ``n_frames``.
    side : int
        Height and width of the source of the trial run; ideally those of later sources.
    source : Tensor, optional
        The source of the trial run, if it should not be random, square and of the network's dtype.

    Returns
    -------
    nn.Module
        A module that shares the network's parameters and has equal predictions, or `network`.
    """
    try:
        fast: Any = torch.compile(network)
        with torch.inference_mode():
            source = _trial(network, side) if source is None else source
            expected, found = network(source), fast(source)
            error = (found - expected).abs().max() / expected.abs().max().clamp_min(1e-6)
    except torch.OutOfMemoryError:
        raise
    except _FAILURES as failure:
        reason = (str(failure).strip() or type(failure).__name__).splitlines()[0]
        logger.info("torch.compile does not work here (%s); the network runs uncompiled", reason)
        return network
    if not error < _TOLERANCE:
        logger.info(
            "the compiled network differs by %.2g of the largest prediction; the network runs uncompiled", error.item()
        )
        return network
    optimized: nn.Module = fast
    return optimized


def _trial(network: Any, side: int) -> Tensor:
    parameter = next(network.parameters())
    channels = getattr(network, "n_frames", 1) * network.in_channels
    generator = torch.Generator().manual_seed(0)
    return torch.rand((1, channels, side, side), generator=generator).to(parameter)
