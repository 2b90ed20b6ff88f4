"""Validation on fixed patches with fixed noise draws, so that two steps of a run can be compared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from decrappify.datasets import Sample
from decrappify.movie import Array
from decrappify.networks.spec import RestorationNetwork


@dataclass(frozen=True, slots=True)
class ValidationScore:
    """Means over the validation patches, in network units.

    Attributes
    ----------
    psnr, psnr_source : float
        PSNR of the prediction and of the (bilinearly upsampled) source, dB.
    noise_draw : float
        RMS difference of two predictions from two noise draws, divided by sqrt(2); NaN for pairs.
    previews : list
        Up to 4 triples of source, prediction and target images (Y, X).
    """

    psnr: float
    psnr_source: float
    noise_draw: float
    previews: list[tuple[Array, Array, Array]]


class Validator:
    """Evaluation on fixed patches with noise that is drawn once.

    Parameters
    ----------
    dataset : Dataset of Sample
        Dataset, of which the first `n_patches` items are used.
    n_patches, batch_size : int
        Number of patches, and patches per forward pass.
    data_range : float
        Data range in network units, for the PSNR.
    """

    def __init__(self, dataset: Dataset[Sample], n_patches: int, batch_size: int, data_range: float = 1.0) -> None:
        self.data_range = data_range
        samples = [dataset[index] for index in range(n_patches)]
        self.batches: list[Sample] = [
            default_collate(samples[start : start + batch_size]) for start in range(0, n_patches, batch_size)
        ]

    @torch.no_grad()
    def score(self, network: RestorationNetwork, device: torch.device) -> ValidationScore:
        """Compute the score of `network` in eval mode, and restore its mode."""
        was_training = network.training
        network.eval()
        errors, source_errors, draws = [], [], []
        previews: list[tuple[Array, Array, Array]] = []
        for batch in self.batches:
            target = batch["target"].to(device)
            prediction = network(batch["source"].to(device)).float()
            source = network.middle_frame(batch["source"].to(device))
            errors.append(_mse(prediction, target))
            source_errors.append(_mse(F.interpolate(source, target.shape[-2:], mode="bilinear"), target))
            if "source_2" in batch:
                draws.append(_mse(prediction, network(batch["source_2"].to(device)).float()) / 2)
            if len(previews) < 4:
                first = [image[0, 0].cpu().numpy() for image in (source, prediction, target)]
                previews.append((first[0], first[1], first[2]))
        network.train(was_training)
        return ValidationScore(
            psnr=_mean_db(errors, self.data_range),
            psnr_source=_mean_db(source_errors, self.data_range),
            noise_draw=float(np.sqrt(torch.cat(draws).mean().item())) if draws else float("nan"),
            previews=previews,
        )


def _mse(prediction: Tensor, target: Tensor) -> Tensor:
    return (prediction - target).square().mean(dim=(1, 2, 3)).cpu()


def _mean_db(errors: list[Tensor], data_range: float) -> float:
    return float((-10 * (torch.cat(errors) / data_range**2).clamp_min(1e-12).log10()).mean())
