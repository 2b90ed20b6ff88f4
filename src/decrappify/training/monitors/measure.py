"""Monitors of a GAN phase: measurements of a checkpoint on held-out images, relative to the pretrained generator.

The validation set and its two noise draws are frozen, so that only the weights differ between two rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import default_collate

from decrappify.datasets import Sample
from decrappify.errors import InputError
from decrappify.training.monitors.feature_distance import (
    LEAST_IMAGES,
    RandomEncoder,
    grid_side,
    kid,
    kid_error,
    kid_matrix,
    referee_auc,
)
from decrappify.training.monitors.signals import (
    LEAST_SIZE,
    SpectralSums,
    band_power,
    coherent_split,
    grid_lines,
    spectral_sums,
)

_CLIP = 10.0  # standard deviations; otherwise the kernel of a collapsed generator would have huge values


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorRow:
    """Monitors of one checkpoint. All values except `step` and `images_seen` are NaN if the output was not finite.

    Attributes
    ----------
    step : int
        Step of the GAN phase; 0 is the pretrained generator.
    images_seen : int
        Training images used so far in the GAN phase.
    psnr : float
        Mean over the validation images, dB.
    band_power : tuple of float
        Power relative to the reference, dB, at 0.05-0.125, 0.125-0.25 and 0.25-0.45 cycles per pixel.
    grid_peak : float
        Power of a line of a 2- or 4-pixel grid over its surroundings, relative to the pretrained generator; of the line
        that increased most.
    confirmed, invented : float
        Power that is and is not correlated with the reference, relative to the pretrained generator.
    noise_draw : float
        Mean square difference of the predictions from two noise draws, relative to the pretrained generator; NaN if the
        samples have no second source.
    kid : float
        Kernel distance between the features of predictions and reference.
    kid_error : float
        Bootstrap standard error, over images, of the change of `kid` since the pretrained generator; in the baseline
        row, of `kid` itself.
    referee_auc : float
        ROC AUC of a new classifier of predictions and reference; 0.5 is chance.
    """

    step: int
    images_seen: int
    psnr: float
    band_power: tuple[float, float, float]
    grid_peak: float
    confirmed: float
    invented: float
    noise_draw: float
    kid: float
    kid_error: float
    referee_auc: float

    def to_dict(self) -> dict[str, Any]:
        """Return values for JSON: a list for the bands, None for NaN."""
        entries = asdict(self)
        entries["band_power"] = [_or_none(level) for level in self.band_power]
        return {key: _or_none(value) if isinstance(value, float) else value for key, value in entries.items()}

    @classmethod
    def from_dict(cls, entries: Mapping[str, Any]) -> MonitorRow:
        """Create a row from the values of `to_dict`.

        Raises
        ------
        InputError
            For missing or unknown entries.
        """
        names = {field.name for field in fields(cls)}
        if set(entries) != names:
            wrong = ", ".join(sorted(set(entries) ^ names))
            raise InputError(
                f"a monitor row has missing or unknown entries ({wrong}), expected {', '.join(sorted(names))}"
            )
        values = {key: _or_nan(value) for key, value in entries.items()}
        values["band_power"] = tuple(_or_nan(level) for level in entries["band_power"])
        return cls(**values)


@dataclass(frozen=True, slots=True, eq=False)
class _Measurement:
    """Absolute values, before division by those of the pretrained generator."""

    psnr: float
    spectrum: SpectralSums
    noise_draw: float
    features: Tensor


class Monitors:
    """Measurements of checkpoints of a GAN phase on the same held-out samples.

    Parameters
    ----------
    validation : sequence or Dataset of Sample
        At least 4 held-out samples of one shape, targets of 32 x 32 pixels or more; 64 are sufficient, with fewer the
        error of KID increases. Both sources should have frozen noise; `source_2` in all of them or in none.
    generator : nn.Module
        The pretrained generator theta_0, measured on creation.
    batch_size : int
        Samples in one forward pass.
    seed : int
        Seed of the frozen feature encoder and of the bootstrap.
    device : torch.device, optional
        Device of the network; by default that of its parameters. The signals are computed on the CPU.
    data_range : float
        Span between black and white in network units: 1 for microscopy, about 4.4 for ImageNet-normalized color (1 /
        0.226). It shifts all PSNR values equally and determines the faintest grid that is detected.

    Attributes
    ----------
    baseline : MonitorRow
        Row of the pretrained generator, step 0.

    Raises
    ------
    InputError
        If samples are too few or too small, or the output of the generator is not finite or has another shape than the
        target.
    """

    def __init__(
        self,
        validation: Sequence[Sample],
        generator: nn.Module,
        *,
        batch_size: int = 8,
        seed: int = 0,
        device: torch.device | str | None = None,
        data_range: float = 1.0,
    ) -> None:
        samples = [validation[index] for index in range(len(validation))]  # each item of a dataset is drawn only once
        _check(samples, batch_size, data_range)
        self._data_range, self._seed, self._device = data_range, seed, device
        self._batches: list[Sample] = [
            default_collate(samples[start : start + batch_size]) for start in range(0, len(samples), batch_size)
        ]
        targets = torch.cat([batch["target"] for batch in self._batches]).float()
        self._level = targets.mean(dim=(0, 2, 3), keepdim=True)
        self._contrast = targets.std(dim=(0, 2, 3), keepdim=True).clamp_min(1e-6 * data_range)
        self._encoder = RandomEncoder(targets.shape[1], seed)
        self._grid = grid_side(len(targets), min(targets.shape[-2:]))
        self._features = torch.cat([self._encode(batch["target"]) for batch in self._batches])
        self._features_mean = self._features.mean(dim=(0, 1))
        self._features_sd = self._features.std(dim=(0, 1)).clamp_min(1e-6)
        self._features = self._standardize(self._features)
        start = self._measure(generator)
        if start is None:
            raise InputError("the output of the pretrained generator is not finite; pass another generator")
        self._start = start
        self._start_kid = kid_matrix(start.features, self._features)
        self.baseline = replace(self._row(start, step=0, images_seen=0), kid_error=kid_error(self._start_kid, seed))

    def measure(self, network: nn.Module, *, step: int, images_seen: int) -> MonitorRow:
        """Measure `network` in eval mode and without gradients; the mode of every module is restored."""
        measured = self._measure(network)
        if measured is None:
            return _diverged(step, images_seen)
        return self._row(measured, step=step, images_seen=images_seen)

    @torch.no_grad()
    def _measure(self, network: nn.Module) -> _Measurement | None:
        device = self._device or next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
        errors, draws, features = [], [], []
        spectrum: SpectralSums | None = None
        with evaluating(network):
            for batch in self._batches:
                target = batch["target"].float()
                prediction = network(batch["source"].to(device)).float().cpu()
                if prediction.shape != target.shape:
                    raise InputError(
                        f"the network returns {tuple(prediction.shape)}, expected {tuple(target.shape)} like the "
                        "targets"
                    )
                if not prediction.isfinite().all():
                    return None
                errors.append((prediction - target).square().mean(dim=(1, 2, 3)))
                if "source_2" in batch:
                    second = network(batch["source_2"].to(device)).float().cpu()
                    draws.append((prediction - second).square().mean(dim=(1, 2, 3)))
                sums = spectral_sums(prediction, target)
                spectrum = sums if spectrum is None else spectrum + sums
                features.append(self._standardize(self._encode(prediction)))
        if spectrum is None:
            return None
        mse = torch.cat(errors).double().clamp_min(1e-12 * self._data_range**2)
        return _Measurement(
            psnr=float(10 * (self._data_range**2 / mse).log10().mean()),
            spectrum=spectrum,
            noise_draw=float(torch.cat(draws).double().mean()) if draws else math.nan,
            features=torch.cat(features),
        )

    def _row(self, measured: _Measurement, *, step: int, images_seen: int) -> MonitorRow:
        grid, start_grid = (
            grid_lines(each.spectrum, data_range=self._data_range).clamp_min(1) for each in (measured, self._start)
        )
        parts, start_parts = (coherent_split(each.spectrum) for each in (measured, self._start))
        distances = kid_matrix(measured.features, self._features)
        return MonitorRow(
            step=step,
            images_seen=images_seen,
            psnr=measured.psnr,
            band_power=band_power(measured.spectrum),
            grid_peak=float((grid / start_grid).max()),
            confirmed=_ratio(parts[0], start_parts[0]),
            invented=_ratio(parts[1], start_parts[1]),
            noise_draw=_ratio(measured.noise_draw, self._start.noise_draw),
            kid=kid(distances),
            kid_error=kid_error(distances - self._start_kid, self._seed),
            referee_auc=referee_auc(measured.features, self._features),
        )

    def _encode(self, images: Tensor) -> Tensor:
        features: Tensor = self._encoder((images.float() - self._level) / self._contrast, self._grid)
        return features

    def _standardize(self, features: Tensor) -> Tensor:
        return ((features - self._features_mean) / self._features_sd).clamp(-_CLIP, _CLIP)


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Set a network to eval mode, and restore the mode of each module afterwards, including frozen norms."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def _check(validation: list[Sample], batch_size: int, data_range: float) -> None:
    if len(validation) < LEAST_IMAGES:
        raise InputError(
            f"{len(validation)} validation samples are too few to monitor a GAN phase, expected 4 (better 64)"
        )
    if batch_size < 1:
        raise InputError(f"batch_size is {batch_size}, expected at least 1")
    if not data_range > 0:
        raise InputError(f"data_range is {data_range!r}, expected a span above 0")
    shapes = {tuple(sample["target"].shape) for sample in validation}
    if len(shapes) > 1:
        raise InputError(f"validation targets have different shapes {sorted(shapes)}, expected one shape")
    shape = shapes.pop()
    if min(shape[-2:]) < LEAST_SIZE:
        raise InputError(
            f"validation targets are {shape[-2]} x {shape[-1]} pixels, expected at least {LEAST_SIZE} x 32"
        )
    if len({"source_2" in sample for sample in validation}) > 1:
        raise InputError("some validation samples have a second source and some do not; add it to all or to none")


def _diverged(step: int, images_seen: int) -> MonitorRow:
    unknown = {field.name: None for field in fields(MonitorRow)}
    return MonitorRow.from_dict(unknown | {"step": step, "images_seen": images_seen, "band_power": [None] * 3})


def _ratio(value: float, start: float) -> float:
    """Divide by the value of the pretrained generator; if that is 0, return 1 for 0 and infinity for more."""
    if start == 0:
        return 1.0 if value == 0 else math.inf
    return value / start


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _or_nan(value: Any) -> Any:
    return math.nan if value is None else value
