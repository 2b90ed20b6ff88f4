"""Layers of the residual U-Net, without checks; this module imports torch only, since exported packages include it."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn


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


class PlainResidualUNet(nn.Module):
    """Residual U-Net that predicts the middle frame of a window, at 1, 2 or 4 times its resolution.

    The parameters are those of `decrappify.networks.residual_unet.ResidualUNet`, which checks them.

    Notes
    -----
    Shapes: source (N, n_frames * in_channels, H, W), frame after frame, H and W multiples of ``stem * 2**depth``;
    prediction (N, out_channels, H * scale, W * scale).
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
        self.stem = stem
        self.upsampling = scale
        self.middle = slice(n_frames // 2 * in_channels, n_frames // 2 * in_channels + out_channels)
        widths = level_widths(base_channels, depth, growth)

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
        self._initialize(n_frames, in_channels)

    def _initialize(self, n_frames: int, in_channels: int) -> None:
        """Initialize as the identity: zero residual, and zero weights for the neighbors of the middle frame."""
        nn.init.zeros_(self.tail.weight)
        if self.tail.bias is not None:
            nn.init.zeros_(self.tail.bias)
        per_frame = in_channels * self.stem**2
        middle = n_frames // 2 * per_frame
        with torch.no_grad():
            self.head.weight[:, :middle] = 0
            self.head.weight[:, middle + per_frame :] = 0
            self.head.weight.mul_(n_frames**0.5)  # keep the output variance of a one-frame network

    def forward(self, source: Tensor) -> Tensor:
        """Predict the middle frame; see the class for shapes."""
        base = source[:, self.middle]
        if self.upsampling > 1:
            base = F.interpolate(base, scale_factor=self.upsampling, mode="bilinear", align_corners=False)
        x = self.head(F.pixel_unshuffle(source, self.stem) if self.stem > 1 else source)
        skips = []
        for encode, down in zip(self.encoder, self.down, strict=False):
            x = encode(x)
            skips.append(x)
            x = down(x)
        x = self.encoder[-1](x)
        for up, decode in zip(reversed(self.up), reversed(self.decoder), strict=True):
            x = decode(up(x).add_(skips.pop()))
        factor = self.stem * self.upsampling
        residual = self.tail(x)
        return base + (F.pixel_shuffle(residual, factor) if factor > 1 else residual)


def level_widths(base_channels: int, depth: int, growth: float) -> list[int]:
    """Return the channels of each level, from the finest to the coarsest.

    >>> level_widths(48, 2, 1.5)
    [48, 64, 112]
    """
    widths = [max(16, 16 * round(base_channels * growth**level / 16)) for level in range(depth + 1)]
    return [base_channels, *widths[1:]]
