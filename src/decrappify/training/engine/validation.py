"""Validation on fixed patches with fixed noise draws, so that two steps of a run can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import default_collate

from decrappify._common.progress import Check, with_check
from decrappify.datasets import Sample
from decrappify.movie import Array
from decrappify.networks.spec import RestorationNetwork
from decrappify.training.engine.validation_patches import LEAST_SHARE, ValidationPatches, upsample

_PREVIEWS = 4


class Preview(NamedTuple):
    """Images (Y, X) of one validation patch: source, best Gaussian, prediction and target."""

    source: Array
    gaussian: Array
    prediction: Array
    target: Array


@dataclass(frozen=True, slots=True)
class ValidationScore:
    """Means over the validation patches, in network units; NaN for values that do not exist.

    Attributes
    ----------
    psnr, psnr_source : float
        PSNR of the prediction and of the (bilinearly upsampled) source, dB.
    psnr_gaussian : float
        PSNR of the Gaussian filter of the source with the best widths for each patch, dB.
    gain_content, gain_background : float
        PSNR of the prediction minus that of the source, on the content pixels and on the others (see `content_mask`),
        dB; the mean over the patches with at least 5 % of such pixels.
    noise_draw : float
        RMS difference of two predictions from two noise draws, divided by sqrt(2); NaN for pairs.
    previews : list of Preview
        The 4 patches with the strongest structure, the same at each validation.
    """

    psnr: float
    psnr_source: float
    psnr_gaussian: float
    gain_content: float
    gain_background: float
    noise_draw: float
    previews: list[Preview]

    def values(self) -> dict[str, float]:
        """Return all numbers by name."""
        return {name: getattr(self, name) for name in SCORES}


SCORES = ("psnr", "psnr_source", "psnr_gaussian", "gain_content", "gain_background", "noise_draw")


class Validator:
    """Evaluation on fixed patches with noise that is drawn once.

    Parameters
    ----------
    patches : ValidationPatches or sequence of Sample
        The patches; samples alone have no best Gaussian, content or previews.
    batch_size : int
        Patches per forward pass.
    data_range : float
        Data range in network units, for the PSNR.
    check : callable, optional
        Called before each batch of a validation; it may raise an exception to stop.
    """

    def __init__(
        self,
        patches: ValidationPatches | Sequence[Sample],
        batch_size: int,
        data_range: float = 1.0,
        check: Check | None = None,
    ) -> None:
        self.data_range, self._batch_size, self._check = data_range, batch_size, check
        self._patches = patches if isinstance(patches, ValidationPatches) else None
        samples = patches.samples if isinstance(patches, ValidationPatches) else patches
        self.batches: list[Sample] = [
            default_collate(list(samples[start : start + batch_size])) for start in range(0, len(samples), batch_size)
        ]
        self._shown = [] if self._patches is None else _most_structured(self._patches.gaussian)
        self._psnr_gaussian = float("nan")
        if self._patches is not None:
            targets = torch.cat([batch["target"] for batch in self.batches])
            self._psnr_gaussian = self._mean_db(_squared(torch.from_numpy(np.stack(self._gaussian)), targets))

    @torch.no_grad()
    def score(self, network: RestorationNetwork, device: torch.device, *, second_draw: bool = True) -> ValidationScore:
        """Compute the score of `network` in eval mode, and restore its mode.

        Parameters
        ----------
        network : RestorationNetwork
            The network.
        device : torch.device
            Device of the network.
        second_draw : bool
            Whether to predict from the second noise draws too, in twice the time; `noise_draw` is NaN without them.
        """
        was_training = network.training
        network.eval()
        errors, source_errors, draws = [], [], []
        previews: dict[int, Preview] = {}
        for number, batch in enumerate(with_check(self.batches, self._check)):
            target = batch["target"].to(device)
            prediction = network(batch["source"].to(device)).float()
            source = network.middle_frame(batch["source"].to(device))
            errors.append(_squared(prediction, target))
            source_errors.append(_squared(upsample(source, target.shape[-2:]), target))
            if second_draw and "source_2" in batch:
                draws.append(_squared(prediction, network(batch["source_2"].to(device)).float()).mean(dim=(1, 2)) / 2)
            for index in self._shown:
                at = index - number * self._batch_size
                if 0 <= at < len(target):
                    images = [image[at, 0].cpu().numpy() for image in (source, prediction, target)]
                    previews[index] = Preview(images[0], self._gaussian[index][0], images[1], images[2])
        network.train(was_training)
        error, source_error = torch.cat(errors), torch.cat(source_errors)
        return ValidationScore(
            psnr=self._mean_db(error),
            psnr_source=self._mean_db(source_error),
            psnr_gaussian=self._psnr_gaussian,
            gain_content=self._gain(error, source_error, on_content=True),
            gain_background=self._gain(error, source_error, on_content=False),
            noise_draw=float(np.sqrt(torch.cat(draws).mean().item())) if draws else float("nan"),
            previews=[previews[index] for index in self._shown],
        )

    @property
    def _gaussian(self) -> list[Array]:
        return [] if self._patches is None else self._patches.gaussian

    def _mean_db(self, errors: Tensor) -> float:
        """Return the mean PSNR of patches from their squared errors (N, Y, X)."""
        return float((-10 * (errors.mean(dim=(1, 2)) / self.data_range**2).clamp_min(1e-12).log10()).mean())

    def _gain(self, errors: Tensor, source_errors: Tensor, *, on_content: bool) -> float:
        if self._patches is None:
            return float("nan")
        masks = torch.from_numpy(np.stack(self._patches.content)) == on_content
        enough = masks.float().mean(dim=(1, 2)) >= LEAST_SHARE
        if not enough.any():
            return float("nan")
        after, before = ((each * masks).sum(dim=(1, 2))[enough].clamp_min(1e-12) for each in (errors, source_errors))
        return float((10 * (before / after).log10()).mean())


def _squared(prediction: Tensor, target: Tensor) -> Tensor:
    """Return squared errors (N, Y, X), the mean over the channels, on the CPU."""
    return (prediction - target).square().mean(dim=1).cpu()


def _most_structured(images: Sequence[Array]) -> list[int]:
    """Return the numbers of the images with the largest standard deviation, in their order."""
    deviations = [float(np.std(image)) for image in images]
    return sorted(np.argsort(deviations)[::-1][:_PREVIEWS].tolist())
