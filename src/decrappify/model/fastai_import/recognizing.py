"""Identification of the network of a state dictionary from its names and shapes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]

_FIRST_BLOCK = 4  # after encoder, batch norm, ReLU and the two middle convolutions
# (whether a block has three convolutions, blocks of each stage): name
_RESNETS: dict[tuple[bool, Shape], str] = {
    (False, (2, 2, 2, 2)): "resnet18",
    (False, (3, 4, 6, 3)): "resnet34",
    (True, (3, 4, 6, 3)): "resnet50",
    (True, (3, 4, 23, 3)): "resnet101",
}
_WEIGHT_NORMED: dict[Shape, str] = {(2, 2, 2, 2): "wn-resnet18", (3, 4, 6, 3): "wn-resnet34"}


def unet_settings(shapes: Shapes) -> dict[str, Any] | None:
    """Return the settings of a fastai-v1 U-Net that follow from the shapes of its weights.

    The blur, the range of the prediction and the factor of an upsampling before the network do not.

    Parameters
    ----------
    shapes : mapping of str to tuple of int
        Shape of each entry of the state dictionary.

    Returns
    -------
    dict or None
        ``name`` (``"dynamic-unet"`` or ``"upsampled-unet"``) and settings for `decrappify.networks.create`; None for
        another network. If names or shapes contradict each other, the created network will differ from them.
    """
    wrapped = any(key.startswith("model.layers.0.") for key in shapes)
    if wrapped:
        shapes = {key.removeprefix("model."): shape for key, shape in shapes.items()}
    encoder = _encoder(shapes)
    n_blocks = sum(f"layers.{index}.bn.weight" in shapes for index in range(_FIRST_BLOCK, _FIRST_BLOCK + 5))
    first = _weight(shapes, "layers.0.0.0" if encoder in _WEIGHT_NORMED.values() else "layers.0.0")
    if encoder is None or first is None or not n_blocks:
        return None
    after = _FIRST_BLOCK + n_blocks + 1  # the last upsampling is in between
    merged = _weight(shapes, f"layers.{after + 1}.layers.0.0")
    last = _weight(shapes, f"layers.{after if merged is None else after + 2}.0")
    form = "wide" if _weight(shapes, f"layers.{_FIRST_BLOCK}.conv.0") else "deep"
    out_channels = last[0] if last else 3
    n_frames, in_channels = _split_channels(first[1], out_channels, rgb=not encoder.startswith("wn-"))
    return {
        "name": "upsampled-unet" if wrapped else "dynamic-unet",
        "n_frames": n_frames,
        "in_channels": in_channels,
        "out_channels": out_channels,
        "encoder": encoder,
        "form": form,
        "width_factor": _width_factor(shapes, form, n_blocks),
        "norm": _norm(shapes),
        "attention": any(key.endswith(".gamma") for key in shapes),
        "last_cross": merged is not None,
        "bottleneck": merged is not None and merged[0] < merged[1],
    }


def critic_name(shapes: Shapes) -> str | None:
    """Return the origin of a critic's state dictionary: ``"DeOldify"`` or ``"fastai"``; None for another network."""
    first = shapes.get("0.0.weight_orig", ())
    if len(first) != 4 or first[2:] != (4, 4):
        return None
    if "2.layers.0.0.weight_orig" in shapes:
        return "fastai"
    return "DeOldify" if "2.0.weight_orig" in shapes else None


def _encoder(shapes: Shapes) -> str | None:
    stages: list[set[str]] = [set(), set(), set(), set()]
    for parts in (key.split(".") for key in shapes if key.startswith("layers.0.")):
        if len(parts) > 4 and parts[2] in "4567":
            stages[int(parts[2]) - 4].add(parts[3])
    blocks = tuple(map(len, stages))
    if "layers.0.0.0.weight_g" in shapes:
        return _WEIGHT_NORMED.get(blocks)
    return _RESNETS.get(("layers.0.4.0.conv3.weight" in shapes, blocks))


def _weight(shapes: Shapes, conv: str) -> Shape | None:
    """Return the shape (out, in, rows, columns) of a plain or normalized 2-D convolution."""
    kinds = (shapes.get(f"{conv}.{leaf}", ()) for leaf in ("weight_orig", "weight_v", "weight"))
    return next((shape for shape in kinds if len(shape) == 4), None)


def _norm(shapes: Shapes) -> str:
    middle = "layers.3.0"
    if f"{middle}.0.weight_orig" in shapes:
        return "spectral"
    if f"{middle}.0.weight_g" in shapes:
        return "weight"
    return "batch" if f"{middle}.2.running_var" in shapes else "none"


def _split_channels(n_in: int, n_out: int, *, rgb: bool) -> tuple[int, int]:
    """Split input channels into frames and channels: as many channels as outputs if the frames are then odd.

    An encoder trained on photographs (`rgb`) has 3 channels regardless of the outputs.
    """
    n_frames, rest = divmod(n_in, n_out)
    if rest or n_frames % 2 == 0 or (rgb and n_in == 3):
        return 1, n_in
    return n_frames, n_out


def _width_factor(shapes: Shapes, form: str, n_blocks: int) -> float:
    """Return the factor with the fewest decimal digits that results in the widths of the decoder."""
    low, high = Fraction(0), Fraction(100)
    for least, most in _factor_bounds(shapes, form, n_blocks):
        if max(low, least) < min(high, most):  # else the widths contradict each other
            low, high = max(low, least), min(high, most)
    for digits in range(10):
        factor = Fraction(math.ceil(low * 10**digits), 10**digits)
        if 0 < factor < high:
            return float(factor)
    return float(low)


def _factor_bounds(shapes: Shapes, form: str, n_blocks: int) -> Iterator[tuple[Fraction, Fraction]]:
    """Iterate over the bounds of the factor for the width of each block; a width is a truncated product."""
    for index in range(n_blocks):
        block, last = f"layers.{_FIRST_BLOCK + index}", index == n_blocks - 1
        conv = _weight(shapes, f"{block}.conv.0" if form == "wide" else f"{block}.conv1.0")
        up = _weight(shapes, f"{block}.shuf.conv.0")
        if conv is None or up is None:
            continue
        if form == "wide":
            step = 4 if last else 2
            yield Fraction(conv[0] * step, 512), Fraction((conv[0] + 1) * step, 512)
        else:
            joined = (up[0] // 4 + shapes[f"{block}.bn.weight"][0]) // (2 if last else 1)
            yield Fraction(conv[0], joined), Fraction(conv[0] + 1, joined)
