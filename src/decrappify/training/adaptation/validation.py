"""Validation of an adaptation on held-out split frames, as a paired comparison with the given model."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from decrappify._common.progress import Check, with_check
from decrappify.datasets.sample import Sample
from decrappify.metrics.baselines import best_gaussian_of_window
from decrappify.networks.spec import RestorationNetwork

Errors = NDArray[np.float64]

PATCHES = 64
_CERTAIN = 2.0  # standard errors by which an adapted model has to be better
_WORTHWHILE = 0.02  # of the difference from the best Gaussian filter, by which it has to be better, too
_CLEAR = 2.0  # standard errors by which the given model has to be better than the Gaussian filter to compare with it


@dataclass(frozen=True, slots=True)
class AdaptationScore:
    """Comparison of a network with the given model on held-out split patches, in squared network units.

    The mean squared difference from a target with independent noise is the error of the prediction plus the variance
    of the target's noise. The variance is the same for all methods, so that differences between them are those of
    their errors, also without knowing it.

    Attributes
    ----------
    change : float
        Mean squared error of the network minus that of the given model; below 0 it is better.
    change_error : float
        Standard error of `change`, over the patches.
    gaussian : float
        Mean squared error of the best Gaussian filter of each patch minus that of the given model.
    gaussian_error : float
        Standard error of `gaussian`.
    noise_draw : float
        RMS difference of the predictions from two splits, divided by sqrt(2).

    Examples
    --------
    >>> score = AdaptationScore(-2e-5, 4e-6, 4e-5, 5e-6, 0.01)
    >>> score.is_better, round(score.lead, 2)
    (True, 1.5)
    """

    change: float
    change_error: float
    gaussian: float
    gaussian_error: float
    noise_draw: float

    @property
    def is_better(self) -> bool:
        """Whether the network is better than the given model by more than the standard error, and noticeably."""
        return self.change < -max(_CERTAIN * self.change_error, _WORTHWHILE * abs(self.gaussian))

    @property
    def lead(self) -> float:
        """Advantage over the best Gaussian filter, relative to that of the given model.

        NaN if the given model is not clearly better than the filter.
        """
        if not self.is_better_than_gaussian(given=True):
            return math.nan
        return (self.gaussian - self.change) / self.gaussian

    def is_better_than_gaussian(self, *, given: bool) -> bool:
        """Return whether the network, or the given model, is clearly better than the best Gaussian filter."""
        return self.gaussian - (0.0 if given else self.change) > _CLEAR * self.gaussian_error

    def values(self) -> dict[str, float]:
        """Return all numbers by name."""
        return {name: getattr(self, name) for name in SCORES}


SCORES = ("change", "change_error", "gaussian", "gaussian_error", "noise_draw")


class SplitValidator:
    """Paired comparison of networks with a given one on fixed split patches.

    Parameters
    ----------
    dataset : Dataset of Sample
        Split patches; the first 64 are used.
    network : RestorationNetwork
        The given network.
    batch_size : int
        Patches per forward pass.
    device : torch.device
        Device of the networks.
    check : callable, optional
        Called before each patch and each batch; it may raise an exception to stop.
    """

    def __init__(
        self,
        dataset: Dataset[Sample],
        network: RestorationNetwork,
        batch_size: int,
        device: torch.device,
        check: Check | None = None,
    ) -> None:
        count = min(PATCHES, len(dataset))  # type: ignore[arg-type]
        samples = [dataset[index] for index in with_check(range(count), check)]
        self._device, self._check = device, check
        self._batches: list[Sample] = [
            default_collate(samples[start : start + batch_size]) for start in range(0, count, batch_size)
        ]
        self._given, _ = self._errors(network)
        gaussian = [_gaussian_error(sample) for sample in with_check(samples, check)]
        self._gaussian = _mean(np.array(gaussian) - self._given)

    def score(self, network: RestorationNetwork) -> AdaptationScore:
        """Compare `network`, in eval mode, with the given one; its mode is restored."""
        errors, draws = self._errors(network)
        return AdaptationScore(*_mean(errors - self._given), *self._gaussian, float(np.sqrt(draws.mean())))

    @torch.no_grad()
    def _errors(self, network: RestorationNetwork) -> tuple[Errors, Errors]:
        """Return squared differences from the targets, and squares of half the difference of two predictions."""
        was_training = network.training
        network.eval()
        errors, draws = [], []
        for batch in with_check(self._batches, self._check):
            first, second = (network(batch[key].to(self._device)).float().cpu() for key in ("source", "source_2"))
            errors.append((_squared(first, batch["target"]) + _squared(second, batch["target_2"])) / 2)
            draws.append(_squared(first, second) / 2)
        network.train(was_training)
        return torch.cat(errors).numpy(), torch.cat(draws).numpy()


def _squared(first: Tensor, second: Tensor) -> Tensor:
    return (first - second).square().mean(dim=(1, 2, 3)).double()


def _gaussian_error(sample: Sample) -> float:
    """Return the squared difference from the target of the Gaussian filter with the best widths for a patch."""
    target = sample["target"][0].numpy()
    restored = best_gaussian_of_window(sample["source"].numpy(), target).restored
    return float(np.square(restored - target).mean(dtype=np.float64))


def _mean(values: Errors) -> tuple[float, float]:
    """Return the mean and its standard error."""
    return float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.inf
