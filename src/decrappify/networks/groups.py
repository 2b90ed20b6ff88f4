"""Layer groups: which parts of a generator learn slowly, and which stand still while the decoder learns."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from decrappify.networks.dynamic_unet import DynamicUNet, UpsampledUNet

# fastai v1 parts a ResNet encoder behind its second stage.
_LATE_ENCODER = 6


def layer_groups(network: nn.Module) -> list[list[nn.Parameter]]:
    """Parameters in groups that learn at rates of their own, from the input to the output.

    Parameters
    ----------
    network : nn.Module
        A generator.

    Returns
    -------
    list of list of Parameter
        Early encoder, late encoder and decoder of a dynamic U-Net, as in fastai v1; everything in one group for other
        networks. No parameter is lost or in two groups.

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
    """Stop the encoder's convolutions from learning, or let them; batch norm always learns, as in fastai v1.

    A network without an encoder of its own (the microscopy networks) is left as it is.
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
