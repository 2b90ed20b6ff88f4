"""Default microscopy network: a residual U-Net on the low-resolution grid with a pixel-shuffle tail."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from decrappify._common.checks import check_whole, short
from decrappify._common.counting import counted
from decrappify.errors import InputError
from decrappify.networks.registry import register_network
from decrappify.networks.spec import NetworkSpec, RestorationNetwork
from decrappify.windows import check_n_frames


class ResidualBlock(nn.Module):
    """``x + conv(relu(conv(x)))``, 3x3, without normalization: an output pixel depends on its neighborhood only."""

    def __init__(self, channels: int, *, bias: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=bias)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block: (N, C, H, W) to the same shape."""
        residual: Tensor = self.conv2(F.relu(self.conv1(x), inplace=True))
        return residual.add_(x)  # in place: large images are limited by memory


@register_network("residual-unet")
class ResidualUNet(RestorationNetwork):
    """Residual U-Net that predicts the middle frame of a window, at 1, 2 or 4 times its resolution.

    All layers operate on the grid of the source (or a 2x coarser one, `stem` = 2), and one pixel shuffle at the end
    yields the target's grid, as in ESPCN (Shi et al. 2016); its result is added to the upsampled middle frame. Without
    biases the network is homogeneous of degree one, so it generalizes to noise levels and brightnesses outside its
    training data (Mohan et al. 2020, "Robust and interpretable blind image denoising via bias-free networks").

    Parameters
    ----------
    n_frames : int
        Frames in a window, odd.
    in_channels, out_channels : int
        Channels of each frame, and of the prediction.
    scale : {1, 2, 4}
        Upsampling factor.
    base_channels : int
        Channels at the finest level; a multiple of 16 is fastest.
    depth : int
        Number of 2x downsampling steps.
    growth : float
        Ratio of the channels of each level to those of the finer one, rounded to a multiple of 16.
    blocks : int
        Residual blocks per level of the encoder, and of the decoder.
    stem : {1, 2}
        2 first folds 2x2 pixels into channels, which reduces the computations of a layer to a quarter.
    bias : bool
        Whether convolutions have biases.

    Notes
    -----
    Shapes: source (N, n_frames * in_channels, H, W), frame after frame, H and W multiples of ``spec.size_multiple``;
    prediction (N, out_channels, H * scale, W * scale).

    Examples
    --------
    >>> network = ResidualUNet(n_frames=3, scale=2, base_channels=16, depth=1)
    >>> network(torch.zeros(1, 3, 32, 48)).shape
    torch.Size([1, 1, 64, 96])
    """

    def __init__(
        self,
        *,
        n_frames: int = 3,
        in_channels: int = 1,
        out_channels: int = 1,
        scale: int = 1,
        base_channels: int = 32,
        depth: int = 2,
        growth: float = 2.0,
        blocks: int = 1,
        stem: int = 1,
        bias: bool = False,
    ) -> None:
        super().__init__()
        check_whole(1, 1024, in_channels=in_channels, out_channels=out_channels)
        check_whole(1, 4096, base_channels=base_channels)
        check_whole(0, 10, depth=depth)
        check_whole(0, 64, blocks=blocks)
        if isinstance(growth, bool) or not isinstance(growth, int | float) or not 0 < growth < 100:
            raise InputError(f"growth is {short(growth)}, expected a number above 0, such as 2.0")
        if scale not in (1, 2, 4):
            raise InputError(f"scale is {short(scale)}, expected 1, 2 or 4")
        if stem not in (1, 2):
            raise InputError(f"stem is {short(stem)}, expected 1 or 2")
        if out_channels != in_channels and in_channels % out_channels:
            raise InputError(
                f"out_channels is {short(out_channels)}, expected {in_channels} like in_channels, or a divisor of it"
            )
        self.stem = stem
        multiple = stem * 2**depth
        self.spec = NetworkSpec(
            n_frames=check_n_frames(n_frames),
            in_channels=in_channels,
            out_channels=out_channels,
            scale=scale,
            size_multiple=multiple,
            margin=5 * multiple,  # seams below 2e-4 of the range with the shipped weights
            homogeneous=not bias,
        )
        self.architecture: dict[str, Any] = {
            "name": "residual-unet",
            "n_frames": n_frames,
            "in_channels": in_channels,
            "out_channels": out_channels,
            "scale": scale,
            "base_channels": base_channels,
            "depth": depth,
            "growth": growth,
            "blocks": blocks,
            "stem": stem,
            "bias": bias,
        }
        widths = [max(16, 16 * round(base_channels * growth**level / 16)) for level in range(depth + 1)]
        widths[0] = base_channels
        check_whole(1, 65536, **{"the widest level (base_channels * growth**depth)": max(widths)})

        def level(width: int) -> nn.Sequential:
            return nn.Sequential(*(ResidualBlock(width, bias=bias) for _ in range(blocks)))

        self.head = nn.Conv2d(n_frames * in_channels * stem**2, widths[0], 3, padding=1, bias=bias)
        self.encoder = nn.ModuleList(level(width) for width in widths)
        self.down = nn.ModuleList(nn.Conv2d(fine, coarse, 2, stride=2, bias=bias) for fine, coarse in pairwise(widths))
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(coarse, fine, 2, stride=2, bias=bias) for fine, coarse in pairwise(widths)
        )
        self.decoder = nn.ModuleList(level(width) for width in widths[:-1])
        self.tail = nn.Conv2d(widths[0], out_channels * (stem * scale) ** 2, 3, padding=1, bias=bias)
        self._initialise()

    def _initialise(self) -> None:
        """Initialize as the identity: zero residual, and zero weights for the neighbors of the middle frame."""
        nn.init.zeros_(self.tail.weight)
        if self.tail.bias is not None:
            nn.init.zeros_(self.tail.bias)
        per_frame = self.in_channels * self.stem**2
        middle = self.n_frames // 2 * per_frame
        with torch.no_grad():
            self.head.weight[:, :middle] = 0
            self.head.weight[:, middle + per_frame :] = 0
            self.head.weight.mul_(self.n_frames**0.5)  # keep the output variance of a one-frame network

    def forward(self, source: Tensor) -> Tensor:
        """Predict the middle frame; see the class for shapes."""
        height, width = source.shape[-2:]
        multiple = self.spec.size_multiple
        if height % multiple or width % multiple:
            raise InputError(
                f"source of {height} x {width} pixels does not fit the network, expected multiples of {multiple}; pad "
                f"it to {-(-height // multiple) * multiple} x {-(-width // multiple) * multiple}"
            )
        base = self.middle_frame(source)
        if self.scale > 1:
            base = F.interpolate(base, scale_factor=self.scale, mode="bilinear", align_corners=False)
        x = self.head(F.pixel_unshuffle(source, self.stem) if self.stem > 1 else source)
        skips = []
        for encode, down in zip(self.encoder, self.down, strict=False):
            x = encode(x)
            skips.append(x)
            x = down(x)
        x = self.encoder[-1](x)
        for up, decode in zip(reversed(self.up), reversed(self.decoder), strict=True):
            x = decode(up(x).add_(skips.pop()))
        factor = self.stem * self.scale
        residual = self.tail(x)
        return base + (F.pixel_shuffle(residual, factor) if factor > 1 else residual)

    def widened(self, state: dict[str, Tensor], n_frames: int) -> dict[str, Tensor]:
        """Extend weights for fewer frames by zero weights for the new neighbors; see `RestorationNetwork`."""
        per_frame = self.in_channels * self.stem**2
        half = (self.n_frames - n_frames) // 2 * per_frame
        if half < 0:
            frames = counted(self.n_frames, "frame")
            raise InputError(f"cannot start a network of {frames} from one of {n_frames}, expected at most as many")
        return state | {"head.weight": F.pad(state["head.weight"], (0, 0, 0, 0, half, half))}
