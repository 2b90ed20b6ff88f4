"""Residual U-Nets on CPUs, with the layers of the finest level computed in strips of rows that fit into the caches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from decrappify.inference.runtimes import Predict
from decrappify.networks.plain_residual_unet import ResidualBlock
from decrappify.networks.residual_unet import ResidualUNet

_LEAST_PIXELS = 128 * 128  # of the finest level; smaller maps fit into the caches
# Bytes of a map of one strip in float32. Measured with 48 channels: a quarter takes 8 % more time, as the rows beyond
# the strips are computed twice; twice as much saves 3 %.
_STRIP_BYTES = 8 << 20
_LEAST_ROWS = 16


def in_strips(network: Predict) -> Predict:
    """Return a network for predictions on a CPU: residual U-Nets in strips, all others unchanged.

    Parameters
    ----------
    network : nn.Module
        In eval mode and in its final precision; shared, not copied.
    """
    return StripedUNet(network) if isinstance(network, ResidualUNet) and len(network.down) > 0 else network


@dataclass(frozen=True, slots=True)
class _Strip:
    """Rows of a map of `height` rows, and the rows to read for them.

    A convolution of a part of a map pads it with zeros, so that the rows at its ends are wrong unless they are the ends
    of the map. They are removed after each layer.
    """

    rows: slice
    read: slice
    height: int

    @property
    def n_read(self) -> int:
        return int(self.read.stop - self.read.start)

    def inner(self, x: Tensor, reach: int) -> Tensor:
        """Remove `reach` rows at the ends that are not ends of the map."""
        # A strip near an end reads fewer rows there than its layers reach, and all of them are right.
        top = 0 if self.read.start == 0 else reach
        bottom = 0 if self.read.stop == self.height else reach
        return x[:, :, top : x.shape[2] - bottom]

    def convolve(self, conv: nn.Module, x: Tensor) -> Tensor:
        """Convolve a part with a 3x3 convolution."""
        return self.inner(conv(x), 1)

    def apply(self, block: ResidualBlock, x: Tensor) -> Tensor:
        """Apply a residual block to a part."""
        residual = self.convolve(block.conv2, F.relu(self.convolve(block.conv1, x), inplace=True))
        return residual.add_(self.inner(x, 2))


class StripedUNet(nn.Module):
    """A residual U-Net whose finest level is computed in strips of rows.

    Its maps are the largest of the network: several of them at a time take most of its memory, each one is written to
    and read back from the main memory, and the system clears every new one page by page. Here only the skip connection
    of that level exists as a whole, in a buffer that is used again for the next source of that size. Strips overlap by
    the rows on which their convolutions depend, and each pixel is computed as in the network itself.

    Parameters
    ----------
    network : ResidualUNet
        With a depth of at least 1.

    Examples
    --------
    >>> network = ResidualUNet(base_channels=16).eval()
    >>> source = torch.rand(1, 3, 256, 192)
    >>> with torch.inference_mode():
    ...     torch.allclose(StripedUNet(network)(source), network(source))
    True
    """

    def __init__(self, network: ResidualUNet) -> None:
        super().__init__()
        self.network = network
        self._skip: Tensor | None = None

    def forward(self, source: Tensor) -> Tensor:
        """Predict the middle frame; see `ResidualUNet` for shapes."""
        stem, multiple = self.network.stem, self.network.spec.size_multiple
        height, width = (size // stem for size in source.shape[-2:])
        if any(size % multiple for size in source.shape[-2:]) or height * width < _LEAST_PIXELS:
            small: Tensor = self.network(source.contiguous(memory_format=torch.channels_last))
            return small
        skip, x = self._enter(source, height)
        return self._leave(source, self._deeper(x), skip)

    def _enter(self, source: Tensor, height: int) -> tuple[Tensor, Tensor]:
        """Return the output of the finest level of the encoder, and of the downsampling after it."""
        network, stem = self.network, self.network.stem
        level: list[Any] = list(network.encoder[0].children())
        coarser = []
        for strip in self._strips(source, height, 2 * len(level) + 1):
            part = source[:, :, strip.read.start * stem : strip.read.stop * stem]
            part = F.pixel_unshuffle(part, stem) if stem > 1 else part
            fine = strip.convolve(network.head, part.contiguous(memory_format=torch.channels_last))
            for block in level:
                fine = strip.apply(block, fine)
            coarser.append(network.down[0](fine))
            skip = self._buffer(fine, height)
            skip[:, :, strip.rows] = fine
        return skip, torch.cat(coarser, dim=2)

    def _deeper(self, x: Tensor) -> Tensor:
        """Compute all coarser levels."""
        network, skips = self.network, []
        for encode, down in zip(network.encoder[1:], network.down[1:], strict=False):
            skips.append(encode(x))
            x = down(skips[-1])
        x = network.encoder[-1](x)
        for up, decode in zip(reversed(network.up[1:]), reversed(network.decoder[1:]), strict=True):
            x = decode(up(x).add_(skips.pop()))
        return x

    def _leave(self, source: Tensor, x: Tensor, skip: Tensor) -> Tensor:
        """Compute the finest level of the decoder, and add it to the middle frame."""
        network, factor = self.network, self.network.stem * self.network.scale
        prediction = network.middle_frame(source)
        if network.scale > 1:
            prediction = F.interpolate(prediction, scale_factor=network.scale, mode="bilinear", align_corners=False)
        else:
            prediction = prediction.clone()
        level: list[Any] = list(network.decoder[0].children())
        for strip in self._strips(source, skip.shape[2], 2 * len(level) + 1):
            first, last = strip.read.start // 2, -(-strip.read.stop // 2)  # rows of the coarser level
            above = strip.read.start - 2 * first
            fine = network.up[0](x[:, :, first:last])[:, :, above : above + strip.n_read].add_(skip[:, :, strip.read])
            for block in level:
                fine = strip.apply(block, fine)
            residual = strip.convolve(network.tail, fine)
            residual = F.pixel_shuffle(residual, factor) if factor > 1 else residual
            prediction[:, :, strip.rows.start * factor : strip.rows.stop * factor] += residual
        return prediction

    def _strips(self, source: Tensor, height: int, reach: int) -> Iterator[_Strip]:
        """Yield the strips of the finest level, whose layers together reach `reach` rows beyond a pixel."""
        width, channels = source.shape[3] // self.network.stem, self.network.head.out_channels
        row_bytes = 4 * len(source) * width * channels
        least = max(_LEAST_ROWS, reach + 2, _STRIP_BYTES // row_bytes)  # beyond the reach of the strips at the ends
        count = max(1, height // least)
        borders = [2 * (number * height // (2 * count)) for number in range(count + 1)]  # on the grid of the next level
        for top, bottom in pairwise(borders):
            read = slice(max(0, top - reach), min(height, bottom + reach))
            yield _Strip(slice(top, bottom), read, height)

    def _buffer(self, like: Tensor, height: int) -> Tensor:
        shape = (*like.shape[:2], height, like.shape[3])
        if self._skip is None or self._skip.shape != shape or self._skip.dtype != like.dtype:
            self._skip = None  # before the next one is allocated
            self._skip = torch.empty(shape, dtype=like.dtype, memory_format=torch.channels_last)
        return self._skip
