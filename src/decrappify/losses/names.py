"""Validation of the names of pixel losses without importing torch."""

from __future__ import annotations

BUILT_IN = ("l1", "l2", "charbonnier", "rmse", "ssim-mix")


def check_pixel_loss(name: str) -> str:
    """Return `name` if it is the name of a pixel loss.

    Raises
    ------
    InputError
        If it is neither built in nor an added entry of `PIXEL_LOSSES`.
    """
    if name not in BUILT_IN:
        from decrappify.losses.pixel import pixel_loss

        pixel_loss(name)
    return name
