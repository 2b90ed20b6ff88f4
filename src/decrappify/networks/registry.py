"""Networks by name: built-in ones, presets of settings, and those that other packages register."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from decrappify._common.checks import reason, short
from decrappify._common.registry import Registry
from decrappify.errors import InputError
from decrappify.limits.threads import check_torch_threads

if TYPE_CHECKING:
    from torch import nn

DEFAULT_NETWORK = "small"
"""Default network of training runs; benchmarks/results/training-choices.md describes how it was chosen."""

N = TypeVar("N", bound="Callable[..., nn.Module]")

_MODULES = {  # of the built-in networks, imported at first use: importing torch and torchvision is slow
    "residual-unet": "residual_unet",
    "dynamic-unet": "dynamic_unet",
    "upsampled-unet": "dynamic_unet",
    "critic": "critic",
}
# 2 GB in float32; the largest published network, that of DeOldify, has 64 million.
_MOST_PARAMETERS = 500_000_000
_DEOLDIFY: dict[str, Any] = {"norm": "spectral", "attention": True, "y_range": (-3.0, 3.0)}
_WIDE: dict[str, Any] = _DEOLDIFY | {"encoder": "resnet101", "form": "wide", "width_factor": 2}
# name: (name of a class, settings)
_PRESETS: dict[str, tuple[str, dict[str, Any]]] = {
    # Sizes of the default microscopy network; benchmarks/results/training-choices.md describes how they were chosen.
    "small": ("residual-unet", {"base_channels": 48, "depth": 2, "growth": 1.5, "blocks": 1, "stem": 2}),
    "base": ("residual-unet", {"base_channels": 64, "depth": 3, "growth": 1.5, "blocks": 1, "stem": 2}),
    "large": ("residual-unet", {"base_channels": 96, "depth": 3, "growth": 1.5, "blocks": 2, "stem": 2}),
    # Published networks, with the settings of their weights.
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

_CLASSES: Registry[Callable[..., nn.Module]] = Registry(
    "network",
    modules={name: f"decrappify.networks.{module}" for name, module in _MODULES.items()},
    reserved=_PRESETS,
)


def register_network(name: str) -> Callable[[N], N]:
    """Register a network class under a name, for `create`, run files and model files.

    A model file contains the name and the settings of its network: before it is loaded, the module that registers the
    class must be imported or loaded as a plugin.

    Parameters
    ----------
    name : str
        New name; networks of the class have it as ``architecture["name"]``.

    Raises
    ------
    InputError
        If the name is already registered or invalid.

    Examples
    --------
    >>> import torch
    >>> from decrappify.networks import NetworkSpec, RestorationNetwork, create, register_network, unregister_network
    >>> @register_network("doctest-identity")
    ... class Identity(RestorationNetwork):
    ...     def __init__(self, *, n_frames=1, in_channels=1, out_channels=1, scale=1):
    ...         super().__init__()
    ...         self.spec = NetworkSpec(n_frames=n_frames, in_channels=in_channels, out_channels=out_channels)
    ...         self.architecture = {"name": "doctest-identity", "n_frames": n_frames}
    ...
    ...     def forward(self, source):
    ...         return self.middle_frame(source)
    >>> create("doctest-identity", n_frames=3)(torch.zeros(1, 3, 8, 8)).shape
    torch.Size([1, 1, 8, 8])
    >>> unregister_network("doctest-identity")
    """

    def register(network: N) -> N:
        _CLASSES.add(name, network)
        return network

    return register


def unregister_network(name: str) -> None:
    """Remove a network class; raise InputError if the name is unknown or that of a preset."""
    if name in _PRESETS:
        raise InputError(f"network {name!r} is a preset; unregister_network removes only registered classes")
    _CLASSES.remove(name)


def create(name: str = DEFAULT_NETWORK, **settings: Any) -> Any:
    """Build a network by its name, with random weights.

    Parameters
    ----------
    name : str
        ``"small"``, ``"base"`` or ``"large"`` (sizes of the default microscopy network); ``"deoldify-artistic"``,
        ``"deoldify-stable"``, ``"deoldify-video"``, ``"lesson7-superres"``, ``"lesson7-superres-gan"`` or ``"pssr"``
        (published generators); ``"deoldify-critic"``, ``"fastai-critic"`` or ``"small-critic"``; a network class
        without a preset: ``"residual-unet"``, ``"dynamic-unet"``, ``"upsampled-unet"`` or ``"critic"``; or a name
        registered with `register_network`.
    **settings
        Settings of the network class, such as ``n_frames=3`` or ``scale=2``.

    Returns
    -------
    RestorationNetwork or Critic
        The network.

    Raises
    ------
    InputError
        For an unknown name or setting.

    Examples
    --------
    >>> create("small", n_frames=1).n_frames
    1
    """
    _CLASSES.check(name)
    kind, preset = _PRESETS.get(name, (name, {}))
    check_torch_threads()  # before the random weights are computed
    make = _CLASSES.get(kind)
    try:
        _check_parameters(name, make, preset | settings)
        network = make(**(preset | settings))
    except TypeError as error:
        raise InputError(f"network {name!r} does not take these settings: {reason(error, of_settings=True)}") from error
    architecture = getattr(network, "architecture", None)
    if not isinstance(architecture, dict) or architecture.get("name") != kind:
        raise InputError(
            f"network {name!r} has architecture {short(architecture)}, expected a dictionary with name = {kind!r} and "
            "all settings, from which model files are loaded"
        )
    return network


def _check_parameters(name: str, make: Callable[..., nn.Module], settings: Mapping[str, Any]) -> None:
    """Raise InputError if a network would have too many parameters; nothing is allocated."""
    import torch

    from decrappify.networks.shapes import shapes_only

    if torch.get_default_device().type == "meta":  # nothing is allocated anyway
        return
    with shapes_only():
        network = make(**{key: value for key, value in settings.items() if key != "encoder_weights"})
    count = sum(parameter.numel() for parameter in network.parameters())
    if count > _MOST_PARAMETERS:
        raise InputError(
            f"network {name!r} would have {count:,} parameters with these settings, expected at most "
            f"{_MOST_PARAMETERS:,}; choose smaller settings"
        )


def is_network(name: object) -> bool:
    """Return whether a name is known at present, without loading plugins."""
    return _CLASSES.is_known(name)


def network_names() -> list[str]:
    """Return the names that `create` accepts."""
    return _CLASSES.names()
