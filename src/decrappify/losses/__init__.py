"""Losses as functions on (N, C, H, W) tensors and on critics' logits; each returns one scalar."""

from __future__ import annotations

from decrappify.losses.adversarial import critic_loss, generator_adversarial_loss, patch_accuracy
from decrappify.losses.feature import FeatureLoss, content_loss
from decrappify.losses.pixel import (
    PIXEL_LOSSES,
    PixelLoss,
    charbonnier,
    pixel_loss,
    rmse,
    ssim_map,
    ssim_mix,
    tuple_loss,
)

__all__ = [
    "PIXEL_LOSSES",
    "FeatureLoss",
    "PixelLoss",
    "charbonnier",
    "content_loss",
    "critic_loss",
    "generator_adversarial_loss",
    "patch_accuracy",
    "pixel_loss",
    "rmse",
    "ssim_map",
    "ssim_mix",
    "tuple_loss",
]
