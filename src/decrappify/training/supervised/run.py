"""Supervised training of one network: the Trainer with one phase."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from decrappify._common.progress import Progress
from decrappify.datasets import Sample
from decrappify.losses import pixel_loss
from decrappify.networks.spec import RestorationNetwork
from decrappify.training.config.supervised import TrainingConfig
from decrappify.training.engine.generator import generator_loss
from decrappify.training.engine.optimization import OptimizedNetwork
from decrappify.training.engine.processes import folder_errors
from decrappify.training.engine.trainer import Phase, Stopped, Trainer
from decrappify.training.engine.training_log import TrainingLog
from decrappify.training.engine.validation import ValidationScore, Validator
from decrappify.training.engine.weight_average import WeightAverage
from decrappify.training.supervised.outputs import COLUMNS, plot_loss, save_preview

log = logging.getLogger(__name__)

_VALIDATION_PATCHES = 32
_RISE = 0.1  # share of the steps with a rising learning rate


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """Result of a supervised run.

    Attributes
    ----------
    weights : dict
        Best averaged weights, or the last ones if the configuration keeps these, on the CPU.
    best_step, last_step : int
        Step of these weights, and the last step of the run.
    best_psnr, psnr_source, noise_draw : float
        Validation of `best_step`, see `ValidationScore`.
    seconds : float
        Time spent, including earlier parts of a resumed run.
    is_first : bool
        Whether this process writes files.
    runtime : dict
        Number of threads and processor type.
    """

    weights: dict[str, Tensor]
    best_step: int
    best_psnr: float
    psnr_source: float
    noise_draw: float
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
        self.score: dict[str, Any] = {"step": 0, "psnr": float("-inf"), "psnr_source": 0.0, "noise_draw": 0.0}
        self.weights = {key: value.clone() for key, value in average.weights.items()}

    def update(self, step: int, score: ValidationScore) -> None:
        """Store the current weights if they are better, or always with `keep_last`."""
        if not self._keep_last and score.psnr <= self.score["psnr"]:
            return
        means = {"psnr": score.psnr, "psnr_source": score.psnr_source, "noise_draw": score.noise_draw}
        self.score = {"step": step} | means
        self.weights = {key: value.clone() for key, value in self._average.weights.items()}

    def state_dict(self) -> dict[str, Any]:
        """Return weights and score."""
        return {"weights": self.weights, "score": self.score}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore weights and score."""
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
) -> TrainingResult:
    """Train `network` on `dataset` and return the best, or last, averaged weights.

    Parameters
    ----------
    network : RestorationNetwork
        Trained in place.
    dataset, validation : Dataset of Sample
        The training items are used in order, so the dataset needs ``max_steps * batch_size * n_devices`` of them.
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
        Called as ``on_validation(step, ValidationScore)`` after each validation.
    """
    trainer = Trainer(
        config, {}, folder, settings=(settings or {}) | config.to_dict(), progress=progress, cancel=cancel
    )
    run = _SupervisedRun(trainer, network, validation, config, on_validation)
    if resume:
        trainer.resume()
    return run.train(dataset)


class _SupervisedRun:
    """The network with its average, validation and log."""

    def __init__(
        self,
        trainer: Trainer,
        network: RestorationNetwork,
        validation: Dataset[Sample],
        config: TrainingConfig,
        on_validation: Any,
    ) -> None:
        self.trainer, self.config, self._on_validation = trainer, config, on_validation
        self._network = network
        if trainer.fabric.device.type in ("cpu", "cuda"):
            network.to(memory_format=torch.channels_last)
        self.optimized = OptimizedNetwork(
            trainer.fabric,
            network,
            (config.learning_rate,),
            weight_decay=config.weight_decay,
            one_cycle=(config.max_steps, _RISE),
        )
        self.average = WeightAverage(network, config.ema_decay)
        self.best = BestWeights(self.average, keep_last=config.keep == "last")
        self._loss = pixel_loss(config.loss)
        n_patches = min(_VALIDATION_PATCHES, len(validation))  # type: ignore[arg-type]
        self._validator = Validator(validation, n_patches, config.batch_size)

    def train(self, dataset: Dataset[Sample]) -> TrainingResult:
        """Run the remaining steps."""
        trainer, config = self.trainer, self.config
        first = trainer.position.step
        self._log = TrainingLog(
            trainer.folder,
            COLUMNS,
            plot_loss,
            keep=lambda row: float(row["step"]) <= first,
            events=COLUMNS[1:-1],
            writes=trainer.is_first,
        )
        phase = Phase(
            name="training",
            dataset=dataset,
            batch_size=config.batch_size,
            total=config.max_steps,
            stateful={"network": self.optimized, "average": self.average, "best": self.best},
            step=self._step,
            every=config.validate_every,
            evaluate=self._evaluate,
        )
        try:
            last_step = trainer.run(phase)
        except Stopped as stopped:
            last_step = stopped.step
            log.info("stopped after step %d of %d", last_step, config.max_steps)
            if last_step % config.validate_every and last_step != config.max_steps:
                # After the checkpoint: an uninterrupted run would not have evaluated this step.
                self._evaluate(last_step, stopped.means, is_last=True)
        finally:
            self._log.close()
        return self._result(last_step)

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
        means |= {"val_psnr": score.psnr, "val_psnr_source": score.psnr_source, "val_noise_draw": score.noise_draw}
        row = {"step": step, "learning_rate": self.optimized.learning_rate, "seconds": self.trainer.seconds}
        is_last = is_last or step == self.config.max_steps or self.trainer.cancel.is_set()
        with folder_errors(self.trainer.folder):
            self._log.add(means | row)
            self._log.plot(final=is_last)
            if self._log.folder is not None:
                save_preview(self._log.folder / f"preview_{step:07d}.png", score.previews)
        if self._on_validation is not None:
            self._on_validation(step, score)
        return False

    def _result(self, last_step: int) -> TrainingResult:
        score, trainer = self.best.score, self.trainer
        return TrainingResult(
            weights={key: value.cpu() for key, value in self.best.weights.items()},
            best_step=score["step"],
            best_psnr=score["psnr"],
            psnr_source=score["psnr_source"],
            noise_draw=score["noise_draw"],
            last_step=last_step,
            seconds=trainer.seconds,
            is_first=trainer.is_first,
            runtime=trainer.runtime,
        )
