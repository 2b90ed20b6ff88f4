"""Published networks with fewer channels, for tests that need a real encoder or VGG and not its size.

Importing this module makes two encoders of at most 64 channels and one block a stage known: "narrow-resnet" (to
torchvision too) and "narrow-wn-resnet". They have 0.4 million parameters or fewer instead of 11.
"""

from __future__ import annotations

from typing import Any

import pytest
from torch import nn
from torchvision.models import _api, vgg
from torchvision.models.resnet import BasicBlock, ResNet

from decrappify.networks import encoder

CHANNELS = (64, 64, 64, 64)


class NarrowResNet(ResNet):
    """Every stage has the channels of the first."""

    def _make_layer(self, block: type[BasicBlock], planes: int, *arguments: Any, **settings: Any) -> nn.Sequential:
        return super()._make_layer(block, min(planes, CHANNELS[0]), *arguments, **settings)


@_api.register_model("narrow-resnet")
def narrow_resnet(*, weights: None = None) -> NarrowResNet:
    return NarrowResNet(BasicBlock, [1, 1, 1, 1])


encoder._TORCHVISION["narrow-resnet"] = CHANNELS
encoder._WEIGHT_NORMED["narrow-wn-resnet"] = ((1, 1, 1, 1), CHANNELS)


def in_place_of_resnet18(patch: pytest.MonkeyPatch) -> None:
    """Let "resnet18" be the narrow one, for code that names its encoder itself."""
    patch.setitem(encoder._TORCHVISION, "resnet18", CHANNELS)
    patch.setitem(_api.BUILTIN_MODELS, "resnet18", narrow_resnet)


def in_place_of_vgg16(patch: pytest.MonkeyPatch) -> None:
    """Let VGG16-BN have an eighth of its channels, which takes a hundredth of the memory and of the time."""
    patch.setitem(vgg.cfgs, "D", [part if part == "M" else part // 8 for part in vgg.cfgs["D"]])
