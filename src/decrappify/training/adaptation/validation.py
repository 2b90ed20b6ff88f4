"""Validation of an adaptation on held-out split frames, as a paired comparison with the given model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from decrappify.datasets.sample import Sample
from decrappify.movie import Array
from decrappify.networks.spec import RestorationNetwork

Errors = NDArray[np.float64]

PATCHES = 96
_CERTAIN = 2.0  # standard errors by which an adapted model has to be better
_WORTHWHILE = 0.02  # of the difference from the best Gaussian filter, by which it has to be better, too
_CLEAR = 2.0  # standard errors by which the given model has to be better than the Gaussian filter to compare with it
_SPACE, _TIME = (0.0, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8), (0.0, 0.4, 0.6, 1.0)  # sigma in pixels and frames


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
        Mean squared error of the best Gaussian filter in space and time minus that of the given model.
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
        if self.gaussian <= _CLEAR * self.gaussian_error:
            return math.nan
        return (self.gaussian - self.change) / self.gaussian

    def values(self) -> dict[str, float]:
        """Return all numbers by name."""
        return {name: getattr(self, name) for name in SCORES}


SCORES = ("change", "change_error", "gaussian", "gaussian_error", "noise_draw")


class SplitValidator:
    """Paired comparison of networks with a given one on fixed split patches.

    Parameters
    ----------
    dataset : Dataset of Sample
        Split patches; the first 96 are used.
    network : RestorationNetwork
        The given network.
    batch_size : int
        Patches per forward pass.
    device : torch.device
        Device of the networks.
    """

    def __init__(
        self, dataset: Dataset[Sample], network: RestorationNetwork, batch_size: int, device: torch.device
    ) -> None:
        count = min(PATCHES, len(dataset))  # type: ignore[arg-type]
        samples = [dataset[index] for index in range(count)]
        self._device = device
        self._batches: list[Sample] = [
            default_collate(samples[start : start + batch_size]) for start in range(0, count, batch_size)
        ]
        self._given, _ = self._errors(network)
        self._gaussian = _mean(_gaussian_errors(samples) - self._given)

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
        for batch in self._batches:
            first, second = (network(batch[key].to(self._device)).float().cpu() for key in ("source", "source_2"))
            errors.append((_squared(first, batch["target"]) + _squared(second, batch["target_2"])) / 2)
            draws.append(_squared(first, second) / 2)
        network.train(was_training)
        return torch.cat(errors).numpy(), torch.cat(draws).numpy()


def _squared(first: Tensor, second: Tensor) -> Tensor:
    return (first - second).square().mean(dim=(1, 2, 3)).double()


def _gaussian_errors(samples: Sequence[Sample]) -> Errors:
    """Return the squared differences from the targets of the Gaussian filter that is best over all patches."""
    best: Errors | None = None
    for time in _TIME if samples[0]["source"].shape[0] > 1 else _TIME[:1]:
        averaged = [_averaged(sample["source"].numpy(), time) for sample in samples]
        for space in _SPACE:
            errors = np.array(
                [
                    np.square(gaussian_filter(frame, space) - sample["target"][0].numpy()).mean(dtype=np.float64)
                    for frame, sample in zip(averaged, samples, strict=True)
                ]
            )
            if best is None or errors.mean() < best.mean():
                best = errors
    assert best is not None  # there is at least one filter
    return best


def _averaged(window: Array, sigma: float) -> Array:
    """Return the middle frame of a window (T, Y, X), averaged over time."""
    offsets = np.arange(len(window)) - len(window) // 2
    weights = np.exp(-(offsets**2) / (2 * sigma**2)) if sigma else (offsets == 0).astype(float)
    return np.asarray(np.tensordot(weights / weights.sum(), window, 1))


def _mean(values: Errors) -> tuple[float, float]:
    """Return the mean and its standard error."""
    return float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.inf
