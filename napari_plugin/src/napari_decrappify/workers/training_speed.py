"""Number of training steps for a training time, from the measured speed of the machine."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from decrappify import Crappifier, Movie
from napari_decrappify.workers.task import Task

if TYPE_CHECKING:
    from decrappify import TrainingConfig

_WARM_UP_STEPS = 8
_SLOW_STEPS = 3  # excluded first steps, in which torch initializes
_FEWEST_STEPS = 10
_MOST_VALIDATIONS = 40
_SHARE_OF_VALIDATION = 0.25


@dataclass(frozen=True)
class Speed:
    """Seconds per step and per validation."""

    step: float
    validation: float


def measure_speed(movies: list[Movie], crappifier: Crappifier, config: TrainingConfig, task: Task) -> Speed:
    """Measure the speed of a few training steps, whose model is discarded.

    Raises
    ------
    Cancelled
        If the run is cancelled.
    """
    from decrappify import RunOptions, train

    watch = _Stopwatch()
    short = replace(config, max_steps=_WARM_UP_STEPS, validate_every=_WARM_UP_STEPS)
    options = RunOptions(progress=watch.bar, cancel=task.cancel, on_validation=lambda *_: watch.update(0))
    train(movies, crappifier, config=short, run=options)
    task.check_cancel()
    lengths = np.diff(watch.ticks)
    return Speed(float(median(lengths[_SLOW_STEPS:-1])), float(lengths[-1]))


def planned(config: TrainingConfig, speed: Speed, seconds: float) -> TrainingConfig:
    """Compute the numbers of steps and of validations for a training time of `seconds`.

    >>> from decrappify import TrainingConfig
    >>> plan = planned(TrainingConfig(), Speed(step=0.1, validation=1.0), 60)
    >>> plan.max_steps, plan.validate_every
    (450, 30)
    >>> planned(TrainingConfig(), Speed(step=1.0, validation=1.0), 0.5).max_steps
    10
    """
    n_validations = int(min(max(_SHARE_OF_VALIDATION * seconds / speed.validation, 1), _MOST_VALIDATIONS))
    steps = max(_FEWEST_STEPS, int((seconds - n_validations * speed.validation) / speed.step))
    return replace(config, max_steps=steps, validate_every=math.ceil(steps / n_validations))


class _Stopwatch:
    """Progress bar (tqdm interface) that records the time of each update."""

    def __init__(self) -> None:
        self.ticks: list[float] = []

    def bar(self, **_: Any) -> _Stopwatch:
        return self

    def update(self, n: int = 1) -> None:
        self.ticks.append(time.monotonic())

    def close(self) -> None:
        """Do nothing; part of the tqdm interface."""
