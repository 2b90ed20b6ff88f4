"""A ResNet-18 of at most 64 channels and one block a stage, for tests that need a real encoder and not its size.

It has 0.4 million parameters instead of 11. Importing this module makes it known as "narrow-resnet" to torchvision and
to `decrappify.networks.encoder`.
"""

from __future__ import annotations

from typing import Any

import pytest
from torch import nn
from torchvision.models import _api
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


def in_place_of_resnet18(patch: pytest.MonkeyPatch) -> None:
    """Let "resnet18" be the narrow one, for code that names its encoder itself."""
    patch.setitem(encoder._TORCHVISION, "resnet18", CHANNELS)
    patch.setitem(_api.BUILTIN_MODELS, "resnet18", narrow_resnet)
