"""Supervised training of one network: the Trainer with one phase."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
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
from decrappify.training.engine.averaged_run import AveragedRun, BestWeights
from decrappify.training.engine.generator import generator_loss
from decrappify.training.engine.processes import used_precision
from decrappify.training.engine.trainer import Trainer
from decrappify.training.engine.training_log import Row
from decrappify.training.engine.validation import ValidationScore, Validator
from decrappify.training.engine.validation_patches import ValidationPatches, draw_patches
from decrappify.training.engine.weight_average import WeightAverage
from decrappify.training.supervised.outputs import COLUMNS, plot_loss, save_preview
from decrappify.training.supervised.plan import measure_speed, plan_steps, seconds_left

report = logging.getLogger("decrappify.training.supervised.report")  # shown by the command line


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
        Number of threads, processor type and precision.
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


class _BestPsnr(BestWeights):
    """The weights with the highest PSNR."""

    def __init__(self, average: WeightAverage, *, keep_last: bool) -> None:
        super().__init__(average, lambda values: float(values["psnr"]), keep_last=keep_last)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore weights and score; raise InputError for those of a run with other validation patches."""
        if "psnr_gaussian" not in state["score"]:
            raise InputError(
                "the run was begun by an earlier version of decrappify, which validated on other patches; it cannot be "
                f"resumed, so start it again with {setting('overwrite', True)}"
            )
        super().load_state_dict(state)


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
        Set it to save and stop after the current step; before the first one, Cancelled is raised.
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
    patches = draw_patches(validation, network, check=trainer.check_start)
    if trainer.is_first:
        report.info("%s", patches)
    validator = Validator(patches, config.batch_size, check=trainer.check_start)
    if resume:
        trainer.resume()
    elif config.minutes is not None:
        _plan(trainer, network, dataset, validator, config, began)
    config = config.planned(**trainer.history.get("plan", {}))
    run = _SupervisedRun(trainer, network, validator, config, on_validation)
    return run.result(run.train(dataset), patches)


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
    loss = pixel_loss(config.loss)
    speed = measure_speed(
        trainer,
        network,
        dataset,
        lambda copy, batch: generator_loss(copy, batch, loss, config.stability_weight)[0],
        lambda copy: validator.score(copy, trainer.fabric.device),
        config,
        seconds_left(config, began),
    )
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


class _SupervisedRun(AveragedRun[ValidationScore]):
    """Training with a target; the validations also write previews."""

    name = "training"
    columns = COLUMNS

    def __init__(
        self,
        trainer: Trainer,
        network: RestorationNetwork,
        validator: Validator,
        config: TrainingConfig,
        on_validation: Any,
    ) -> None:
        self._config, self._validator, self._loss = config, validator, pixel_loss(config.loss)
        plan = (config.max_steps or 0, config.validate_every or 1)  # planned, so never None
        super().__init__(trainer, network, config, plan, on_validation)

    def best_weights(self) -> BestWeights:
        return _BestPsnr(self.average, keep_last=self._config.keep == "last")

    def loss(self, batch: Sample) -> tuple[Tensor, Tensor]:
        return generator_loss(self.optimized.network, batch, self._loss, self._config.stability_weight)

    def score(self) -> ValidationScore:
        return self._validator.score(self.network, self.trainer.fabric.device)

    def plot(self, rows: Sequence[Row], folder: Path) -> None:
        plot_loss(rows, folder)

    def after_validation(self, step: int, score: ValidationScore, folder: Path | None) -> None:
        self.trainer.history.setdefault("curve", []).append([step, score.psnr])
        if folder is not None:
            save_preview(folder / f"preview_{step:07d}.png", step, score.previews)

    def result(self, last_step: int, patches: ValidationPatches) -> TrainingResult:
        """Return the best weights with their validation."""
        trainer = self.trainer
        return TrainingResult(
            weights={key: value.cpu() for key, value in self.best.weights.items()},
            config=self._config,
            score=self.best.score,
            curve=[(step, psnr) for step, psnr in trainer.history["curve"]],
            patches=patches,
            last_step=last_step,
            seconds=trainer.seconds,
            is_first=trainer.is_first,
            runtime=trainer.runtime | {"precision": used_precision(trainer.config)},
        )
