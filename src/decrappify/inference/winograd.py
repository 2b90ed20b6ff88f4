"""Winograd 3x3 convolutions with fewer multiplications, for float32 predictions on CPUs without faster arithmetic.

The minimal filtering algorithm F(4x4, 3x3) of Winograd in the form of Lavin and Gray 2016, "Fast algorithms for
convolutional neural networks": tiles of 6x6 pixels and the filters are transformed, multiplied point by point with the
sum over channels as one matrix product for each of the 36 points, and transformed back to 4x4 pixels.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TypeGuard

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from decrappify.errors import InputError
from decrappify.networks.blocks import SplitConv2d

_SIDE, _POINTS = 4, 6  # of a tile: output pixels, input pixels
# Measured on a Zen 3 core (AVX2) against torch's own convolution: 0.4 to 0.9 of its speed with 48 channels, equal with
# 64, 1.1 to 1.6 times with 112 and 128, 2 and more from 256 on.
_LEAST_CHANNELS = 112
# Smaller images take a few percent of a generator's time, but would need the transformed weights of its largest layers.
_LEAST_TILES = 128
_TILES_AT_ONCE = 160  # enough rows for fast matrix products, few enough to fit into the caches
_ALIGNED = 16  # channels; products with 303 are 20 % slower than with 304

_FILTER_TRANSFORM = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)


def with_winograd(network: nn.Module) -> nn.Module:
    """Copy a network with its wide 3x3 convolutions replaced by `WinogradConv2d`.

    Parameters
    ----------
    network : nn.Module
        In eval mode, with folded norms (`fold_norms`): only plain convolutions can be replaced. Not changed.

    Returns
    -------
    nn.Module
        A copy that shares the parameters of `network`; its predictions are equal within rounding.

    Examples
    --------
    >>> network = nn.Sequential(nn.Conv2d(128, 128, 3, padding=1), nn.Conv2d(128, 1, 3, padding=1))
    >>> [type(part).__name__ for part in with_winograd(network)]
    ['WinogradConv2d', 'Conv2d']
    """
    shared = [*network.parameters(), *network.buffers()]
    copied = copy.deepcopy(network, {id(tensor): tensor for tensor in shared})
    if _is_wide_enough(copied):
        return WinogradConv2d(copied)
    for module in list(copied.modules()):
        for name, child in list(module.named_children()):
            if _is_wide_enough(child):
                setattr(module, name, WinogradConv2d(child))
    return copied


class WinogradConv2d(nn.Module):
    """3x3 convolution of float32 images on a CPU with a quarter of the multiplications.

    The rounding error is about three to five times that of a direct sum: 2e-6 of the surrounding outputs. `conv` itself
    is used for training, autocast, other dtypes and devices, and small images. The weights are transformed for the
    first large image and cached at four times their size; later changes of `conv` have no effect.

    Parameters
    ----------
    conv : nn.Conv2d
        3x3, stride and dilation 1, padding 1 of any mode, one group.
    least_tiles : int
        Number of tiles (4x4 pixels) below which an image is small.

    Raises
    ------
    InputError
        For any other convolution.

    Examples
    --------
    >>> conv = nn.Conv2d(16, 16, 3, padding=1)
    >>> image = torch.rand(1, 16, 50, 70)
    >>> with torch.inference_mode():
    ...     torch.allclose(WinogradConv2d(conv)(image), conv(image), atol=1e-5)
    True
    """

    def __init__(self, conv: nn.Conv2d, *, least_tiles: int = _LEAST_TILES) -> None:
        super().__init__()
        if not _fits(conv):
            raise InputError(
                f"{conv} has no Winograd form, expected kernel 3, stride, dilation and padding 1, one group"
            )
        self.conv = conv
        self.least_tiles = least_tiles
        self._filters: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (N, C, H, W)."""
        height, width = x.shape[-2:]
        direct = (
            x.device.type != "cpu"
            or x.ndim != 4
            or x.shape[1] != self.conv.in_channels  # the convolution raises the error
            or x.dtype != torch.float32
            or self.conv.weight.dtype != torch.float32
            or -(-height // _SIDE) * -(-width // _SIDE) < self.least_tiles
            or (torch.is_grad_enabled() and (x.requires_grad or self.conv.weight.requires_grad))
            or torch.is_autocast_enabled("cpu")
            or torch.compiler.is_compiling()
        )
        if direct:
            answer: Tensor = self.conv(x)
            return answer
        if self._filters is None:
            self._filters = transformed_filters(self.conv.weight)
        if self.conv.padding_mode == "zeros":
            origin = -1
        else:
            origin, x = 0, F.pad(x, (1, 1, 1, 1), mode=self.conv.padding_mode)
        image = x.permute(0, 2, 3, 1)
        answer = image.new_empty(len(x), height, width, self.conv.out_channels)
        for one, result in zip(image, answer, strict=True):
            _convolve(one, self._filters, self.conv.bias, result, origin)
        return answer.permute(0, 3, 1, 2)


def transformed_filters(weight: Tensor) -> Tensor:
    """Transform filters (out, in, 3, 3) into 36 matrices (36, in, out), with zeros up to a multiple of 16 channels."""
    n_out, n_in = weight.shape[:2]
    transform = torch.tensor(_FILTER_TRANSFORM, dtype=torch.float64)
    filters = weight.new_zeros(_POINTS, _POINTS, _aligned(n_in), _aligned(n_out))
    for row, mixed in zip(filters, torch.einsum("ia,kcab->ickb", transform, weight.detach().double()), strict=True):
        row[:, :n_in, :n_out] = torch.einsum("jb,ckb->jck", transform, mixed)
    return filters.flatten(0, 1)


def _fits(conv: nn.Conv2d) -> bool:
    return conv.kernel_size == (3, 3) and conv.stride == conv.dilation == conv.padding == (1, 1) and conv.groups == 1


def _is_wide_enough(module: nn.Module) -> TypeGuard[nn.Conv2d]:
    return (
        isinstance(module, nn.Conv2d)
        and type(module) in (nn.Conv2d, SplitConv2d)  # others compute their weight at each pass
        and _fits(module)
        and min(module.in_channels, module.out_channels) >= _LEAST_CHANNELS
    )


def _aligned(channels: int) -> int:
    return -(-channels // _ALIGNED) * _ALIGNED


def _convolve(image: Tensor, filters: Tensor, bias: Tensor | None, answer: Tensor, origin: int) -> None:
    """Fill `answer` (H, W, out) from `image` (H, W, in), starting at row and column `origin`, in blocks."""
    height, width, n_out = answer.shape
    n_in, n_out_aligned = filters.shape[1:]
    down, across = -(-height // _SIDE), -(-width // _SIDE)
    columns = -(-across // max(1, round(across / _TILES_AT_ONCE)))
    rows = min(down, max(1, round(_TILES_AT_ONCE / columns)))
    # Every fourth column is in a separate plane, so that neighbors in a transform are neighbors in memory.
    seen = image.new_zeros(_SIDE * rows + 2, _SIDE, columns + 1, n_in)
    mixed = image.new_empty(_POINTS, rows, _SIDE, columns + 1, n_in)
    points = image.new_empty(_POINTS, _POINTS, rows, columns, n_in)
    products = image.new_empty(_POINTS, _POINTS, rows, columns, n_out_aligned)
    summed = image.new_empty(_SIDE, _POINTS, rows, columns, n_out_aligned)
    made = image.new_empty(_SIDE, _SIDE, rows, columns, n_out_aligned)
    for top in range(0, _SIDE * down, _SIDE * rows):
        for left in range(0, _SIDE * across, _SIDE * columns):
            _copy_region(image, top + origin, left + origin, seen)
            _transform([seen[point : point + _SIDE * rows - 3 : _SIDE] for point in range(_POINTS)], mixed.unbind())
            planes = [mixed[:, :, point % _SIDE, point // _SIDE :][:, :, :columns] for point in range(_POINTS)]
            _transform(planes, points.unbind(1))
            torch.bmm(points.view(_POINTS**2, -1, n_in), filters, out=products.view(_POINTS**2, -1, n_out_aligned))
            if bias is not None:
                products[1, 1, ..., :n_out] += bias  # this point contributes to every pixel with a factor of one
            _transform_back(products.unbind(), summed.unbind())
            _transform_back(summed.unbind(1), made.unbind(1))
            block = answer[top : top + _SIDE * rows, left : left + _SIDE * columns]
            for row in range(_SIDE):
                for column in range(_SIDE):
                    pixels = block[row::_SIDE, column::_SIDE]
                    pixels.copy_(made[row, column, : pixels.shape[0], : pixels.shape[1], :n_out])


def _copy_region(image: Tensor, top: int, left: int, seen: Tensor) -> None:
    """Copy the part of `image` at (top, left) into `seen` (rows, 4 planes, columns / 4, channels); zero outside."""
    height, width, channels = image.shape
    rows, _, columns, _ = seen.shape
    if min(top, left) < 0 or top + rows > height or left + _SIDE * columns > width:
        seen.zero_()
    first, end = max(top, 0), min(top + rows, height)
    for plane in range(_SIDE):
        skip = int(left + plane < 0)
        part = image[first:end, left + plane + _SIDE * skip : left + _SIDE * columns : _SIDE]
        seen[first - top : end - top, plane, skip : skip + part.shape[1], :channels] = part


def _transform(pixels: Sequence[Tensor], points: Sequence[Tensor]) -> None:
    """Fill six `points` from six pixels along one axis: the matrix B^T of the paper."""
    p0, p1, p2, p3, p4, p5 = pixels
    q0, q1, q2, q3, q4, q5 = points
    torch.sub(p4, p2, alpha=4, out=q1)
    torch.sub(p3, p1, alpha=4, out=q5)
    torch.sub(q1, q5, out=q2)
    q1.add_(q5)
    torch.sub(p4, p2, out=q3)
    torch.sub(p3, p1, out=q0)
    torch.sub(q3, q0, alpha=2, out=q4)
    torch.sub(p5, p3, out=q5).sub_(q0, alpha=4)
    q3.add_(q0, alpha=2)
    torch.sub(p4, p2, alpha=5, out=q0).add_(p0, alpha=4)


def _transform_back(points: Sequence[Tensor], pixels: Sequence[Tensor]) -> None:
    """Fill four `pixels` from six points along one axis, the matrix A^T of the paper; the points are overwritten."""
    q0, q1, q2, q3, q4, q5 = points
    p0, p1, p2, p3 = pixels
    torch.add(q1, q2, out=p2)
    torch.add(q3, q4, out=p3)
    torch.add(q0, p2, out=p0).add_(p3)
    p2.add_(p3, alpha=4)
    q1.sub_(q2)
    q3.sub_(q4)
    torch.add(q1, q3, alpha=2, out=p1)
    torch.add(q5, q1, out=p3).add_(q3, alpha=8)
