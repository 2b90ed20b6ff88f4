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
    from decrappify.losses.pixel import charbonnier as charbonnier
    from decrappify.losses.pixel import rmse as rmse
    from decrappify.losses.pixel import ssim_map as ssim_map
    from decrappify.losses.pixel import ssim_mix as ssim_mix
    from decrappify.losses.pixel import tuple_loss as tuple_loss
    from decrappify.losses.registry import Loss as Loss
    from decrappify.losses.registry import PixelLoss as PixelLoss
    from decrappify.losses.registry import check_pixel_loss as check_pixel_loss
    from decrappify.losses.registry import list_losses as list_losses
    from decrappify.losses.registry import pixel_loss as pixel_loss
    from decrappify.losses.registry import register_loss as register_loss
    from decrappify.losses.registry import unregister_loss as unregister_loss

_HOMES = {
    "FeatureLoss": "feature",
    "Loss": "registry",
    "PixelLoss": "registry",
    "charbonnier": "pixel",
    "check_pixel_loss": "registry",
    "content_loss": "feature",
    "critic_loss": "adversarial",
    "generator_adversarial_loss": "adversarial",
    "list_losses": "registry",
    "patch_accuracy": "adversarial",
    "pixel_loss": "registry",
    "register_loss": "registry",
    "rmse": "pixel",
    "ssim_map": "pixel",
    "ssim_mix": "pixel",
    "tuple_loss": "pixel",
    "unregister_loss": "registry",
}

__all__ = sorted(_HOMES)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
