"""Adversarial losses of a critic's logits, one per patch of an image; a logit above zero means real.

They are computed in float32 or, for float64 logits, in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from decrappify.errors import InputError


class _Kind(NamedTuple):
    """Loss of a patch with target 1, of one with target 0, and the loss of the generator on fakes."""

    real: Callable[[Tensor], Tensor]
    fake: Callable[[Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]


def _loss_to_real(logits: Tensor) -> Tensor:
    return F.softplus(-logits)  # binary cross entropy with logits against 1, finite for every logit


def _squared_to_one(logits: Tensor) -> Tensor:
    return (logits - 1).square()


_KINDS = {
    "bce": _Kind(_loss_to_real, F.softplus, _loss_to_real),
    "hinge": _Kind(lambda logits: F.relu(1 - logits), lambda logits: F.relu(1 + logits), torch.neg),
    "least-squares": _Kind(_squared_to_one, torch.square, _squared_to_one),
}


def critic_loss(real: Tensor, fake: Tensor, kind: str = "bce") -> Tensor:
    """Compute the loss of a critic, ``(L(real, 1) + L(fake, 0)) / 2``, each L a mean over images and patches.

    Parameters
    ----------
    real, fake : Tensor
        Logits (N, patches) of real and of generated images; N may differ.
    kind : {"bce", "hinge", "least-squares"}
        Binary cross entropy with the target of the image expanded over its patches (DeOldify, fastai v1), hinge (Lim
        and Ye 2017), or squared distance to 1 and 0 (Mao et al. 2017).

    Returns
    -------
    Tensor
        Scalar, float32 for half-precision logits.

    Raises
    ------
    InputError
        For an unknown kind.

    Examples
    --------
    >>> round(critic_loss(torch.zeros(2, 9), torch.zeros(2, 9)).item(), 4)
    0.6931
    """
    chosen = _kind(kind)
    return (chosen.real(_precise(real)).mean() + chosen.fake(_precise(fake)).mean()) / 2


def generator_adversarial_loss(fake: Tensor, kind: str = "bce") -> Tensor:
    """Compute the adversarial loss of a generator, L(fake, 1): low if the critic classifies its images as real.

    Parameters
    ----------
    fake : Tensor
        Logits (N, patches) of generated images.
    kind : {"bce", "hinge", "least-squares"}
        As in `critic_loss`; with the hinge loss it is minus the mean logit, which has no lower bound.

    Returns
    -------
    Tensor
        Scalar, float32 for half-precision logits.

    Raises
    ------
    InputError
        For an unknown kind.

    Examples
    --------
    >>> generator_adversarial_loss(torch.full((2, 9), 3.0), "least-squares").item()
    4.0
    """
    return _kind(kind).generator(_precise(fake)).mean()


def patch_accuracy(real: Tensor, fake: Tensor) -> Tensor:
    """Compute the share of correctly classified patches: real ones above zero, generated ones not.

    Parameters
    ----------
    real, fake : Tensor
        Logits (N, patches).

    Returns
    -------
    Tensor
        Scalar, 0 to 1.

    Examples
    --------
    >>> patch_accuracy(torch.tensor([[1.0, -1.0]]), torch.tensor([[-2.0, 0.0]])).item()
    0.75
    """
    return torch.cat([(real > 0).flatten(), (fake <= 0).flatten()]).float().mean()


def _kind(name: str) -> _Kind:
    if name not in _KINDS:
        raise InputError(f"unknown adversarial loss {name!r}, expected one of {', '.join(_KINDS)}")
    return _KINDS[name]


def _precise(logits: Tensor) -> Tensor:
    return logits.to(torch.promote_types(logits.dtype, torch.float32))
