"""Default microscopy network: a residual U-Net on the low-resolution grid with a pixel-shuffle tail."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from decrappify._common.checks import check_whole, short
from decrappify._common.counting import counted
from decrappify.errors import InputError
from decrappify.networks.plain_residual_unet import PlainResidualUNet, level_widths
from decrappify.networks.registry import register_network
from decrappify.networks.spec import NetworkSpec, RestorationNetwork
from decrappify.windows import check_n_frames


@register_network("residual-unet")
class ResidualUNet(PlainResidualUNet, RestorationNetwork):
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
    >>> import torch
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
        check_n_frames(n_frames)
        widest = max(level_widths(base_channels, depth, growth))
        check_whole(1, 65536, **{"the widest level (base_channels * growth**depth)": widest})
        settings: dict[str, Any] = {
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
        super().__init__(**settings)
        multiple = stem * 2**depth
        self.spec = NetworkSpec(
            n_frames=n_frames,
            in_channels=in_channels,
            out_channels=out_channels,
            scale=scale,
            size_multiple=multiple,
            margin=5 * multiple,  # seams below 2e-4 of the range with the shipped weights
            homogeneous=not bias,
        )
        self.architecture = {"name": "residual-unet", **settings}

    def forward(self, source: Tensor) -> Tensor:
        """Predict the middle frame; see the class for shapes."""
        height, width = source.shape[-2:]
        multiple = self.spec.size_multiple
        if height % multiple or width % multiple:
            raise InputError(
                f"source of {height} x {width} pixels does not fit the network, expected multiples of {multiple}; pad "
                f"it to {-(-height // multiple) * multiple} x {-(-width // multiple) * multiple}"
            )
        return super().forward(source)

    def widened(self, state: dict[str, Tensor], n_frames: int) -> dict[str, Tensor]:
        """Extend weights for fewer frames by zero weights for the new neighbors; see `RestorationNetwork`."""
        per_frame = self.in_channels * self.stem**2
        half = (self.n_frames - n_frames) // 2 * per_frame
        if half < 0:
            frames = counted(self.n_frames, "frame")
            raise InputError(f"cannot start a network of {frames} from one of {n_frames}, expected at most as many")
        return state | {"head.weight": F.pad(state["head.weight"], (0, 0, 0, 0, half, half))}
