"""Loss of one batch of a generator."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from decrappify.datasets import Sample
from decrappify.losses import PixelLoss, tuple_loss


def generator_loss(
    network: nn.Module, batch: Sample, loss: PixelLoss, stability_weight: float
) -> tuple[Tensor, Tensor]:
    """Compute the tuple loss of a batch, with X1 and X2 in one forward pass.

    Parameters
    ----------
    network : nn.Module
        Maps sources (N, C_in, H, W) to predictions (N, C_out, H * scale, W * scale).
    batch : Sample
        Batch with ``source``, ``target`` and, for crappified data, ``source_2``.
    loss : callable
        Loss between prediction and target.
    stability_weight : float
        w of L(Y1, T) + L(Y2, T) + w L(Y1, Y2).

    Returns
    -------
    total, stability : Tensor
        Scalars; stability is 0 without ``source_2``.
    """
    source, target = batch["source"], batch["target"]
    if "source_2" not in batch:
        return tuple_loss(network(source).float(), target, loss)
    prediction, prediction_2 = network(torch.cat([source, batch["source_2"]])).float().chunk(2)
    return tuple_loss(prediction, target, loss, prediction_2=prediction_2, stability_weight=stability_weight)
