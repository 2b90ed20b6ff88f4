"""Loss of split windows, weighted by the noise of their targets."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from decrappify.datasets.sample import Sample


def split_loss(network: nn.Module, batch: Sample, stability_weight: float) -> tuple[Tensor, Tensor]:
    """Compute the weighted squared error from the targets of both sources, plus that between the predictions.

    The weights are the inverse variances of the noise of the targets, so that dim areas, whose noise is weak, count as
    much as bright ones. They do not change the minimum, which is the mean of the possible targets.

    Parameters
    ----------
    network : nn.Module
        Maps sources (N, T, H, W) to predictions (N, 1, H, W).
    batch : Sample
        Batch with ``source``, ``source_2``, ``target``, ``target_2`` and ``weight``.
    stability_weight : float
        Weight of the difference between the two predictions.

    Returns
    -------
    total, stability : Tensor
        Scalars.
    """
    first, second = network(torch.cat([batch["source"], batch["source_2"]])).float().chunk(2)
    weight = batch["weight"]
    stability = (weight * (first - second).square()).mean()
    errors = (weight * ((first - batch["target"]).square() + (second - batch["target_2"]).square())).mean()
    return (errors + stability_weight * stability) / 2, stability
