"""Critics: convolutional classifiers of real and restored images, with one logit per patch."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from decrappify._common.checks import check_whole, short
from decrappify.errors import InputError
from decrappify.networks.attention import SelfAttention
from decrappify.networks.blocks import MergedBlock, conv_layer
from decrappify.networks.registry import register_network

_LEAK = 0.2


@register_network("critic")
class Critic(nn.Sequential):
    """Patch critic with spectral norm, of DeOldify (``"plain"``) or of fastai v1 (``"dense"``).

    The state dictionary has the original keys, shapes and order.

    Parameters
    ----------
    in_channels : int
        Channels of an image.
    width : int
        Channels of the first layer, doubled by each later one.
    blocks : int
        Number of halvings of the grid after that of the first layer.
    form : {"plain", "dense"}
        A 3x3 conv layer after each halving, or one dense block after the first layer.
    dropout : float
        Share of channels dropped in training, 0 to below 1; half of it after the first layer.
    attention : bool
        Whether to add self-attention after the second halving.
    gain : float
        Factor of the images. Layers with spectral norm cannot increase the contrast of their input, so without it a
        critic of images in the range 0 to 1 trains slowly.

    Attributes
    ----------
    smallest : int
        Smallest height and width of an image, in pixels.

    Raises
    ------
    InputError
        If a setting is out of range or an image is too small.

    Notes
    -----
    Shapes: image (N, in_channels, H, W); logits (N, patches), above zero for real. With 3 blocks there are
    ``(H // 16 - 3) * (W // 16 - 3)`` patches: 1 in 64 x 64 pixels, 9 x 9 in 192 x 192.

    Examples
    --------
    >>> import torch
    >>> Critic(in_channels=1, width=16, blocks=2)(torch.zeros(2, 1, 64, 64)).shape
    torch.Size([2, 25])
    """

    def __init__(
        self,
        *,
        in_channels: int = 3,
        width: int = 256,
        blocks: int = 3,
        form: str = "plain",
        dropout: float = 0.15,
        attention: bool = True,
        gain: float = 1.0,
    ) -> None:
        check_whole(1, 1024, in_channels=in_channels, width=width)
        check_whole(1, 10, blocks=blocks)
        if form not in ("plain", "dense"):
            raise InputError(f"form is {short(form)}, expected 'plain' or 'dense'")
        if isinstance(dropout, bool) or not 0 <= dropout < 1:
            raise InputError(f"dropout is {short(dropout)}, expected a number from 0 to below 1")
        if isinstance(gain, bool) or not gain > 0:
            raise InputError(f"gain is {short(gain)}, expected a number above 0")
        layers: list[nn.Module] = [_layer(in_channels, width, 4, stride=2), nn.Dropout2d(dropout / 2)]
        n_in = width
        if form == "dense":
            layers.append(MergedBlock(n_in, norm="spectral", dense=True, leak=_LEAK))
            n_in *= 2
        for block in range(blocks):
            if form == "plain":
                layers.append(_layer(n_in, n_in, 3))
            extra = SelfAttention(2 * n_in) if attention and block == 0 else None
            layers += [nn.Dropout2d(dropout), _layer(n_in, 2 * n_in, 4, stride=2, extra=extra)]
            n_in *= 2
        if form == "plain":
            layers.append(_layer(n_in, n_in, 3))
        layers += [
            conv_layer(n_in, 1, 4, norm="spectral", padding=0, bias=False, activation=False),
            nn.Flatten(),
        ]
        super().__init__(*layers)
        self.in_channels, self.gain = in_channels, gain
        self.smallest = 4 * 2 ** (blocks + 1)
        self.architecture: dict[str, Any] = {
            "name": "critic",
            "in_channels": in_channels,
            "width": width,
            "blocks": blocks,
            "form": form,
            "dropout": dropout,
            "attention": attention,
            "gain": gain,
        }

    def forward(self, image: Tensor) -> Tensor:
        """Compute the logit of each patch; see the class for shapes."""
        height, width = image.shape[-2:]
        if min(height, width) < self.smallest:
            raise InputError(
                f"image of {height} x {width} pixels is too small for the critic, "
                f"expected at least {self.smallest} x {self.smallest}"
            )
        answer = image if self.gain == 1 else image * self.gain
        for part in self:
            answer = part(answer)
        return answer


def _layer(
    n_in: int, n_out: int, kernel_size: int, *, stride: int = 1, extra: nn.Module | None = None
) -> nn.Sequential:
    return conv_layer(n_in, n_out, kernel_size, norm="spectral", stride=stride, leak=_LEAK, extra=extra)
