"""Building blocks of the fastai-v1 networks: normalized convolutions, conv layers, pixel shuffle, residual blocks.

Parameters keep the names of the old ``torch.nn.utils`` norms (``weight_orig``, ``weight_g``, ...), so that
published checkpoints load. The norms are computed without hooks: networks can be copied, compiled and exported.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from decrappify._common.checks import short
from decrappify.errors import InputError

NORMS = ("spectral", "weight", "batch", "none")
_CHANNELS_AT_ONCE = 64
_LARGE = 2**15  # pixels


def convolve(conv: _ConvNd, x: Tensor, weight: Tensor, *, large_in_one_go: bool = False) -> Tensor:
    """Convolve with a separate weight; predictions on a CPU are computed with small rounding errors.

    Direct float32 convolutions on CPUs add the thousands of products of one pixel sequentially, and their rounding
    error grows with that number. Separate sums over groups of channels, added at the end, are several times closer to
    the float64 result. They take the same time while the data fit into the caches, and 10 % more for large images.

    Parameters
    ----------
    conv : nn.Conv1d or nn.Conv2d
        Defines padding, padding mode, stride and bias. In training mode, one direct convolution is computed.
    x, weight : Tensor
        (N, C, ...) and (out, C, ...).
    large_in_one_go : bool
        Whether to compute one direct convolution for images of more than 181 x 181 pixels.
    """
    one_go = (
        conv.training
        or x.device.type != "cpu"
        or x.dtype != torch.float32
        or torch.is_autocast_enabled("cpu")  # partial sums rounded to bfloat16 would be less accurate
        or torch.compiler.is_compiling()  # one convolution results in a better graph
        or (large_in_one_go and x.shape[2:].numel() > _LARGE)
    )
    if one_go or conv.groups > 1 or weight.shape[1] <= _CHANNELS_AT_ONCE or weight[0, 0].numel() == 1:
        answer: Tensor = conv._conv_forward(x, weight, conv.bias)
        return answer
    groups = zip(torch.split(x, _CHANNELS_AT_ONCE, 1), torch.split(weight, _CHANNELS_AT_ONCE, 1), strict=True)
    answer = conv._conv_forward(*next(groups), conv.bias)
    for group in groups:
        answer += conv._conv_forward(*group, None)
    return answer


class SplitConv2d(nn.Conv2d):
    """``nn.Conv2d`` computed by `convolve`."""

    large_in_one_go = False

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (N, C, H, W)."""
        return convolve(self, x, self.weight, large_in_one_go=self.large_in_one_go)


class NormedConv(_ConvNd):
    """Convolution with a weight computed from other parameters at each forward pass."""

    def effective_weight(self) -> Tensor:
        """Return the weight of the convolution, (out, in, ...)."""
        raise NotImplementedError

    def set_weight(self, weight: Tensor) -> None:
        """Set the weight, (out, in, ...); with spectral norm, only its direction has an effect."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (N, C, ...) with the effective weight."""
        return convolve(self, x, self.effective_weight())


class _SpectralConv(NormedConv):
    """Weight divided by its largest singular value (Miyato et al. 2018), one power iteration per training pass."""

    weight_orig: Tensor
    weight_u: Tensor
    weight_v: Tensor

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        weight = self.weight
        del self.weight
        self.weight_orig = nn.Parameter(weight.detach())
        self.register_buffer("weight_u", _random_direction(weight[:, 0].flatten(1)[:, 0]))
        self.register_buffer("weight_v", _random_direction(weight[0].flatten()))

    def effective_weight(self) -> Tensor:
        if self.training:
            self._iterate()
        u, v = self.weight_u.clone(), self.weight_v.clone()  # the next forward pass changes the buffers in place
        sigma = torch.dot(u, torch.mv(self.weight_orig.flatten(1), v))
        return self.weight_orig / sigma

    def set_weight(self, weight: Tensor) -> None:
        with torch.no_grad():
            self.weight_orig.copy_(weight)
        if self.weight_orig.is_meta:  # only shapes, on which the iteration is slow
            return
        for _ in range(5):  # otherwise an untrained network in eval mode would divide by a random number near zero
            self._iterate()

    @torch.no_grad()
    def _iterate(self) -> None:
        matrix = self.weight_orig.flatten(1)
        self.weight_v.copy_(F.normalize(torch.mv(matrix.t(), self.weight_u), dim=0, eps=1e-12))
        self.weight_u.copy_(F.normalize(torch.mv(matrix, self.weight_v), dim=0, eps=1e-12))


class _WeightNormConv(NormedConv):
    """Weight as length times direction for each output channel (Salimans and Kingma 2016)."""

    weight_g: Tensor
    weight_v: Tensor

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        weight = self.weight.detach()
        del self.weight
        self.weight_g = nn.Parameter(_lengths(weight))
        self.weight_v = nn.Parameter(weight)

    def effective_weight(self) -> Tensor:
        return self.weight_v * (self.weight_g / _lengths(self.weight_v))

    def set_weight(self, weight: Tensor) -> None:
        with torch.no_grad():
            self.weight_v.copy_(weight)
            self.weight_g.copy_(_lengths(weight))


class SpectralConv1d(_SpectralConv, nn.Conv1d):
    """``nn.Conv1d`` with spectral norm."""


class SpectralConv2d(_SpectralConv, nn.Conv2d):
    """``nn.Conv2d`` with spectral norm."""


class WeightNormConv2d(_WeightNormConv, nn.Conv2d):
    """``nn.Conv2d`` with weight norm."""


def _random_direction(like: Tensor) -> Tensor:
    """Return a random vector of length 1, or a vector without memory for one without memory."""
    return torch.empty_like(like) if like.is_meta else F.normalize(torch.randn_like(like), dim=0)


def _lengths(weight: Tensor) -> Tensor:
    if weight.is_meta:  # only shapes, on which the norm takes a millisecond
        return weight.new_empty((len(weight), *(1 for _ in weight.shape[1:])))
    lengths: Tensor = torch.linalg.vector_norm(weight, dim=tuple(range(1, weight.ndim)), keepdim=True)
    return lengths


def check_norm(norm: str) -> str:
    """Return `norm` if it is known.

    Raises
    ------
    InputError
        If it is unknown.
    """
    if norm not in NORMS:
        raise InputError(f"norm is {short(norm)}, expected one of {', '.join(map(repr, NORMS))}")
    return norm


def set_weight(conv: nn.Module, weight: Tensor) -> None:
    """Set the weight of a plain or normalized convolution, (out, in, ...)."""
    if isinstance(conv, NormedConv):
        conv.set_weight(weight)
    elif isinstance(conv, nn.Conv2d):
        with torch.no_grad():
            conv.weight.copy_(weight)


def conv_layer(
    n_in: int,
    n_out: int,
    kernel_size: int = 3,
    *,
    norm: str,
    stride: int = 1,
    padding: int | None = None,
    bias: bool | None = None,
    batch_norm: bool | None = None,
    activation: bool = True,
    leak: float = 0.0,
    extra: nn.Module | None = None,
) -> nn.Sequential:
    """Create convolution, ReLU and batch norm, in this order as in fastai v1.

    Parameters
    ----------
    n_in, n_out, kernel_size, stride, padding
        Arguments of the convolution; the padding is ``(kernel_size - 1) // 2`` by default.
    norm : {"spectral", "weight", "batch", "none"}
        Normalization of the weight; ``"batch"`` is a plain weight and a batch norm.
    bias : bool, optional
        Default: True without batch norm.
    batch_norm : bool, optional
        Default: True if `norm` is ``"batch"``. DeOldify combines it with spectral norm.
    activation : bool
        Whether to add a ReLU, leaky with the slope `leak`.
    extra : nn.Module, optional
        Last module, such as self-attention.
    """
    batch_norm = norm == "batch" if batch_norm is None else batch_norm
    kind = {"spectral": SpectralConv2d, "weight": WeightNormConv2d}.get(check_norm(norm), nn.Conv2d)
    conv = kind(
        n_in,
        n_out,
        kernel_size,
        stride=stride,
        padding=(kernel_size - 1) // 2 if padding is None else padding,
        bias=not batch_norm if bias is None else bias,
    )
    set_weight(conv, nn.init.kaiming_normal_(torch.empty(n_out, n_in, kernel_size, kernel_size)))
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    parts: list[nn.Module] = [conv]
    if activation:
        parts.append(nn.LeakyReLU(leak, inplace=True) if leak else nn.ReLU(inplace=True))
    if batch_norm:
        parts.append(nn.BatchNorm2d(n_out))
    if extra is not None:
        parts.append(extra)
    return nn.Sequential(*parts)


def batch_norm_2d(channels: int) -> nn.BatchNorm2d:
    """Create a batch norm with fastai's initialization: weight 1, bias 0.001."""
    norm = nn.BatchNorm2d(channels)
    nn.init.constant_(norm.bias, 1e-3)
    return norm


class PixelShuffle(nn.Module):
    """1x1 convolution, ReLU, pixel shuffle to twice the size, and a 2x2 blur against checkerboard artifacts.

    The convolution is initialized with equal weights for the four output pixels of an input pixel ("ICNR", Aitken
    et al. 2017); the blur is that of Sugawara et al. 2018. In fastai v1, ICNR had no effect with weight norm; here it
    has.

    Parameters
    ----------
    n_in, n_out : int
        Channels of the input and of the output.
    norm : {"spectral", "weight", "batch", "none"}
        Norm of the convolution.
    batch_norm : bool, optional
        As in `conv_layer`.
    blur : bool
        Whether to apply the blur.
    """

    def __init__(self, n_in: int, n_out: int, *, norm: str, batch_norm: bool | None = None, blur: bool = True) -> None:
        super().__init__()
        self.conv = conv_layer(n_in, 4 * n_out, 1, norm=norm, batch_norm=batch_norm, activation=False)
        one = nn.init.kaiming_normal_(torch.empty(n_out, n_in, 1, 1))
        set_weight(self.conv[0], one.repeat_interleave(4, dim=0))
        self.blur = blur

    def forward(self, x: Tensor) -> Tensor:
        """Upsample (N, n_in, H, W) to (N, n_out, 2H, 2W)."""
        x = F.pixel_shuffle(F.relu(self.conv(x)), 2)
        return F.avg_pool2d(F.pad(x, (1, 0, 1, 0), mode="replicate"), 2, stride=1) if self.blur else x


class MergedBlock(nn.Module):
    """Two 3x3 conv layers with their output added to the input, or concatenated with it (`dense`).

    Parameters
    ----------
    channels : int
        Channels of the input; a dense block has twice as many outputs.
    norm : {"spectral", "weight", "batch", "none"}
        Norm of the convolutions.
    dense : bool
        Whether to concatenate instead of adding.
    bottleneck : bool
        Whether to halve the channels between the two layers.
    leak : float
        Slope of the ReLUs below zero.
    """

    def __init__(
        self, channels: int, *, norm: str, dense: bool = False, bottleneck: bool = False, leak: float = 0.0
    ) -> None:
        super().__init__()
        inner = channels // 2 if bottleneck else channels
        self.dense = dense
        self.layers = nn.ModuleList(
            [conv_layer(channels, inner, norm=norm, leak=leak), conv_layer(inner, channels, norm=norm, leak=leak)]
        )

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block: (N, C, H, W) to the same shape, or to (N, 2C, H, W)."""
        answer: Tensor = self.layers[1](self.layers[0](x))
        return torch.cat([answer, x], dim=1) if self.dense else answer + x
