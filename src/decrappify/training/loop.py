"""The training loop: plain, resumable to the bit, five calls of Lightning Fabric."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from decrappify.datasets import Sample
from decrappify.errors import InputError
from decrappify.losses import PixelLoss, pixel_loss, tuple_loss
from decrappify.runtime import present_runtime, take_up_runtime, threads_put_back
from decrappify.training.checkpoint import FREE_SETTINGS, load_checkpoint, save_checkpoint
from decrappify.training.config import TrainingConfig
from decrappify.training.ema import WeightAverage
from decrappify.training.record import RunRecord
from decrappify.training.running import check_device, deterministic, folder_errors, interruptible, on_any_rank
from decrappify.training.sampler import step_loader
from decrappify.training.status import StatusLog, Timer
from decrappify.training.validation import ValidationScore, Validator

log = logging.getLogger(__name__)

_VALIDATION_PATCHES = 32


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """Best averaged weights of a run, their step and score, the last step, who writes files, threads and processor."""

    weights: dict[str, Tensor]
    best_step: int
    best_psnr: float
    psnr_source: float
    noise_draw: float
    last_step: int
    seconds: float
    is_global_zero: bool
    runtime: dict[str, Any]


def generator_step(
    network: nn.Module, batch: Sample, loss: PixelLoss, stability_weight: float
) -> tuple[Tensor, Tensor]:
    """Loss of one batch and its stability part; X1 and X2 go through the network in one forward."""
    source, target = batch["source"], batch["target"]
    if "source_2" not in batch:
        return tuple_loss(network(source).float(), target, loss)
    prediction, prediction_2 = network(torch.cat([source, batch["source_2"]])).float().chunk(2)
    return tuple_loss(prediction, target, loss, prediction_2=prediction_2, stability_weight=stability_weight)


def run_training(
    network: nn.Module,
    dataset: Dataset[Sample],
    validation: Dataset[Sample],
    config: TrainingConfig,
    *,
    folder: Path | None = None,
    resume: bool = False,
    settings: dict[str, Any] | None = None,
    progress: Any = None,
    stop: threading.Event | None = None,
    on_validation: Any = None,
) -> TrainingResult:
    """Train `network` on `dataset` and return the best averaged weights.

    Parameters
    ----------
    network : nn.Module
        Trained in place.
    dataset, validation : Dataset of Sample
        The training items are taken in order, so the dataset needs ``max_steps * batch_size * n_devices`` of them.
    config : TrainingConfig
        Steps, rates, precision, seed.
    folder : Path, optional
        Run folder for checkpoint, log and pictures; nothing is written without it.
    resume : bool
        Go on from the folder's checkpoint.
    settings : dict, optional
        What a resumed run must share, beside `config`.
    progress : callable, optional
        Such as ``tqdm``; called as ``progress(total=..., desc=..., unit="step", initial=...)``.
    stop : threading.Event, optional
        Set it to save and stop after the present step; Ctrl-C does the same, once.
    on_validation : callable, optional
        Called as ``on_validation(step, ValidationScore)`` after each validation.
    """
    from lightning_fabric import Fabric

    check_device(config)
    fabric = Fabric(accelerator=config.device, devices=config.n_devices, precision=cast("Any", config.precision))
    fabric.launch()
    with threads_put_back():
        run = _Run(fabric, network, config, settings or {}, folder)
        first_step = run.resume() if resume else 0
        return _train(run, dataset, validation, first_step, progress, stop, on_validation)


def _train(
    run: _Run,
    dataset: Dataset[Sample],
    validation: Dataset[Sample],
    first_step: int,
    progress: Any,
    stop: threading.Event | None,
    on_validation: Any,
) -> TrainingResult:
    """Take the steps after `first_step`."""
    fabric, config, folder = run.fabric, run.config, run.folder
    loader = step_loader(
        dataset,
        fabric,
        batch_size=config.batch_size,
        first_step=first_step,
        last_step=config.max_steps,
        workers=config.workers,
        seed=config.seed,
    )
    validator = Validator(validation, min(_VALIDATION_PATCHES, len(validation)), config.batch_size)  # type: ignore[arg-type]
    record = RunRecord(folder, first_step) if folder is not None and fabric.is_global_zero else None
    bar = _bar(progress if fabric.is_global_zero else None, config.max_steps, first_step)
    status = StatusLog("training", config.max_steps, first_step)
    status.is_silent = not fabric.is_global_zero
    loss_function = pixel_loss(config.loss)
    last_step = first_step
    with ExitStack() as stack:
        for resource in (bar, record):
            if resource is not None:
                stack.callback(resource.close)
        stack.enter_context(deterministic(config.deterministic))
        stopping = stack.enter_context(interruptible(stop or threading.Event()))
        for step, batch in enumerate(loader, first_step + 1):
            loss, stability = generator_step(run.network, batch, loss_function, config.stability_weight)
            run.optimize(loss, step)
            run.losses.append(torch.stack([loss.detach(), stability.detach()]))
            last_step = step
            if bar is not None:
                bar.update(1)
            halted = on_any_rank(fabric, stopping.is_set())
            due = step % config.validate_every == 0 or step == config.max_steps
            if halted and not due:
                run.save(step)  # before the score of a step that an undisturbed run would not have looked at
            elif run.timer.is_due() and not due:
                run.save(step)
            if due or halted:
                mean_loss, mean_stability = cast("Tensor", fabric.all_reduce(torch.stack(run.losses).mean(0))).tolist()
                run.losses.clear()
                score = run.validate(validator, step)
                ends = halted or step == config.max_steps
                _report(record, bar, run, step, mean_loss, mean_stability, score, final=ends)
                status.validation = f"validation {score.psnr:.2f} dB"
                if on_validation is not None:
                    on_validation(step, score)
            if due:
                run.save(step)
            if halted:
                log.info("stopped after step %d of %d", step, config.max_steps)
                break
            status.at(step, partial(_value, loss))
    return run.result(last_step)


class _Run:
    """Everything of a run that a checkpoint must hold."""

    def __init__(
        self, fabric: Any, network: nn.Module, config: TrainingConfig, settings: dict[str, Any], folder: Path | None
    ) -> None:
        self.fabric, self.config, self.folder = fabric, config, folder
        self.started = time.monotonic()
        self.timer = Timer(60 * config.checkpoint_minutes)
        self.runtime = present_runtime(fabric.device)
        self.losses: list[Tensor] = []  # of the steps since the last validation
        self.settings = settings | {k: v for k, v in config.to_dict().items() if k not in FREE_SETTINGS}
        self.bare = network
        if fabric.device.type == "cpu" or fabric.device.type == "cuda":
            network.to(memory_format=torch.channels_last)
        optimizer = torch.optim.AdamW(
            network.parameters(), config.learning_rate, betas=(0.9, 0.99), weight_decay=config.weight_decay
        )
        self.network, self.optimizer = fabric.setup(network, optimizer)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, config.learning_rate, total_steps=config.max_steps + 1, pct_start=0.1
        )
        self.average = WeightAverage(self.bare, config.ema_decay)
        self.best: dict[str, Any] = {"step": 0, "psnr": float("-inf"), "psnr_source": 0.0, "noise_draw": 0.0}
        self.best_weights = {key: value.clone() for key, value in self.average.weights.items()}

    def optimize(self, loss: Tensor, step: int) -> None:
        """One step of the optimizer, the schedule and the average; a loss that is not finite stops the run."""
        if not torch.isfinite(loss):
            raise InputError(
                f"the loss of step {step} is {loss.item()}; "
                f"lower learning_rate ({self.config.learning_rate:g}) or check the data"
            )
        self.optimizer.zero_grad()
        self.fabric.backward(loss)
        self.fabric.clip_gradients(self.network, self.optimizer, max_norm=1.0)
        self.optimizer.step()
        self.schedule.step()
        self.average.update(self.bare)

    def validate(self, validator: Validator, step: int) -> ValidationScore:
        """Score the averaged weights, and keep them if they are the best so far (or simply the newest)."""
        trained = {key: value.detach().clone() for key, value in self.bare.state_dict().items()}
        self.bare.load_state_dict(self.average.weights)
        score = validator.score(self.bare, self.fabric.device)
        self.bare.load_state_dict(trained)
        if self.config.keep == "last" or score.psnr > self.best["psnr"]:
            self.best = {
                "step": step,
                "psnr": score.psnr,
                "psnr_source": score.psnr_source,
                "noise_draw": score.noise_draw,
            }
            self.best_weights = {key: value.clone() for key, value in self.average.weights.items()}
        return score

    def save(self, step: int) -> None:
        """Write the checkpoint of `step`."""
        if self.folder is None or not self.fabric.is_global_zero:
            return
        save_checkpoint(
            self.folder / "checkpoint.pt",
            {
                "settings": self.settings,
                "runtime": self.runtime,
                "step": step,
                "seconds": self.seconds,
                "losses": torch.stack(self.losses) if self.losses else torch.zeros(0, 2),
                "network": self.bare.state_dict(),
                "optimiser": self.optimizer.state_dict(),
                "schedule": self.schedule.state_dict(),
                "average": self.average.weights,
                "average_steps": self.average.steps,
                "best": self.best,
                "best_weights": self.best_weights,
                "precision": self.fabric.strategy.precision.state_dict(),
                "rng": torch.get_rng_state(),
            },
        )
        self.timer.restart()

    def resume(self) -> int:
        """Take everything from the checkpoint and return its step."""
        if self.folder is None:
            raise InputError("cannot resume without a run folder; name the output folder of the first run")
        state = load_checkpoint(self.folder / "checkpoint.pt", self.settings)
        self.runtime = take_up_runtime(state.get("runtime"), self.fabric.device)
        self.bare.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.average.weights = {key: value.to(self.fabric.device) for key, value in state["average"].items()}
        self.average.steps = state["average_steps"]
        self.best, self.best_weights = state["best"], state["best_weights"]
        self.fabric.strategy.precision.load_state_dict(state["precision"])
        torch.set_rng_state(state["rng"])
        self.started -= state["seconds"]
        self.losses = list(state["losses"].to(self.fabric.device))
        return int(state["step"])

    @property
    def seconds(self) -> float:
        """Time spent on the run, earlier parts of a resumed one included."""
        return time.monotonic() - self.started

    def result(self, last_step: int) -> TrainingResult:
        """Sum up the run."""
        return TrainingResult(
            weights={key: value.cpu() for key, value in self.best_weights.items()},
            best_step=self.best["step"],
            best_psnr=self.best["psnr"],
            psnr_source=self.best["psnr_source"],
            noise_draw=self.best["noise_draw"],
            last_step=last_step,
            seconds=self.seconds,
            is_global_zero=self.fabric.is_global_zero,
            runtime=self.runtime,
        )


def _value(loss: Tensor) -> dict[str, float]:
    return {"loss": loss.item()}


def _bar(progress: Any, total: int, initial: int) -> Any:
    return None if progress is None else progress(total=total, desc="training", unit="step", initial=initial)


def _report(
    record: RunRecord | None,
    bar: Any,
    run: _Run,
    step: int,
    loss: float,
    stability: float,
    score: ValidationScore,
    *,
    final: bool,
) -> None:
    """Show and write how the run does."""
    if bar is not None and hasattr(bar, "set_postfix_str"):
        bar.set_postfix_str(f"loss {loss:.4f}, val {score.psnr:.2f} dB")
    if record is None:
        return
    row = {
        "step": step,
        "learning_rate": run.schedule.get_last_lr()[0],
        "loss": loss,
        "stability": stability,
        "val_psnr": score.psnr,
        "val_psnr_source": score.psnr_source,
        "val_noise_draw": score.noise_draw,
        "seconds": run.seconds,
    }
    with folder_errors(record.folder):
        record.add(row)
        record.draw(final=final)
        record.preview(step, score.previews)
