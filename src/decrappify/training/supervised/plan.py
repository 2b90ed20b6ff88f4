"""Length of a run for a training time, from the measured speed of its first steps."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from decrappify.datasets import Sample
from decrappify.networks.spec import RestorationNetwork
from decrappify.training.config.adaptation import AdaptationConfig
from decrappify.training.config.supervised import MOST_STEPS_BETWEEN, TrainingConfig
from decrappify.training.engine.optimization import OptimizedNetwork
from decrappify.training.engine.processes import on_any_rank
from decrappify.training.engine.sampler import prefetched, step_loader
from decrappify.training.engine.trainer import Trainer
from decrappify.training.engine.weight_average import WeightAverage

AnyConfig = TrainingConfig | AdaptationConfig
Loss = Callable[[nn.Module, Sample], Tensor]

_WARM_UP = 3  # first steps, in which torch initializes
_LEAST, _MOST = 5, 200  # timed steps
_SECONDS = 5.0  # of timed steps, but at most this share of the training time:
_SHARE, _LARGEST_SHARE = 0.03, 0.1  # the latter for the whole measurement
_FEWEST_STEPS = 10
_MOST_VALIDATIONS = 20  # in a quarter of the time; the least may take half of it
_LEAST_VALIDATIONS = 8


@dataclass(frozen=True, slots=True)
class Speed:
    """Seconds per step and per validation."""

    step: float
    validation: float


def plan_steps(config: AnyConfig, speed: Speed, seconds: float) -> tuple[int, int]:
    """Return the number of steps, and of those between validations, for `seconds`.

    Examples
    --------
    >>> plan_steps(TrainingConfig(minutes=1), Speed(step=0.1, validation=0.3), 60)
    (540, 27)
    >>> plan_steps(TrainingConfig(minutes=1), Speed(step=0.1, validation=3), 60)
    (360, 45)
    >>> plan_steps(TrainingConfig(minutes=1, validate_every=10), Speed(step=0.1, validation=1), 60)
    (300, 10)
    """
    if config.validate_every is not None:
        every = config.validate_every
        return max(_FEWEST_STEPS, int(seconds / (speed.step + speed.validation / every))), every
    if seconds / speed.step > _MOST_VALIDATIONS * MOST_STEPS_BETWEEN:
        return int(seconds / (speed.step + speed.validation / MOST_STEPS_BETWEEN)), MOST_STEPS_BETWEEN
    wanted, least = (int(share * seconds / max(speed.validation, 1e-6)) for share in (0.25, 0.5))
    n_validations = max(1, min(_MOST_VALIDATIONS, wanted), min(_LEAST_VALIDATIONS, least))
    steps = max(_FEWEST_STEPS, int((seconds - n_validations * speed.validation) / speed.step))
    return steps, math.ceil(steps / n_validations)


def measure_speed(
    trainer: Trainer,
    network: RestorationNetwork,
    dataset: Dataset[Sample],
    loss: Loss,
    validate: Callable[[RestorationNetwork], Any],
    config: AnyConfig,
    seconds: float,
) -> Speed:
    """Measure a few steps of a copy of the network, data loading included, and one validation.

    Network and random generators are not changed. A run that is cancelled meanwhile ends after the current step, with
    Cancelled on all processes.

    Parameters
    ----------
    loss : callable
        Loss of a network and a batch.
    validate : callable
        Validation of a network, which also ends early if the run is cancelled.
    seconds : float
        Training time; slow steps are measured for a tenth of it at most, and once at least.
    """
    fabric = trainer.fabric
    with torch.random.fork_rng(devices=[fabric.device] if fabric.device.type == "cuda" else []):
        copy, precision = deepcopy(network), deepcopy(fabric.strategy.precision.state_dict())
        steps = _step_seconds(trainer, copy, dataset, loss, config, seconds)
        fabric.strategy.precision.load_state_dict(precision)  # the loss scale of float16
        started = time.monotonic()
        validate(copy)
        return Speed(steps, time.monotonic() - started)


def _step_seconds(
    trainer: Trainer,
    network: RestorationNetwork,
    dataset: Dataset[Sample],
    loss: Loss,
    config: AnyConfig,
    seconds: float,
) -> float:
    fabric = trainer.fabric
    optimized = OptimizedNetwork(fabric, network, (config.learning_rate,), weight_decay=config.weight_decay)
    average = WeightAverage(network, config.ema_decay)
    loader = step_loader(
        dataset,
        fabric,
        batch_size=config.batch_size,
        first_step=0,
        last_step=_WARM_UP + _MOST,
        workers=config.workers,
        seed=config.seed,
    )
    ticks = [time.monotonic()]
    for batch in prefetched(loader):
        optimized.step(loss(optimized.network, batch), "the measurement of the speed", max_norm=1.0)
        average.update(network)
        if fabric.device.type == "cuda":
            torch.cuda.synchronize(fabric.device)
        ticks.append(time.monotonic())
        if on_any_rank(fabric, trainer.cancel.is_set() or _is_enough(ticks, seconds)):
            break
    trainer.check_start()
    first = min(_WARM_UP, len(ticks) - 2)
    own = (ticks[-1] - ticks[first]) / (len(ticks) - 1 - first)
    return trainer.mean(torch.tensor(own, device=fabric.device))


def _is_enough(ticks: list[float], seconds: float) -> bool:
    if ticks[-1] - ticks[0] > _LARGEST_SHARE * seconds:
        return True
    timed = ticks[_WARM_UP:]
    return len(timed) > _LEAST and timed[-1] - timed[0] > min(_SECONDS, _SHARE * seconds)


def seconds_left(config: AnyConfig, began: float) -> float:
    """Return the rest of the training time of a run that began at `began` (`time.monotonic`)."""
    return 60 * (config.minutes or 0.0) - (time.monotonic() - began)
