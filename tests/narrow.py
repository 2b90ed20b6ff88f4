"""Published networks with fewer channels, for tests that need a real encoder or VGG of any size.

Importing this module registers two encoders of at most 64 channels and one block per stage: "narrow-resnet" (also in
torchvision) and "narrow-wn-resnet". They have at most 0.4 million parameters instead of 11 million.
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
    """A ResNet in which every stage has as many channels as the first."""

    def _make_layer(self, block: type[BasicBlock], planes: int, *arguments: Any, **settings: Any) -> nn.Sequential:
        return super()._make_layer(block, min(planes, CHANNELS[0]), *arguments, **settings)


@_api.register_model("narrow-resnet")
def narrow_resnet(*, weights: None = None) -> NarrowResNet:
    return NarrowResNet(BasicBlock, [1, 1, 1, 1])


encoder._TORCHVISION["narrow-resnet"] = CHANNELS
encoder._WEIGHT_NORMED["narrow-wn-resnet"] = ((1, 1, 1, 1), CHANNELS)


def use_narrow_resnet18(patch: pytest.MonkeyPatch) -> None:
    """Replace "resnet18" by the narrow encoder, for code that selects its encoder by name."""
    patch.setitem(encoder._TORCHVISION, "resnet18", CHANNELS)
    patch.setitem(_api.BUILTIN_MODELS, "resnet18", narrow_resnet)


def use_narrow_vgg16(patch: pytest.MonkeyPatch) -> None:
    """Reduce VGG16-BN to an eighth of its channels, about a hundredth of its memory and time."""
    patch.setitem(vgg.cfgs, "D", [part if part == "M" else part // 8 for part in vgg.cfgs["D"]])
