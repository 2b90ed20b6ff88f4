"""Supervised training of one network: the Trainer with one phase."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from decrappify._common.argument_names import setting
from decrappify._common.progress import Progress
from decrappify.datasets import Sample
from decrappify.errors import InputError
from decrappify.losses import pixel_loss
from decrappify.networks.spec import RestorationNetwork
from decrappify.training.config.supervised import TrainingConfig
from decrappify.training.engine.generator import generator_loss
from decrappify.training.engine.optimization import OptimizedNetwork
from decrappify.training.engine.processes import folder_errors
from decrappify.training.engine.trainer import Phase, Stopped, Trainer
from decrappify.training.engine.training_log import TrainingLog
from decrappify.training.engine.validation import ValidationScore, Validator
from decrappify.training.engine.validation_patches import ValidationPatches, draw_patches
from decrappify.training.engine.weight_average import WeightAverage
from decrappify.training.supervised.outputs import COLUMNS, plot_loss, save_preview
from decrappify.training.supervised.plan import measure_speed, plan_steps, seconds_left

log = logging.getLogger(__name__)
report = logging.getLogger("decrappify.training.supervised.report")  # shown by the command line

_RISE = 0.1  # share of the steps with a rising learning rate


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """Result of a supervised run.

    Attributes
    ----------
    weights : dict
        Best averaged weights, or the last ones if the configuration keeps these, on the CPU.
    config : TrainingConfig
        Settings of the run with the planned numbers of steps.
    score : dict
        Step of these weights and its validation, see `ValidationScore`.
    curve : list of (int, float)
        Steps and validation PSNR.
    patches : ValidationPatches
        The validation patches.
    last_step : int
        Last step of the run.
    seconds : float
        Time spent, including earlier parts of a resumed run.
    is_first : bool
        Whether this process writes files.
    runtime : dict
        Number of threads and processor type.
    """

    weights: dict[str, Tensor]
    config: TrainingConfig
    score: dict[str, Any]
    curve: list[tuple[int, float]]
    patches: ValidationPatches
    last_step: int
    seconds: float
    is_first: bool
    runtime: dict[str, Any]


class BestWeights:
    """Averaged weights with the best validation, or the last ones.

    Parameters
    ----------
    average : WeightAverage
        Source of the weights.
    keep_last : bool
        Whether to keep the weights of the last validation instead of the best.
    """

    def __init__(self, average: WeightAverage, *, keep_last: bool) -> None:
        self._average, self._keep_last = average, keep_last
        self.score: dict[str, Any] = {"step": 0, "psnr": float("-inf")}
        self.weights = {key: value.clone() for key, value in average.weights.items()}

    def update(self, step: int, score: ValidationScore) -> None:
        """Store the current weights if they are better, or always with `keep_last`."""
        if not self._keep_last and score.psnr <= self.score["psnr"]:
            return
        self.score = {"step": step} | score.values()
        self.weights = {key: value.clone() for key, value in self._average.weights.items()}

    def state_dict(self) -> dict[str, Any]:
        """Return weights and score."""
        return {"weights": self.weights, "score": self.score}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore weights and score; raise InputError for those of a run with other validation patches."""
        if "psnr_gaussian" not in state["score"]:
            raise InputError(
                "the run was begun by an earlier version of decrappify, which validated on other patches; it cannot be "
                f"resumed, so start it again with {setting('overwrite', True)}"
            )
        self.weights, self.score = state["weights"], state["score"]


def run_training(
    network: RestorationNetwork,
    dataset: Dataset[Sample],
    validation: Dataset[Sample],
    config: TrainingConfig,
    *,
    folder: Path | None = None,
    resume: bool = False,
    settings: dict[str, Any] | None = None,
    progress: Progress | None = None,
    cancel: Any = None,
    on_validation: Any = None,
    began: float | None = None,
) -> TrainingResult:
    """Train `network` on `dataset` and return the best, or last, averaged weights.

    Parameters
    ----------
    network : RestorationNetwork
        Trained in place.
    dataset, validation : Dataset of Sample
        The training items are used in order, so the dataset needs ``max_steps * batch_size * n_devices`` of them.
        The validation patches are the first 32 with content of up to 256 items.
    config : TrainingConfig
        Steps, rates, precision, seed.
    folder : Path, optional
        Run folder for checkpoint, log and previews; nothing is written without it.
    resume : bool
        Whether to resume from the checkpoint in the folder.
    settings : dict, optional
        Further settings that a resumed run must share.
    progress : callable, optional
        Such as ``tqdm``; called as ``progress(total=..., desc=..., unit="step", initial=...)``.
    cancel : threading.Event, optional
        Set it to save and stop after the current step.
    on_validation : callable, optional
        Called as ``on_validation(step, ValidationScore)`` after each validation, the first at step 0.
    began : float, optional
        Start of ``config.minutes`` (`time.monotonic`); now by default.
    """
    began = time.monotonic() if began is None else began
    # A run of `minutes` has the same settings when it is resumed, but the plan of its start.
    compared = config if config.minutes is not None else config.planned()
    trainer = Trainer(
        config, {}, folder, settings=(settings or {}) | compared.to_dict(), progress=progress, cancel=cancel
    )
    if trainer.fabric.device.type in ("cpu", "cuda"):
        network.to(memory_format=torch.channels_last)
    patches = draw_patches(validation, network)
    if trainer.is_first:
        report.info("%s", patches)
    validator = Validator(patches, config.batch_size)
    if resume:
        trainer.resume()
    elif config.minutes is not None:
        _plan(trainer, network, dataset, validator, config, began)
    config = config.planned(**trainer.history.get("plan", {}))
    run = _SupervisedRun(trainer, network, validator, config, on_validation)
    return run.train(dataset, patches)


def _plan(
    trainer: Trainer,
    network: RestorationNetwork,
    dataset: Dataset[Sample],
    validator: Validator,
    config: TrainingConfig,
    began: float,
) -> None:
    """Store the numbers of steps for the training time in the history of the run."""
    network.to(trainer.fabric.device)
    speed = measure_speed(trainer, network, dataset, validator, config, seconds_left(config, began))
    steps, every = plan_steps(config, speed, seconds_left(config, began))
    if trainer.n_processes > 1:
        steps, every = trainer.fabric.broadcast((steps, every))  # the processes' clocks differ
    trainer.history["plan"] = {"max_steps": steps, "validate_every": every}
    if trainer.is_first:
        minutes = f"{config.minutes:g} minute{'s' * (config.minutes != 1)}"
        is_short = steps * speed.step > 90 * (config.minutes or 0)
        report.info(
            "about %s steps in %s (%.2g s per step%s)",
            f"{steps:,}",
            minutes,
            speed.step,
            "; this is the least, and takes longer" * is_short,
        )


class _SupervisedRun:
    """The network with its average, validation and log."""

    def __init__(
        self,
        trainer: Trainer,
        network: RestorationNetwork,
        validator: Validator,
        config: TrainingConfig,
        on_validation: Any,
    ) -> None:
        self.trainer, self.config, self._on_validation = trainer, config, on_validation
        self._network, self._validator = network, validator
        self._steps, self._every = config.max_steps or 0, config.validate_every or 1  # planned, so never None
        self.optimized = OptimizedNetwork(
            trainer.fabric,
            network,
            (config.learning_rate,),
            weight_decay=config.weight_decay,
            one_cycle=(self._steps, _RISE),
        )
        self.average = WeightAverage(network, config.ema_decay)
        self.best = BestWeights(self.average, keep_last=config.keep == "last")
        self._loss = pixel_loss(config.loss)

    def train(self, dataset: Dataset[Sample], patches: ValidationPatches) -> TrainingResult:
        """Run the remaining steps."""
        trainer, config = self.trainer, self.config
        first = trainer.position.step
        self._log = TrainingLog(
            trainer.folder,
            COLUMNS,
            plot_loss,
            keep=(lambda row: float(row["step"]) <= first) if first else None,
            events=COLUMNS[1:-1],
            writes=trainer.is_first,
        )
        phase = Phase(
            name="training",
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
                # After the checkpoint: an uninterrupted run would not have evaluated this step.
                self._evaluate(last_step, stopped.means, is_last=True)
        finally:
            self._log.close()
        return self._result(last_step, patches)

    def _step(self, batch: Sample, number: int) -> dict[str, Tensor]:
        loss, stability = generator_loss(self.optimized.network, batch, self._loss, self.config.stability_weight)
        self.optimized.step(loss, f"step {number}", max_norm=1.0)
        self.average.update(self.optimized.bare)
        return {"loss": loss, "stability": stability}

    def _evaluate(self, step: int, means: dict[str, float], *, is_last: bool = False) -> bool:
        """Validate the averaged weights, and write log, plot and preview."""
        with self.average.applied_to(self._network):
            score = self._validator.score(self._network, self.trainer.fabric.device)
        self.best.update(step, score)
        self.trainer.history.setdefault("curve", []).append([step, score.psnr])
        means |= {f"val_{name}": value for name, value in score.values().items() if math.isfinite(value)}
        row = {"step": step, "learning_rate": self.optimized.learning_rate, "seconds": self.trainer.seconds}
        is_last = is_last or step == self._steps or self.trainer.cancel.is_set()
        with folder_errors(self.trainer.folder):
            self._log.add(means | row)
            self._log.plot(final=is_last)
            if self._log.folder is not None:
                save_preview(self._log.folder / f"preview_{step:07d}.png", step, score.previews)
        if self._on_validation is not None:
            self._on_validation(step, score)
        return False

    def _result(self, last_step: int, patches: ValidationPatches) -> TrainingResult:
        trainer = self.trainer
        return TrainingResult(
            weights={key: value.cpu() for key, value in self.best.weights.items()},
            config=self.config,
            score=self.best.score,
            curve=[(step, psnr) for step, psnr in trainer.history["curve"]],
            patches=patches,
            last_step=last_step,
            seconds=trainer.seconds,
            is_first=trainer.is_first,
            runtime=trainer.runtime,
        )
