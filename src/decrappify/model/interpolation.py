"""Interpolation between two sets of weights of one network, for the fidelity of a NoGAN model."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from decrappify.errors import InputError
from decrappify.model.fidelity import check_fidelity

_ORIGINAL, _VARIANCE = "weight_orig", "running_var"


def interpolate_weights(
    selected: Mapping[str, Tensor], pretrained: Mapping[str, Tensor], fidelity: float
) -> dict[str, Tensor]:
    """Interpolate the weights of a network before and after a GAN phase (as in ESRGAN, Wang et al. 2018).

    Weights are interpolated linearly; normalized ones after their normalization, so that what the network computes
    changes linearly. Of running variances, the standard deviations are: those of a sum of two nearly equal
    signals add, as the activations of a network and of one that was trained from it. Integers (counters) are those of
    `pretrained`.

    Parameters
    ----------
    selected, pretrained : mapping
        State dicts with the same keys and shapes: of a checkpoint of the GAN phase, and from before it.
    fidelity : float
        0 is `selected`, 1 is `pretrained`; both are then returned bit for bit.

    Raises
    ------
    InputError
        If the fidelity is not from 0 to 1, or the weights are of different networks.

    Examples
    --------
    >>> interpolate_weights({"w": torch.zeros(2)}, {"w": torch.ones(2)}, 0.25)
    {'w': tensor([0.2500, 0.2500])}
    """
    fidelity = check_fidelity(fidelity)
    odd = sorted(set(selected) ^ set(pretrained)) or [k for k in selected if selected[k].shape != pretrained[k].shape]
    if odd:
        raise InputError(
            f"the weights are of different networks (first difference: {odd[0]}), expected two of one network"
        )
    if fidelity in (0, 1):
        return {key: weight.clone() for key, weight in (pretrained if fidelity else selected).items()}
    mixed = {key: _mixed(key, weight, pretrained[key].to(weight), fidelity) for key, weight in selected.items()}
    for key in selected:
        prefix = key.removesuffix(_ORIGINAL)
        if key.endswith(_ORIGINAL):
            mixed |= _spectral(selected, pretrained, prefix, fidelity)
        elif key.endswith("weight_g"):
            mixed |= _weight_norm(selected, pretrained, key.removesuffix("weight_g"), fidelity)
    return {key: mixed[key] for key in selected}


def _mixed(key: str, selected: Tensor, pretrained: Tensor, fidelity: float) -> Tensor:
    if not selected.is_floating_point():
        return pretrained.clone()
    if key.endswith(_VARIANCE):
        return selected.sqrt().lerp(pretrained.sqrt(), fidelity).square()
    return selected.lerp(pretrained, fidelity)


def _spectral(
    selected: Mapping[str, Tensor], pretrained: Mapping[str, Tensor], prefix: str, fidelity: float
) -> dict[str, Tensor]:
    """Interpolate the weight of a convolution with spectral norm; u is scaled so that it is not normalized again."""
    keys = [f"{prefix}weight_{name}" for name in ("orig", "u", "v")]

    def effective(weights: Mapping[str, Tensor]) -> Tensor:
        weight, u, v = (weights[key].to(selected[keys[0]]) for key in keys)
        return weight / torch.dot(u, torch.mv(weight.flatten(1), v))

    weight = effective(selected).lerp(effective(pretrained), fidelity)
    v = F.normalize(torch.mv(weight.flatten(1).t(), pretrained[keys[1]].to(weight)), dim=0, eps=1e-12)
    u = torch.mv(weight.flatten(1), v)
    return dict(zip(keys, (weight, u / u.square().sum(), v), strict=True))


def _weight_norm(
    selected: Mapping[str, Tensor], pretrained: Mapping[str, Tensor], prefix: str, fidelity: float
) -> dict[str, Tensor]:
    """Interpolate the weight of a convolution with weight norm."""
    keys = [f"{prefix}weight_g", f"{prefix}weight_v"]

    def effective(weights: Mapping[str, Tensor]) -> Tensor:
        g, v = (weights[key].to(selected[keys[0]]) for key in keys)
        return v * (g / _lengths(v))

    weight = effective(selected).lerp(effective(pretrained), fidelity)
    return dict(zip(keys, (_lengths(weight), weight), strict=True))


def _lengths(weight: Tensor) -> Tensor:
    lengths: Tensor = torch.linalg.vector_norm(weight, dim=tuple(range(1, weight.ndim)), keepdim=True)
    return lengths
