"""Training of one network in one phase, with averaged weights that are validated, logged and plotted."""

from __future__ import annotations

import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from torch import Tensor
from torch.utils.data import Dataset

from decrappify.datasets import Sample
from decrappify.networks.spec import RestorationNetwork
from decrappify.training.config.adaptation import AdaptationConfig
from decrappify.training.config.supervised import TrainingConfig
from decrappify.training.engine.optimization import OptimizedNetwork
from decrappify.training.engine.processes import folder_errors
from decrappify.training.engine.trainer import Phase, Stopped, Trainer
from decrappify.training.engine.training_log import Row, TrainingLog
from decrappify.training.engine.weight_average import WeightAverage

log = logging.getLogger(__name__)

_RISE = 0.1  # share of the steps with a rising learning rate


class Score(Protocol):
    """Result of a validation."""

    def values(self) -> dict[str, float]:
        """Return all numbers by name."""
        ...


AnyScore = TypeVar("AnyScore", bound=Score)


class BestWeights:
    """Averaged weights with the best validation, or the last ones.

    Parameters
    ----------
    average : WeightAverage
        Source of the weights.
    quality : callable
        Number, from the values of a score, that is higher for better weights.
    keep_last : bool
        Whether to keep the weights of the last validation instead of the best.

    Attributes
    ----------
    score : dict
        Step of the weights, and the values of their validation; empty before the first one.
    weights : dict of str to Tensor
        The weights.
    """

    def __init__(
        self, average: WeightAverage, quality: Callable[[Mapping[str, Any]], float], *, keep_last: bool = False
    ) -> None:
        self._average, self._quality, self._keep_last = average, quality, keep_last
        self.score: dict[str, Any] = {}
        self.weights = {key: value.clone() for key, value in average.weights.items()}

    def update(self, step: int, score: Score) -> None:
        """Store the current weights if they are better, or always with `keep_last`."""
        values = score.values()
        if self.score and not self._keep_last and self._quality(values) <= self._quality(self.score):
            return
        self.score = {"step": step} | values
        self.weights = {key: value.clone() for key, value in self._average.weights.items()}

    def state_dict(self) -> dict[str, Any]:
        """Return weights and score."""
        return {"weights": self.weights, "score": self.score}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore weights and score."""
        self.weights, self.score = state["weights"], state["score"]


class AveragedRun(ABC, Generic[AnyScore]):
    """The network with its optimizer, average, validations and log; subclasses define loss, score and plot.

    Parameters
    ----------
    trainer : Trainer
        New, or resumed.
    network : RestorationNetwork
        Trained in place.
    config : TrainingConfig or AdaptationConfig
        Batch size, rates and weights of the losses.
    plan : (int, int)
        Steps, and steps between validations.
    on_validation : callable, optional
        Called as ``on_validation(step, score)`` after each validation, the first at step 0.
    """

    name: ClassVar[str]
    columns: ClassVar[tuple[str, ...]]

    def __init__(
        self,
        trainer: Trainer,
        network: RestorationNetwork,
        config: TrainingConfig | AdaptationConfig,
        plan: tuple[int, int],
        on_validation: Callable[[int, AnyScore], Any] | None,
    ) -> None:
        self.trainer, self.network, self._on_validation = trainer, network, on_validation
        self.steps, self._every = plan
        self._batch_size = config.batch_size
        self.optimized = OptimizedNetwork(
            trainer.fabric,
            network,
            (config.learning_rate,),
            weight_decay=config.weight_decay,
            one_cycle=(self.steps, _RISE),
        )
        self.average = WeightAverage(network, config.ema_decay)
        self.best = self.best_weights()

    @abstractmethod
    def best_weights(self) -> BestWeights:
        """Return the store of the best weights of `average`."""

    @abstractmethod
    def loss(self, batch: Sample) -> tuple[Tensor, Tensor]:
        """Return the loss to minimize and its stability term."""

    @abstractmethod
    def score(self) -> AnyScore:
        """Validate `network`, which has the averaged weights."""

    @abstractmethod
    def plot(self, rows: Sequence[Row], folder: Path) -> None:
        """Plot the log."""

    def after_validation(self, step: int, score: AnyScore, folder: Path | None) -> None:
        """Store more of a validation; `folder` is that of the log, None if nothing is written."""

    def train(self, dataset: Dataset[Sample]) -> int:
        """Run the remaining steps and return the number of the last one."""
        trainer = self.trainer
        first = trainer.position.step
        # Before there are any files: a run that is stopped meanwhile leaves none.
        initial = self._averaged_score() if first == 0 else None
        self._log = TrainingLog(
            trainer.folder,
            self.columns,
            self.plot,
            keep=(lambda row: float(row["step"]) <= first) if first else None,
            events=self.columns[1:-1],
            writes=trainer.is_first,
        )
        phase = Phase(
            name=self.name,
            dataset=dataset,
            batch_size=self._batch_size,
            total=self.steps,
            stateful={"network": self.optimized, "average": self.average, "best": self.best},
            step=self._step,
            every=self._every,
            evaluate=self._evaluate,
        )
        try:
            if initial is not None:
                self._record(0, initial, {})
            return trainer.run(phase)
        except Stopped as stopped:
            log.info("stopped after step %d of %d", stopped.step, self.steps)
            if stopped.step % self._every and stopped.step != self.steps:
                # After the checkpoint: an uninterrupted run would not have evaluated this step.
                self._evaluate(stopped.step, stopped.means, is_last=True)
            return stopped.step
        finally:
            self._log.close()

    def _step(self, batch: Sample, number: int) -> dict[str, Tensor]:
        loss, stability = self.loss(batch)
        self.optimized.step(loss, f"step {number}", max_norm=1.0)
        self.average.update(self.optimized.bare)
        return {"loss": loss, "stability": stability}

    def _evaluate(self, step: int, means: dict[str, float], *, is_last: bool = False) -> bool:
        """Validate the averaged weights, and write log, plot and further outputs."""
        self._record(step, self._averaged_score(), means, is_last=is_last)
        return False

    def _averaged_score(self) -> AnyScore:
        with self.average.applied_to(self.network):
            return self.score()

    def _record(self, step: int, score: AnyScore, means: dict[str, float], *, is_last: bool = False) -> None:
        """Write the validation of a step to log, plot and further outputs."""
        self.best.update(step, score)
        means |= {f"val_{name}": value for name, value in score.values().items() if math.isfinite(value)}
        row = {"step": step, "learning_rate": self.optimized.learning_rate, "seconds": self.trainer.seconds}
        is_last = is_last or step == self.steps or self.trainer.cancel.is_set()
        with folder_errors(self.trainer.folder):
            self._log.add(means | row)
            self._log.plot(final=is_last)
            self.after_validation(step, score, self._log.folder)
        if self._on_validation is not None:
            self._on_validation(step, score)
