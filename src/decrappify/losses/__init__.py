"""Loss functions of (N, C, H, W) tensors and of critics' logits; each returns one scalar."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decrappify._common.lazy import lazy_names

if TYPE_CHECKING:
    from decrappify.losses.adversarial import critic_loss as critic_loss
    from decrappify.losses.adversarial import generator_adversarial_loss as generator_adversarial_loss
    from decrappify.losses.adversarial import patch_accuracy as patch_accuracy
    from decrappify.losses.feature import FeatureLoss as FeatureLoss
    from decrappify.losses.feature import content_loss as content_loss
    from decrappify.losses.names import check_pixel_loss as check_pixel_loss
    from decrappify.losses.pixel import PIXEL_LOSSES as PIXEL_LOSSES
    from decrappify.losses.pixel import PixelLoss as PixelLoss
    from decrappify.losses.pixel import charbonnier as charbonnier
    from decrappify.losses.pixel import pixel_loss as pixel_loss
    from decrappify.losses.pixel import rmse as rmse
    from decrappify.losses.pixel import ssim_map as ssim_map
    from decrappify.losses.pixel import ssim_mix as ssim_mix
    from decrappify.losses.pixel import tuple_loss as tuple_loss

_HOMES = {
    "FeatureLoss": "feature",
    "PIXEL_LOSSES": "pixel",
    "PixelLoss": "pixel",
    "charbonnier": "pixel",
    "check_pixel_loss": "names",
    "content_loss": "feature",
    "critic_loss": "adversarial",
    "generator_adversarial_loss": "adversarial",
    "patch_accuracy": "adversarial",
    "pixel_loss": "pixel",
    "rmse": "pixel",
    "ssim_map": "pixel",
    "ssim_mix": "pixel",
    "tuple_loss": "pixel",
}

__all__ = sorted(_HOMES)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
