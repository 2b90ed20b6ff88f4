"""Adaptation of one network: the phase, its planned length, and the weights with the best validation."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from decrappify._common.progress import Progress
from decrappify.datasets.sample import Sample
from decrappify.model.interpolation import interpolate_weights
from decrappify.networks.spec import RestorationNetwork
from decrappify.training.adaptation.loss import split_loss
from decrappify.training.adaptation.outputs import COLUMNS, plot_adaptation
from decrappify.training.adaptation.validation import AdaptationScore, SplitValidator
from decrappify.training.config.adaptation import AdaptationConfig
from decrappify.training.engine.averaged_run import AveragedRun, BestWeights
from decrappify.training.engine.trainer import Trainer
from decrappify.training.engine.training_log import Row
from decrappify.training.supervised.plan import Speed, measure_speed, plan_steps, seconds_left

report = logging.getLogger("decrappify.training.adaptation")  # shown by the command line

_VALIDATIONS = 10  # in a run of `max_steps`
_SHARES = (0.75, 0.5, 0.25)  # of the adapted weights
_EXTRA = 1 + len(_SHARES)  # comparisons in addition to those between steps: before the first step, and at the end
_ALMOST = 0.95  # of the largest improvement
_LONGER = 1.5  # times the given minutes, from which the expected time is stated


@dataclass(frozen=True, slots=True)
class AdaptationResult:
    """Result of an adaptation.

    Attributes
    ----------
    weights : dict or None
        Best averaged weights, interpolated with the given ones; None if the given model is better.
    score : AdaptationScore
        Their validation.
    share : float
        Their position between the given weights (0) and those of the best step (1).
    best_step, last_step, n_steps : int
        Step of these weights, last step of the run, and planned number of steps.
    seconds : float
        Time spent, including earlier parts of a resumed run.
    is_first : bool
        Whether this process writes files.
    """

    weights: dict[str, Tensor] | None
    score: AdaptationScore
    share: float
    best_step: int
    last_step: int
    n_steps: int
    seconds: float
    is_first: bool


def run_adaptation(
    network: RestorationNetwork,
    dataset: Dataset[Sample],
    validation: Dataset[Sample],
    config: AdaptationConfig,
    *,
    folder: Path | None,
    resume: bool,
    settings: dict[str, Any],
    progress: Progress | None,
    cancel: Any,
    on_validation: Any,
    began: float,
) -> AdaptationResult:
    """Adapt `network`, in place, on split data; see `run_training` for the parameters."""
    trainer = Trainer(config, {}, folder, settings=settings, progress=progress, cancel=cancel)
    if trainer.fabric.device.type in ("cpu", "cuda"):
        network.to(memory_format=torch.channels_last)
    network.to(trainer.fabric.device)
    validator = SplitValidator(validation, network, config.batch_size, trainer.fabric.device, check=trainer.check_start)
    if resume:
        trainer.resume()
    else:
        trainer.history["plan"] = _planned(trainer, network, dataset, validator, config, began)
    run = _AdaptationRun(trainer, network, validator, config, on_validation)
    return run.result(run.train(dataset))


def _planned(
    trainer: Trainer,
    network: RestorationNetwork,
    dataset: Dataset[Sample],
    validator: SplitValidator,
    config: AdaptationConfig,
    began: float,
) -> list[int]:
    """Return the number of steps, and of those between validations."""
    if config.max_steps is not None:
        return [config.max_steps, config.validate_every or max(1, config.max_steps // _VALIDATIONS)]
    speed = measure_speed(
        trainer,
        network,
        dataset,
        lambda copy, batch: split_loss(copy, batch, config.stability_weight)[0],
        validator.score,
        config,
        seconds_left(config, began),
    )
    steps, every = plan_steps(config, speed, seconds_left(config, began) - _EXTRA * speed.validation)
    if trainer.n_processes > 1:
        steps, every = trainer.fabric.broadcast((steps, every))
    if trainer.is_first:
        report.info("%s", plan_in_words(steps, every, speed, config.minutes or 0.0, time.monotonic() - began))
    return [steps, every]


def plan_in_words(steps: int, every: int, speed: Speed, minutes: float, elapsed: float) -> str:
    """Return the plan of a run in one line; `elapsed` are the seconds before its first step.

    Examples
    --------
    >>> plan_in_words(121, 18, Speed(0.2, 2.0), 1.0, 10.0)
    'about 121 steps in 1 minute (0.2 s per step), and 11 comparisons on held-out frames (2 s each)'
    >>> plan_in_words(10, 10, Speed(0.2, 2.0), 0.1, 10.0)
    'about 10 steps (0.2 s per step), and 5 comparisons on held-out frames (2 s each): the least, which takes about \
0.4 minutes'
    """
    comparisons = _EXTRA + math.ceil(steps / every)
    expected = (elapsed + steps * speed.step + comparisons * speed.validation) / 60
    length = f" in {minutes:g} minute{'s' * (minutes != 1)}"
    least = ""
    if expected > _LONGER * minutes:
        length, least = "", f": the least, which takes about {expected:.1g} minutes"
    return (
        f"about {steps:,} steps{length} ({speed.step:.2g} s per step), and {comparisons} comparisons on held-out "
        f"frames ({speed.validation:.2g} s each){least}"
    )


class _AdaptationRun(AveragedRun[AdaptationScore]):
    """Training on split data; the score compares with the given model."""

    name = "adaptation"
    columns = COLUMNS

    def __init__(
        self,
        trainer: Trainer,
        network: RestorationNetwork,
        validator: SplitValidator,
        config: AdaptationConfig,
        on_validation: Any,
    ) -> None:
        self._stability_weight, self._validator = config.stability_weight, validator
        self._given = {key: value.detach().clone() for key, value in network.state_dict().items()}
        steps, every = trainer.history["plan"]
        super().__init__(trainer, network, config, (steps, every), on_validation)

    def best_weights(self) -> BestWeights:
        return BestWeights(self.average, lambda values: -float(values["change"]))

    def loss(self, batch: Sample) -> tuple[Tensor, Tensor]:
        return split_loss(self.optimized.network, batch, self._stability_weight)

    def score(self) -> AdaptationScore:
        return self._validator.score(self.network)

    def plot(self, rows: Sequence[Row], folder: Path) -> None:
        plot_adaptation(rows, folder)

    def result(self, last_step: int) -> AdaptationResult:
        """Return the interpolation between the given and the best weights with the lowest error."""
        best_step = int(self.best.score["step"])
        weights, score, share = best_interpolation(self._given, self.best.weights, self._score_of)
        return AdaptationResult(
            weights=weights if score.is_better else None,
            score=score,
            share=share,
            best_step=best_step,
            last_step=last_step,
            n_steps=self.steps,
            seconds=self.trainer.seconds,
            is_first=self.trainer.is_first,
        )

    def _score_of(self, weights: Mapping[str, Tensor]) -> AdaptationScore:
        self.network.load_state_dict(weights)
        return self.score()


def best_interpolation(
    given: Mapping[str, Tensor], adapted: Mapping[str, Tensor], score: Callable[[Mapping[str, Tensor]], AdaptationScore]
) -> tuple[dict[str, Tensor], AdaptationScore, float]:
    """Return the best interpolated weights, their score, and the share of the adapted ones.

    The mean of both often has a lower error than each (Wortsman et al. 2022, CVPR: robust fine-tuning). Of shares that
    are almost as good as the best one, the smallest is chosen, as results then flicker less. The adapted weights alone
    are excluded: they contain some of the noise of the frames that they were trained on and will restore, which
    cannot be seen on held-out frames (up to 0.2 dB and 28 % of flicker in benchmarks/training/adaptation.py).
    """
    found = []
    for share in _SHARES:
        weights = interpolate_weights(adapted, given, 1 - share)
        found.append((weights, score(weights), share))
    lowest = min(score.change for _, score, _ in found)
    enough = _ALMOST * lowest if lowest < 0 else lowest
    weights, best, share = next(each for each in reversed(found) if each[1].change <= enough)
    return {key: value.cpu() for key, value in weights.items()}, best, share
