"""Networks by name: pure ``nn.Module`` classes without file access."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from decrappify.checks import nearest
from decrappify.errors import InputError
from decrappify.limits.threads import check_torch_threads

if TYPE_CHECKING:
    from torch import nn

# name: (module, class); imported on use, because torch and torchvision are heavy
_CLASSES = {
    "residual-unet": ("residual_unet", "ResidualUNet"),
    "dynamic-unet": ("dynamic_unet", "DynamicUNet"),
    "upsampled-unet": ("dynamic_unet", "UpsampledUNet"),
    "critic": ("critic", "Critic"),
}
# 2 GB; the largest published network, that of DeOldify, has 64 million.
_MOST_PARAMETERS = 500_000_000
_DEOLDIFY: dict[str, Any] = {"norm": "spectral", "attention": True, "y_range": (-3.0, 3.0)}
_WIDE: dict[str, Any] = _DEOLDIFY | {"encoder": "resnet101", "form": "wide", "width_factor": 2}
# name: (name in _CLASSES, settings)
_PRESETS: dict[str, tuple[str, dict[str, Any]]] = {
    # Sizes of the default microscopy network; see benchmarks/RESULTS.md for their choice.
    "small": ("residual-unet", {"base_channels": 48, "depth": 2, "growth": 1.5, "blocks": 1, "stem": 2}),
    "base": ("residual-unet", {"base_channels": 64, "depth": 3, "growth": 1.5, "blocks": 1, "stem": 2}),
    "large": ("residual-unet", {"base_channels": 96, "depth": 3, "growth": 1.5, "blocks": 2, "stem": 2}),
    # Published networks, with the settings required by their weights.
    "deoldify-artistic": ("dynamic-unet", _DEOLDIFY | {"encoder": "resnet34", "width_factor": 1.5}),
    "deoldify-stable": ("dynamic-unet", _WIDE),
    "deoldify-video": ("dynamic-unet", _WIDE),
    "lesson7-superres": ("dynamic-unet", {}),
    "lesson7-superres-gan": ("dynamic-unet", {"attention": True, "y_range": (-3.0, 3.0)}),
    "pssr": (
        "upsampled-unet",
        {"encoder": "wn-resnet34", "in_channels": 1, "out_channels": 1, "attention": True, "bottleneck": True},
    ),
    "deoldify-critic": ("critic", {"width": 256}),
    "fastai-critic": ("critic", {"width": 128, "form": "dense"}),
    "small-critic": (
        "critic",
        {"in_channels": 1, "width": 32, "blocks": 2, "dropout": 0.0, "attention": False, "gain": 20.0},
    ),
}


def create(name: str, **settings: Any) -> nn.Module:
    """Create a network by its name, with random weights.

    Parameters
    ----------
    name : str
        ``"small"``, ``"base"`` or ``"large"`` (sizes of the default microscopy network); ``"deoldify-artistic"``,
        ``"deoldify-stable"``, ``"deoldify-video"``, ``"lesson7-superres"``, ``"lesson7-superres-gan"`` or ``"pssr"``
        (published generators); ``"deoldify-critic"``, ``"fastai-critic"`` or ``"small-critic"``; or a class with
        explicit settings: ``"residual-unet"``, ``"dynamic-unet"``, ``"upsampled-unet"`` or ``"critic"``.
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
    if name not in _PRESETS and name not in _CLASSES:
        known = network_names()
        raise InputError(f"unknown network {name!r}, needs one of {', '.join(known)}{nearest(name, known)}")
    kind, preset = _PRESETS.get(name, (name, {}))
    module, class_name = _CLASSES[kind]
    check_torch_threads()  # the random weights are the first computation
    make = getattr(import_module(f"{__name__}.{module}"), class_name)
    try:
        _check_parameters(name, make, preset | settings)
        network: nn.Module = make(**(preset | settings))
    except TypeError as error:
        raise InputError(f"network {name!r} does not take these settings: {error}") from error
    return network


def _check_parameters(name: str, make: Callable[..., nn.Module], settings: dict[str, Any]) -> None:
    """Raise InputError if a network has too many parameters, counted without allocating them."""
    import torch

    from decrappify.networks.shapes import shapes_only

    if torch.get_default_device().type == "meta":  # nothing is allocated
        return
    with shapes_only():
        network = make(**{key: value for key, value in settings.items() if key != "encoder_weights"})
    count = sum(parameter.numel() for parameter in network.parameters())
    if count > _MOST_PARAMETERS:
        raise InputError(
            f"network {name!r} would have {count:,} parameters with these settings, at most {_MOST_PARAMETERS:,} are "
            "built; choose smaller ones"
        )


def network_names() -> list[str]:
    """Return the names of the networks."""
    return [*_PRESETS, *_CLASSES]
