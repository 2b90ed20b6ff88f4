"""Folding of norms into plain weights, for inference and export."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import pairwise

from torch import Tensor, nn
from torch.nn.utils import fuse_conv_bn_eval, parametrize

from decrappify.networks.blocks import NormedConv, SplitConv2d


def fold_norms(network: nn.Module, *, large_in_one_go: bool = False) -> nn.Module:
    """Copy a network, in eval mode, with spectral, weight and batch norms folded into plain convolutions.

    A batch norm is folded only into a convolution directly before it: neighbors in an ``nn.Sequential`` and the pairs
    of torchvision's ResNet blocks. A batch norm after a ReLU is kept.

    Parameters
    ----------
    network : nn.Module
        Any network; not changed.
    large_in_one_go : bool
        Whether the folded convolutions of large images are faster at the cost of the last digits, see `convolve`.

    Returns
    -------
    nn.Module
        A copy without `NormedConv` and parametrized convolutions; its predictions are equal within rounding.
    """
    folded = copy.deepcopy(network).eval()
    if isinstance(folded, nn.Conv1d | nn.Conv2d):
        return _plain(folded, large_in_one_go)
    for module in list(folded.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Conv1d | nn.Conv2d):
                setattr(module, name, _plain(child, large_in_one_go))
    for module in list(folded.modules()):
        for conv_name, norm_name in _neighbors(module):
            conv, norm = getattr(module, conv_name), getattr(module, norm_name)
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d) and norm.track_running_stats:
                setattr(module, conv_name, fuse_conv_bn_eval(conv, norm))
                setattr(module, norm_name, nn.Identity())
    return folded


def _neighbors(module: nn.Module) -> Iterator[tuple[str, str]]:
    """Iterate over pairs of names of children where the second directly follows the first."""
    if isinstance(module, nn.Sequential):
        yield from pairwise([name for name, _ in module.named_children()])
    elif type(module).__module__ == "torchvision.models.resnet":  # its blocks; importing it here would take a second
        yield from ((f"conv{number}", f"bn{number}") for number in (1, 2, 3) if hasattr(module, f"bn{number}"))


def _plain(conv: nn.Conv1d | nn.Conv2d, large_in_one_go: bool) -> nn.Module:
    weight: Tensor
    if isinstance(conv, NormedConv):
        weight = conv.effective_weight()
    elif parametrize.is_parametrized(conv):
        weight = conv.weight
    else:
        return conv
    plain = (SplitConv2d if isinstance(conv, nn.Conv2d) else nn.Conv1d)(
        conv.in_channels,
        conv.out_channels,
        conv.kernel_size,  # type: ignore[arg-type]
        stride=conv.stride,  # type: ignore[arg-type]
        padding=conv.padding,  # type: ignore[arg-type]
        dilation=conv.dilation,  # type: ignore[arg-type]
        groups=conv.groups,
        bias=conv.bias is not None,
        padding_mode=conv.padding_mode,
        device=weight.device,
        dtype=weight.dtype,
    )
    plain.weight = nn.Parameter(weight.detach().clone())
    plain.bias = conv.bias
    if isinstance(plain, SplitConv2d):
        plain.large_in_one_go = large_in_one_go
    return plain.eval()
