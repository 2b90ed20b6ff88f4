"""Networks by name: pure ``nn.Module`` classes that state their needs and know nothing of files."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from decrappify.errors import InputError

if TYPE_CHECKING:
    from torch import nn

# Sizes of the default microscopy network; how they were chosen is in benchmarks/RESULTS.md.
_SIZES: dict[str, dict[str, Any]] = {
    "small": {"base_channels": 48, "depth": 2, "growth": 1.5, "blocks": 1, "stem": 2},
    "base": {"base_channels": 64, "depth": 3, "growth": 1.5, "blocks": 1, "stem": 2},
    "large": {"base_channels": 96, "depth": 3, "growth": 1.5, "blocks": 2, "stem": 2},
}


def create(name: str, **settings: Any) -> nn.Module:
    """Build a network by its name, with random weights.

    Parameters
    ----------
    name : str
        ``"small"``, ``"base"`` or ``"large"`` (sizes of the default microscopy network), or ``"residual-unet"``
        with every setting given.
    **settings
        Settings of the network class, such as ``n_frames=3`` or ``scale=2``.

    Raises
    ------
    InputError
        For an unknown name or setting.

    Examples
    --------
    >>> create("small", n_frames=1).n_frames
    1
    """
    from decrappify.networks.residual_unet import ResidualUNet

    if name != "residual-unet" and name not in _SIZES:
        near = get_close_matches(name, network_names(), 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InputError(f"unknown network {name!r}, needs one of {', '.join(network_names())}{hint}")
    try:
        return ResidualUNet(**(_SIZES.get(name, {}) | settings))
    except TypeError as error:
        raise InputError(f"network {name!r} does not take these settings: {error}") from error


def network_names() -> list[str]:
    """Names that `create` knows."""
    return [*_SIZES, "residual-unet"]
