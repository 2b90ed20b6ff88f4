"""Adaptation of one network: the Trainer with one phase, and the weights with the best validation."""

from __future__ import annotations

import logging
import math
import time
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from decrappify._common.progress import Progress
from decrappify.datasets.sample import Sample
from decrappify.networks.spec import RestorationNetwork
from decrappify.training.adaptation.config import AdaptationConfig
from decrappify.training.adaptation.dataset import SplitDataset
from decrappify.training.adaptation.loss import split_loss
from decrappify.training.adaptation.outputs import COLUMNS, plot_adaptation
from decrappify.training.adaptation.validation import AdaptationScore, SplitValidator
from decrappify.training.engine.optimization import OptimizedNetwork
from decrappify.training.engine.processes import folder_errors
from decrappify.training.engine.trainer import Phase, Stopped, Trainer
from decrappify.training.engine.training_log import TrainingLog
from decrappify.training.engine.weight_average import WeightAverage

log = logging.getLogger(__name__)
report = logging.getLogger("decrappify.training.supervised.report")  # shown by the command line

_RISE = 0.1  # share of the steps with a rising learning rate
_VALIDATIONS = 10
_WARM_UP, _TIMED = 2, 8  # steps to measure the speed
_FEWEST_STEPS = 20


@dataclass(frozen=True, slots=True)
class AdaptationResult:
    """Result of an adaptation.

    Attributes
    ----------
    weights : dict or None
        Best averaged weights; None if the given model is better.
    score : AdaptationScore
        Their validation.
    best_step, last_step, n_steps : int
        Step of these weights, last step of the run, and planned number of steps.
    curve : list of dict
        The validations, with their steps.
    seconds : float
        Time spent, including earlier parts of a resumed run.
    is_first : bool
        Whether this process writes files.
    """

    weights: dict[str, Tensor] | None
    score: AdaptationScore
    best_step: int
    last_step: int
    n_steps: int
    curve: list[dict[str, float]]
    seconds: float
    is_first: bool


class _Best:
    """Averaged weights with the lowest error on the validation patches; first those of the given model."""

    def __init__(self, average: WeightAverage) -> None:
        self._average = average
        self.step, self.values = 0, {"change": 0.0}
        self.weights = {key: value.clone() for key, value in average.weights.items()}

    def update(self, step: int, score: AdaptationScore) -> None:
        if step and score.change >= self.values["change"]:
            return
        self.step, self.values = step, score.values()
        self.weights = {key: value.clone() for key, value in self._average.weights.items()}

    def state_dict(self) -> dict[str, Any]:
        return {"weights": self.weights, "step": self.step, "values": self.values}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.weights, self.step, self.values = state["weights"], state["step"], state["values"]


def run_adaptation(
    network: RestorationNetwork,
    dataset: SplitDataset,
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
    validator = SplitValidator(validation, network, config.batch_size, trainer.fabric.device)
    if resume:
        trainer.resume()
    else:
        steps, validations = config.max_steps, _VALIDATIONS
        if steps is None:
            steps, validations = _planned(trainer, network, dataset, validator, config, began)
        trainer.history["plan"] = [steps, config.validate_every or max(1, math.ceil(steps / validations))]
    return _AdaptationRun(trainer, network, validator, config, on_validation).train(dataset)


def _planned(
    trainer: Trainer,
    network: RestorationNetwork,
    dataset: SplitDataset,
    validator: SplitValidator,
    config: AdaptationConfig,
    began: float,
) -> tuple[int, int]:
    """Return numbers of steps and validations for the time, from the speed of a few steps of a copy and one validation.

    Validations take a quarter of the time at most, unless there are only two.
    """
    fabric = trainer.fabric
    with torch.random.fork_rng(devices=[fabric.device] if fabric.device.type == "cuda" else []):
        copy, precision = deepcopy(network), deepcopy(fabric.strategy.precision.state_dict())
        optimized = OptimizedNetwork(fabric, copy, (config.learning_rate,), weight_decay=config.weight_decay)
        ticks = []
        size = config.batch_size
        for number in range(_WARM_UP + _TIMED):
            ticks.append(time.monotonic())
            samples = [dataset[number * size + k] for k in range(size)]
            batch = fabric.to_device(torch.utils.data.default_collate(samples))
            value, _ = split_loss(optimized.network, batch, config.stability_weight)
            optimized.step(value, "the measurement of the speed", max_norm=1.0)
        ticks.append(time.monotonic())
        fabric.strategy.precision.load_state_dict(precision)
        validator.score(copy)
        validation = time.monotonic() - ticks[-1]
    step = (ticks[-1] - ticks[_WARM_UP]) / _TIMED
    left = 60 * config.minutes - (time.monotonic() - began)
    validations = min(_VALIDATIONS, max(2, int(0.25 * left / max(validation, 1e-6))))
    in_time = int((left - (validations + 1) * validation) / step)
    passes = int(config.most_passes * dataset.n_pixels / (config.batch_size * config.patch_size**2))
    steps = max(_FEWEST_STEPS, min(in_time, passes))
    if trainer.n_processes > 1:
        steps, validations = trainer.fabric.broadcast((steps, validations))
    if trainer.is_first:
        minutes = f"{config.minutes:g} minute{'s' * (config.minutes != 1)}"
        if passes < in_time:
            report.info("%s steps, %g passes over the movie (%.2g s per step)", f"{steps:,}", config.most_passes, step)
        else:
            report.info("about %s steps in %s (%.2g s per step)", f"{steps:,}", minutes, step)
    return steps, validations


class _AdaptationRun:
    """The network with its average, validation and log."""

    def __init__(
        self,
        trainer: Trainer,
        network: RestorationNetwork,
        validator: SplitValidator,
        config: AdaptationConfig,
        on_validation: Any,
    ) -> None:
        self.trainer, self.config, self._on_validation = trainer, config, on_validation
        self._network, self._validator = network, validator
        self._steps, self._every = trainer.history["plan"]
        self.optimized = OptimizedNetwork(
            trainer.fabric,
            network,
            (config.learning_rate,),
            weight_decay=config.weight_decay,
            one_cycle=(self._steps, _RISE),
        )
        self.average = WeightAverage(network, config.ema_decay)
        self.best = _Best(self.average)

    def train(self, dataset: Dataset[Sample]) -> AdaptationResult:
        """Run the remaining steps."""
        trainer, config = self.trainer, self.config
        first = trainer.position.step
        self._log = TrainingLog(
            trainer.folder,
            COLUMNS,
            plot_adaptation,
            keep=(lambda row: float(row["step"]) <= first) if first else None,
            events=COLUMNS[1:-1],
            writes=trainer.is_first,
        )
        phase = Phase(
            name="adaptation",
            dataset=dataset,
            batch_size=config.batch_size,
            total=self._steps,
            stateful={"network": self.optimized, "average": self.average, "best": self.best},
            step=self._step,
            every=self._every,
            evaluate=self._evaluate,
        )
        try:
            if first == 0:
                self._evaluate(0, {})
            last_step = trainer.run(phase)
        except Stopped as stopped:
            last_step = stopped.step
            log.info("stopped after step %d of %d", last_step, self._steps)
            if last_step % self._every and last_step != self._steps:
                self._evaluate(last_step, stopped.means, is_last=True)
        finally:
            self._log.close()
        score = AdaptationScore(**self.best.values)
        return AdaptationResult(
            weights={key: value.cpu() for key, value in self.best.weights.items()} if score.is_better else None,
            score=score,
            best_step=self.best.step,
            last_step=last_step,
            n_steps=self._steps,
            curve=trainer.history["curve"],
            seconds=trainer.seconds,
            is_first=trainer.is_first,
        )

    def _step(self, batch: Sample, number: int) -> dict[str, Tensor]:
        loss, stability = split_loss(self.optimized.network, batch, self.config.stability_weight)
        self.optimized.step(loss, f"step {number}", max_norm=1.0)
        self.average.update(self.optimized.bare)
        return {"loss": loss, "stability": stability}

    def _evaluate(self, step: int, means: dict[str, float], *, is_last: bool = False) -> bool:
        """Validate the averaged weights, and write the log and the plot."""
        with self.average.applied_to(self._network):
            score = self._validator.score(self._network)
        self.best.update(step, score)
        self.trainer.history.setdefault("curve", []).append({"step": float(step)} | score.values())
        means |= {f"val_{name}": value for name, value in score.values().items() if math.isfinite(value)}
        row = {"step": step, "learning_rate": self.optimized.learning_rate, "seconds": self.trainer.seconds}
        is_last = is_last or step == self._steps or self.trainer.cancel.is_set()
        with folder_errors(self.trainer.folder):
            self._log.add(means | row)
            self._log.plot(final=is_last)
        if self._on_validation is not None:
            self._on_validation(step, score)
        return False
