"""Layer groups of a generator with separate learning rates, and freezing of the encoder."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from decrappify.networks.dynamic_unet import DynamicUNet, UpsampledUNet

# fastai v1 splits a ResNet encoder after its second stage.
_LATE_ENCODER = 6


def layer_groups(network: nn.Module) -> list[list[nn.Parameter]]:
    """Return the parameters in groups with separate learning rates, from the input to the output.

    Parameters
    ----------
    network : nn.Module
        A generator.

    Returns
    -------
    list of list of Parameter
        Early encoder, late encoder and decoder of a dynamic U-Net, as in fastai v1; one group for other networks. Each
        parameter is in exactly one group.

    Examples
    --------
    >>> network = DynamicUNet(encoder="resnet18", width_factor=0.25)
    >>> [sum(p.numel() for p in group) for group in layer_groups(network)][:2]
    [683072, 10493440]
    """
    unet = _dynamic_unet(network)
    if unet is None:
        return [list(network.parameters())]
    encoder, *decoder = unet.layers
    parts = list(encoder.children())
    return [
        [parameter for part in chosen for parameter in part.parameters()]
        for chosen in (parts[:_LATE_ENCODER], parts[_LATE_ENCODER:], decoder)
    ]


def freeze_encoder(network: nn.Module, frozen: bool) -> None:
    """Freeze or unfreeze the encoder's convolutions; batch norm is always trained, as in fastai v1.

    A network without a separate encoder (the microscopy networks) is not changed.
    """
    unet = _dynamic_unet(network)
    if unet is None:
        return
    for module in unet.layers[0].modules():
        for parameter in module.parameters(recurse=False):
            parameter.requires_grad_(isinstance(module, _BatchNorm) or not frozen)


def _dynamic_unet(network: nn.Module) -> DynamicUNet | None:
    if isinstance(network, UpsampledUNet):
        return network.model
    return network if isinstance(network, DynamicUNet) else None
