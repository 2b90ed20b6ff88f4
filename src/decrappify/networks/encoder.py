"""Encoders of the dynamic U-Net: torchvision's ResNets, and the weight-normalized ResNet of PSSR."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from decrappify._common.checks import short
from decrappify.errors import InputError, MissingFileError, ModelFileError
from decrappify.networks.blocks import WeightNormConv2d
from decrappify.networks.weights import read_weights

# name: (channels of layer1 .. layer4)
_TORCHVISION = {
    "resnet18": (64, 128, 256, 512),
    "resnet34": (64, 128, 256, 512),
    "resnet50": (256, 512, 1024, 2048),
    "resnet101": (256, 512, 1024, 2048),
}
# name: (blocks of the four stages, their channels)
_WEIGHT_NORMED = {
    "wn-resnet18": ((2, 2, 2, 2), (64, 128, 256, 512)),
    "wn-resnet34": ((3, 4, 6, 3), (64, 128, 256, 512)),
}
ENCODERS = (*_TORCHVISION, *_WEIGHT_NORMED)


class Encoder(NamedTuple):
    """An encoder and its skips.

    Attributes
    ----------
    body : nn.Sequential
        Parts in order; each halves or keeps the resolution.
    skips : tuple of (int, int)
        Index in `body` and channels of each skip, fine to coarse.
    channels : int
        Channels of the last part's output.
    pooled : bool
        Whether the last part averages the whole image into one pixel.
    """

    body: nn.Sequential
    skips: tuple[tuple[int, int], ...]
    channels: int
    pooled: bool = False


def build_encoder(name: str, *, n_frames: int = 1, in_channels: int = 3, weights: str | Path | None = None) -> Encoder:
    """Create an encoder by its name.

    Parameters
    ----------
    name : str
        ``"resnet18"``, ``"resnet34"``, ``"resnet50"``, ``"resnet101"``, ``"wn-resnet18"`` or ``"wn-resnet34"``.
    n_frames, in_channels : int
        The input has ``n_frames * in_channels`` channels. A pretrained first convolution is distributed over frames,
        and averaged over colors if `in_channels` is not 3, so that the response to a gray image does not change.
    weights : str, Path or None
        None for random weights, the name of torchvision weights such as ``"IMAGENET1K_V1"``, or a local file with a
        state dictionary of the torchvision network (.pth or .safetensors).

    Raises
    ------
    InputError
        For an unknown encoder or weight name.
    MissingFileError
        If the weights cannot be downloaded.
    ModelFileError
        If the file does not contain weights of the encoder.
    """
    if name in _WEIGHT_NORMED:
        if weights is not None:
            raise InputError(f"encoder {name!r} has no pretrained weights, found {str(weights)!r}; pass None")
        return _weight_normed(*_WEIGHT_NORMED[name], n_frames * in_channels)
    if name not in _TORCHVISION:
        raise InputError(f"encoder is {short(name)}, expected one of {', '.join(ENCODERS)}")
    network: Any = torchvision.models.get_model(name, weights=None)
    if weights is not None:
        _load(network, name, weights)
    _fit_first_convolution(network, n_frames, in_channels, pretrained=weights is not None)
    one, two, three, four = _TORCHVISION[name]
    body = nn.Sequential(*list(network.children())[:-2])
    return Encoder(body, ((2, 64), (4, one), (5, two), (6, three)), four)


def _fit_first_convolution(network: Any, n_frames: int, in_channels: int, *, pretrained: bool) -> None:
    if (n_frames, in_channels) == (1, 3):
        return
    weight = network.conv1.weight.detach()
    network.conv1 = nn.Conv2d(n_frames * in_channels, 64, 7, stride=2, padding=3, bias=False)
    if pretrained:
        with torch.no_grad():
            network.conv1.weight.copy_(inflate(weight, n_frames, in_channels))
    else:
        nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")


def inflate(weight: Tensor, n_frames: int, in_channels: int) -> Tensor:
    """Distribute a first convolution for RGB over frames and channels.

    The response to a static gray image, equal in every channel and frame, is that of `weight` to the same RGB image.

    Parameters
    ----------
    weight : Tensor
        (out, 3, rows, columns).
    n_frames, in_channels : int
        Frames, and channels of each.

    Returns
    -------
    Tensor
        (out, n_frames * in_channels, rows, columns).

    Examples
    --------
    >>> inflate(torch.ones(1, 3, 1, 1), 1, 2).flatten()
    tensor([1.5000, 1.5000])
    """
    if in_channels != 3:
        weight = weight.sum(1, keepdim=True).repeat(1, in_channels, 1, 1) / in_channels
    return weight.repeat(1, n_frames, 1, 1) / n_frames


def _load(network: nn.Module, name: str, weights: str | Path) -> None:
    path = Path(weights)
    try:
        is_file = path.is_file()
    except (OSError, ValueError):  # a name that is too long, or contains a null character
        is_file = False
    state = read_weights(path) if is_file else _download(name, str(weights))
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise ModelFileError(
            f"{path} does not contain the weights of {name}; pass a file of torchvision's {name}"
        ) from error


def _download(name: str, weights: str) -> dict[str, Tensor]:
    known = torchvision.models.get_model_weights(name)
    member = weights.rsplit(".", 1)[-1]
    if member not in known.__members__:
        raise InputError(
            f"encoder_weights is {short(weights)}, neither a file nor weights of {name}: {', '.join(known.__members__)}"
        )
    try:
        state: dict[str, Tensor] = known[member].get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:
        raise MissingFileError(
            f"cannot download {known[member].url}: {error}; download it elsewhere and pass its path as encoder_weights"
        ) from error
    return state


def _weight_normed(counts: tuple[int, ...], channels: tuple[int, int, int, int], n_in: int) -> Encoder:
    """Create the ResNet of PSSR (Fang et al. 2021): stem of three 3x3 convolutions, no batch norm, pooled output."""
    stem = [_wn_layer(fine, coarse, 3, stride) for fine, coarse, stride in ((n_in, 32, 2), (32, 32, 1), (32, 64, 1))]
    widths = (64, *channels)
    stages = [
        nn.Sequential(*(_WnBlock(widths[i] if block == 0 else widths[i + 1], widths[i + 1], 2 if i and not block else 1)
                        for block in range(count)))
        for i, count in enumerate(counts)
    ]  # fmt: skip
    body = nn.Sequential(*stem, nn.MaxPool2d(3, stride=2, padding=1), *stages, nn.AdaptiveAvgPool2d(1))
    skips = ((2, 64), *zip((4, 5, 6, 7), channels, strict=True))
    return Encoder(body, skips, channels[-1], pooled=True)


def _wn_layer(n_in: int, n_out: int, kernel_size: int, stride: int = 1, *, activation: bool = True) -> nn.Sequential:
    conv = WeightNormConv2d(n_in, n_out, kernel_size, stride=stride, padding=kernel_size // 2, bias=False)
    conv.set_weight(nn.init.kaiming_normal_(torch.empty(n_out, n_in, kernel_size, kernel_size)))
    return nn.Sequential(conv, nn.ReLU(inplace=True)) if activation else nn.Sequential(conv)


class _WnBlock(nn.Module):
    """1x1 and 3x3 convolution with a shortcut that is pooled and, if the width changes, convolved."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.convs = nn.Sequential(_wn_layer(n_in, n_out, 1), _wn_layer(n_out, n_out, 3, stride, activation=False))
        self.idconv = nn.Identity() if n_in == n_out else _wn_layer(n_in, n_out, 1, activation=False)
        self.pool = nn.Identity() if stride == 1 else nn.AvgPool2d(2, ceil_mode=True)

    def forward(self, x: Tensor) -> Tensor:
        shortcut: Tensor = self.idconv(self.pool(x))
        return F.relu(self.convs(x) + shortcut)
