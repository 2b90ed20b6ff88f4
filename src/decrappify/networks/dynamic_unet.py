"""Dynamic U-Net of fastai v1 and DeOldify: a ResNet encoder, and a decoder derived from it."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from decrappify._common.checks import check_whole, short
from decrappify.errors import InputError
from decrappify.networks.attention import SelfAttention
from decrappify.networks.blocks import MergedBlock, PixelShuffle, batch_norm_2d, check_norm, conv_layer
from decrappify.networks.encoder import build_encoder
from decrappify.networks.registry import register_network
from decrappify.networks.spec import NetworkSpec, RestorationNetwork
from decrappify.windows import check_n_frames

BLURS = ("always", "as_flagged", "off")
FORMS = ("deep", "wide")

# Pixels per step of the coarsest grid. Any even size works, but a tile that starts between two steps is computed on
# a shifted grid and differs from its neighbor by a few percent of the contrast where they overlap.
_COARSEST = 32
# Pixels affected by a tile's border. Measured on a ResNet-18 artistic network without attention, trained to denoise
# photographs: the root mean square change 128 to 160 pixels from a border is 0.9, 0.2 and 0.02 % of the prediction's
# spread after 60, 120 and 190 steps (at 96 to 128 pixels 1.7, 0.8 and 0.08 %). The changes are far larger for random
# weights with batch norms fitted to the data (lesson7 3 to 11 %, artistic 27 to 61 %), as the receptive field is
# several hundred pixels wide; with attention or the encoder of PSSR it is the complete image.
_MARGIN = 128
_LATE_ENCODER = 6  # fastai v1 splits a ResNet encoder after its second stage


class _DecoderBlock(nn.Module):
    """Upsampling, concatenation of the skip, ReLU; the forms differ in the convolutions that follow."""

    def __init__(self, n_up: int, n_shuffled: int, n_skip: int, *, norm: str, blur: bool, resize: bool) -> None:
        super().__init__()
        self.resize = resize
        self.shuf = PixelShuffle(n_up, n_shuffled, norm=norm, batch_norm=_batch_norm(norm), blur=blur)
        self.bn = batch_norm_2d(n_skip)

    def join(self, x: Tensor, skip: Tensor) -> Tensor:
        """Concatenate (N, n_up, h, w), upsampled, and (N, n_skip, H, W) to (N, n_shuffled + n_skip, H, W)."""
        x = self.shuf(x)
        height, width = skip.shape[-2:]
        # The encoder rounds odd sizes up: x is at most one pixel larger, and nearest-neighbor resizing is this crop.
        x = F.interpolate(x, (height, width), mode="nearest") if self.resize else x[..., :height, :width]
        return F.relu(torch.cat([x, self.bn(skip)], dim=1))


class DeepBlock(_DecoderBlock):
    """Decoder block with two 3x3 conv layers."""

    def __init__(
        self, n_up: int, n_skip: int, n_out: int, *, norm: str, blur: bool, resize: bool, extra: nn.Module | None
    ) -> None:
        super().__init__(n_up, n_up // 2, n_skip, norm=norm, blur=blur, resize=resize)
        self.conv1 = conv_layer(n_up // 2 + n_skip, n_out, norm=norm, batch_norm=_batch_norm(norm))
        self.conv2 = conv_layer(n_out, n_out, norm=norm, batch_norm=_batch_norm(norm), extra=extra)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Convert (N, n_up, h, w) and (N, n_skip, H, W) to (N, n_out, H, W)."""
        answer: Tensor = self.conv2(self.conv1(self.join(x, skip)))
        return answer


class WideBlock(_DecoderBlock):
    """Decoder block with one 3x3 conv layer."""

    def __init__(
        self, n_up: int, n_skip: int, n_out: int, *, norm: str, blur: bool, resize: bool, extra: nn.Module | None
    ) -> None:
        super().__init__(n_up, n_out, n_skip, norm=norm, blur=blur, resize=resize)
        self.conv = conv_layer(n_out + n_skip, n_out, norm=norm, batch_norm=_batch_norm(norm), extra=extra)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Convert (N, n_up, h, w) and (N, n_skip, H, W) to (N, n_out, H, W)."""
        answer: Tensor = self.conv(self.join(x, skip))
        return answer


@register_network("dynamic-unet")
class DynamicUNet(RestorationNetwork):
    """U-Net over a ResNet, as in fastai v1 and DeOldify; its state dictionary has their keys, shapes and order.

    Parameters
    ----------
    n_frames : int
        Frames in a window, odd.
    in_channels, out_channels : int
        Channels of each frame, and of the prediction.
    scale : {1}
        The prediction has the size of the source; `UpsampledUNet` enlarges.
    encoder : str
        ``"resnet18"``, ``"resnet34"``, ``"resnet50"``, ``"resnet101"``, ``"wn-resnet18"`` or ``"wn-resnet34"``.
    form : {"deep", "wide"}
        Two conv layers per decoder block with the widths of the skips, or one of a fixed width.
    width_factor : float
        Factor of the decoder's width (fastai's ``nf_factor``).
    norm : {"spectral", "weight", "batch", "none"}
        Norm of the decoder's convolutions. ``"spectral"`` includes batch norm inside the decoder, as in DeOldify.
    attention : bool
        Whether to add self-attention to the third-last decoder block. It depends on the whole image, so neighboring
        tiles differ at their seams.
    blur : {"always", "as_flagged", "off"}
        2x2 blur after each pixel shuffle: in all of them (DeOldify, PSSR and fastai up to 1.0.55, whatever their
        flags), in the decoder blocks but not in the last upsampling (later fastai with ``blur=True``), or in none.
    blur_final : bool
        With ``blur="as_flagged"``, whether the last decoder block has the blur.
    last_cross : bool
        Whether the last convolutions also have the source as input.
    bottleneck : bool
        Whether to halve the channels inside the last residual block.
    y_range : (float, float), optional
        Range to which a sigmoid limits the prediction.
    encoder_weights : str or Path, optional
        Initial weights of the encoder, see `build_encoder`; not part of the architecture.

    Raises
    ------
    InputError
        If a setting is out of range.

    Notes
    -----
    Shapes: source (N, n_frames * in_channels, H, W), H and W even; prediction (N, out_channels, H, W).

    Examples
    --------
    >>> network = DynamicUNet(encoder="resnet18", in_channels=1, out_channels=1, width_factor=0.25).eval()
    >>> network(torch.zeros(1, 1, 34, 66)).shape
    torch.Size([1, 1, 34, 66])
    """

    def __init__(
        self,
        *,
        n_frames: int = 1,
        in_channels: int = 3,
        out_channels: int = 3,
        scale: int = 1,
        encoder: str = "resnet34",
        form: str = "deep",
        width_factor: float = 1.0,
        norm: str = "weight",
        attention: bool = False,
        blur: str = "always",
        blur_final: bool = True,
        last_cross: bool = True,
        bottleneck: bool = False,
        y_range: tuple[float, float] | list[float] | None = None,
        encoder_weights: str | Path | None = None,
    ) -> None:
        super().__init__()
        _check(in_channels=in_channels, out_channels=out_channels, scale=scale, form=form, blur=blur)
        if isinstance(width_factor, bool) or not isinstance(width_factor, int | float) or not 0 < width_factor < 100:
            raise InputError(f"width_factor is {short(width_factor)}, expected a number above 0, such as 1.5")
        if y_range is not None and (len(y_range) != 2 or not y_range[0] < y_range[1]):
            raise InputError(f"y_range is {short(y_range)}, expected two numbers, the lower first, such as (-3, 3)")
        check_norm(norm)
        self.spec = NetworkSpec(
            n_frames=check_n_frames(n_frames),
            in_channels=in_channels,
            out_channels=out_channels,
            size_multiple=2,
            tile_multiple=_COARSEST,
            margin=_MARGIN,
        )
        self.y_range = None if y_range is None else [float(end) for end in y_range]
        self.architecture: dict[str, Any] = {
            "name": "dynamic-unet",
            "n_frames": n_frames,
            "in_channels": in_channels,
            "out_channels": out_channels,
            "scale": scale,
            "encoder": encoder,
            "form": form,
            "width_factor": width_factor,
            "norm": norm,
            "attention": attention,
            "blur": blur,
            "blur_final": blur_final,
            "last_cross": last_cross,
            "bottleneck": bottleneck,
            "y_range": self.y_range,
        }
        parts = build_encoder(encoder, n_frames=n_frames, in_channels=in_channels, weights=encoder_weights)
        self._skips = tuple(index for index, _ in parts.skips)
        width = parts.channels
        middle = nn.Sequential(
            conv_layer(width, 2 * width, norm=norm, batch_norm=_batch_norm(norm)),
            conv_layer(2 * width, width, norm=norm, batch_norm=_batch_norm(norm)),
        )
        layers: list[nn.Module] = [parts.body, batch_norm_2d(width), nn.ReLU(), middle]
        for index, (_, n_skip) in enumerate(reversed(parts.skips)):
            last = index == len(parts.skips) - 1
            n_out = _block_width(form, width, n_skip, width_factor, last=last)
            block = DeepBlock if form == "deep" else WideBlock
            layers.append(
                block(
                    width,
                    n_skip,
                    n_out,
                    norm=norm,
                    blur=blur == "always" or (blur == "as_flagged" and (blur_final or not last)),
                    resize=parts.pooled and index == 0,
                    extra=SelfAttention(n_out) if attention and index == len(parts.skips) - 3 else None,
                )
            )
            width = n_out
        # DeOldify has weight norm here regardless of the other layers.
        layers.append(PixelShuffle(width, width, norm="weight" if norm == "spectral" else norm, blur=blur == "always"))
        if last_cross:
            width += n_frames * in_channels
            layers += [nn.Identity(), MergedBlock(width, norm=norm, bottleneck=bottleneck)]
        layers.append(conv_layer(width, out_channels, 1, norm=norm, activation=False))
        self.layers = nn.ModuleList(layers)
        self.spec = replace(self.spec, output_layer=f"layers.{len(layers) - 1}")

    def forward(self, source: Tensor) -> Tensor:
        """Predict the middle frame; see the class for shapes."""
        height, width = source.shape[-2:]
        if height % 2 or width % 2:
            raise InputError(
                f"source of {height} x {width} pixels does not fit the network, expected multiples of 2; "
                f"pad it to {height + height % 2} x {width + width % 2}"
            )
        encoder, first_norm, relu, middle, *decoder = self.layers
        skips: list[Tensor] = []
        x: Tensor = source
        for index, part in enumerate(encoder.children()):
            x = part(x)
            if index in self._skips:
                skips.append(x)
        x = middle(relu(first_norm(x)))
        n_blocks = len(self._skips)
        for block in decoder[:n_blocks]:
            x = block(x, skips.pop())
        upsample, *merge, last = decoder[n_blocks:]
        x = upsample(x)
        if merge:
            x = merge[1](torch.cat([x, source], dim=1))
        x = last(x)
        if self.y_range is None:
            return x
        low, high = self.y_range
        return torch.sigmoid(x) * (high - low) + low

    def parameter_groups(self) -> list[list[nn.Parameter]]:
        """Return the parameters of early encoder, late encoder and decoder, as in fastai v1.

        Examples
        --------
        >>> network = DynamicUNet(encoder="resnet18", width_factor=0.25)
        >>> [sum(p.numel() for p in group) for group in network.parameter_groups()][:2]
        [683072, 10493440]
        """
        encoder, *decoder = self.layers
        parts = list(encoder.children())
        return [
            [parameter for part in chosen for parameter in part.parameters()]
            for chosen in (parts[:_LATE_ENCODER], parts[_LATE_ENCODER:], decoder)
        ]

    def freeze_encoder(self, frozen: bool) -> None:
        """Exclude the convolutions of the encoder from training, or include them; batch norm is always trained."""
        for module in self.layers[0].modules():
            for parameter in module.parameters(recurse=False):
                parameter.requires_grad_(isinstance(module, _BatchNorm) or not frozen)


@register_network("upsampled-unet")
class UpsampledUNet(RestorationNetwork):
    """Bilinear upsampling, then a dynamic U-Net on the fine grid, as in PSSR (Fang et al. 2021).

    Parameters
    ----------
    scale : int
        Upsampling factor.
    **settings
        Settings of `DynamicUNet`.

    Notes
    -----
    Shapes: source (N, n_frames * in_channels, H, W), H and W even if `scale` is odd; prediction (N, out_channels, H *
    scale, W * scale).
    """

    def __init__(self, *, scale: int = 4, **settings: Any) -> None:
        super().__init__()
        check_whole(1, 32, scale=scale)
        self.model = DynamicUNet(**settings)
        multiple = 1 + scale % 2
        self.spec = replace(
            self.model.spec,
            scale=scale,
            size_multiple=multiple,
            tile_multiple=_COARSEST // math.gcd(_COARSEST, scale),
            margin=-(-_MARGIN // scale // multiple) * multiple,
            output_layer=f"model.{self.model.spec.output_layer}",
        )
        self.architecture: dict[str, Any] = self.model.architecture | {"name": "upsampled-unet", "scale": scale}

    def forward(self, source: Tensor) -> Tensor:
        """Predict the middle frame; see the class for shapes."""
        if self.scale > 1 and not any(side % self.spec.size_multiple for side in source.shape[-2:]):
            source = F.interpolate(source, scale_factor=self.scale, mode="bilinear", align_corners=False)
        prediction: Tensor = self.model(source)
        return prediction

    def parameter_groups(self) -> list[list[nn.Parameter]]:
        """Return the parameter groups of the dynamic U-Net."""
        return self.model.parameter_groups()

    def freeze_encoder(self, frozen: bool) -> None:
        """Exclude the convolutions of the encoder from training, or include them again."""
        self.model.freeze_encoder(frozen)


def _batch_norm(norm: str) -> bool:
    return norm in ("spectral", "batch")


def _block_width(form: str, n_up: int, n_skip: int, factor: float, *, last: bool) -> int:
    """Return the output channels of a decoder block, truncated by int() as in the original so that its weights fit."""
    if form == "wide":
        return int(512 * factor) // (4 if last else 2)
    joined = n_up // 2 + n_skip
    return int((joined // 2 if last else joined) * factor)


def _check(*, in_channels: int, out_channels: int, scale: int, form: str, blur: str) -> None:
    check_whole(1, 1024, in_channels=in_channels, out_channels=out_channels)
    if scale != 1:
        raise InputError(
            f"scale is {short(scale)}, expected 1 for a dynamic U-Net; use 'upsampled-unet' or 'pssr' to enlarge"
        )
    for name, choice, choices in (("form", form, FORMS), ("blur", blur, BLURS)):
        if choice not in choices:
            raise InputError(f"{name} is {short(choice)}, expected one of {', '.join(map(repr, choices))}")
