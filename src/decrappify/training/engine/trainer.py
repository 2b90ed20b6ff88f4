"""What the phases of a NoGAN run share: networks, devices, data, the one loop over batches, and its checkpoints."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from decrappify.losses import content_loss
from decrappify.runtime import present_runtime, take_up_runtime
from decrappify.training.engine.checkpoint import FREE_SETTINGS, load_checkpoint, save_checkpoint
from decrappify.training.engine.optimization import Learner
from decrappify.training.data.training_data import Material
from decrappify.training.config.nogan import NoganConfig
from decrappify.training.nogan.log import NoganRecord
from decrappify.training.engine.processes import check_device, folder_errors, on_any_rank
from decrappify.training.engine.sampler import step_loader
from decrappify.training.engine.status import StatusLog, Timer

log = logging.getLogger(__name__)

# One batch, and the number of its step from 1, to numbers for the log.
Step = Callable[[Any, int], dict[str, Tensor]]
# The step's number and the mean of the numbers since the last call; True ends the phase early.
AtCheckpoint = Callable[[int, dict[str, float]], bool]


class Remembers(Protocol):
    """Something that a checkpoint must hold while a phase runs."""

    def state(self) -> dict[str, Any]:
        """Everything to go on from, as tensors and plain values."""
        ...

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        ...


class Halted(Exception):
    """The run was asked to stop; its checkpoint is written. The argument states where, such as ``step 3 of 60``."""


@dataclass
class Position:
    """Where a run stands: phase, step within it, and what the phase itself must remember."""

    phase: int = 0
    step: int = 0
    notes: dict[str, Any] = field(default_factory=dict)


class NoganRun:
    """One run and its folder.

    Parameters
    ----------
    config : NoganConfig
        The schedule.
    material : Material
        The data.
    generator, critic : nn.Module
        Trained in place.
    folder : Path
        Run folder.
    settings : mapping
        What a resumed run must share, beside the schedule.
    progress : callable, optional
        Such as ``tqdm``.
    stop : threading.Event, optional
        Set it to save and stop after the present step.
    """

    def __init__(
        self,
        config: NoganConfig,
        material: Material,
        generator: nn.Module,
        critic: nn.Module,
        folder: Path,
        *,
        items: int,
        settings: Mapping[str, Any] | None = None,
        progress: Any = None,
        stop: threading.Event | None = None,
    ) -> None:
        from lightning_fabric import Fabric

        check_device(config)
        self.fabric: Any = Fabric(
            accelerator=config.device, devices=config.n_devices, precision=cast("Any", config.precision)
        )
        self.fabric.launch()
        self.config, self.material, self.folder, self.items = config, material, folder, items
        self.generator = generator.to(self.fabric.device)
        self.critic = critic.to(self.fabric.device)
        data = "normalized" if config.task == "colorization" else "unit"
        self.content = content_loss(config.content_loss, vgg_weights=config.vgg_weights, data=data)
        self._plain = {key: value for key, value in config.to_dict().items() if key not in FREE_SETTINGS}
        self._plain |= dict(settings or {})
        self._progress = progress if self.fabric.is_global_zero else None
        self.stop = stop or threading.Event()
        self.unfinished = ""  # where the run was asked to stop
        self.position = Position()
        self.history: dict[str, Any] = {}  # what later phases and the model card need: monitor rows, verdicts, scores
        self._waiting: dict[str, Any] | None = None  # the checkpoint of a resumed run, until its phase takes it up
        self._started = time.monotonic()
        self._timer = Timer(60 * config.checkpoint_minutes)
        self.runtime = present_runtime(self.fabric.device)
        self.record = NoganRecord(folder, writes=self.fabric.is_global_zero)

    def steps(self, share: float, batch_size: int) -> int:
        """Count the steps in which `share` of the data is seen."""
        return max(1, round(self.items * share / (batch_size * int(self.fabric.world_size))))

    def seed(self) -> int:
        """Give the seed of the present phase's data: phases see different patches and noise."""
        return self.config.seed * 1000 + self.position.phase

    @property
    def seconds(self) -> float:
        """Time spent, earlier parts of a resumed run included."""
        return time.monotonic() - self._started

    def loop(
        self,
        what: str,
        dataset: Dataset[Any],
        batch_size: int,
        total: int,
        learners: Mapping[str, Remembers],
        step: Step,
        *,
        every: int,
        at_checkpoint: AtCheckpoint,
    ) -> None:
        """Take `total` steps, with a checkpoint each `every` steps and after the last.

        Raises
        ------
        Halted
            After the step in which `stop` was set.
        """
        numbers: list[dict[str, Tensor]] = []
        if self._waiting is not None:
            for name, learner in learners.items():
                learner.load_state(self._waiting["learners"][name])
            numbers = [
                {key: value.to(self.fabric.device) for key, value in entry.items()}
                for entry in self._waiting["numbers"]
            ]
            # Only now: what is built before a phase's steps may draw from the generator too.
            self._set_rng_state(self._waiting)
            self._waiting = None
        if self.position.notes.get("ended"):  # early, in the run that is resumed
            return
        first = self.position.step
        loader = step_loader(
            dataset,
            self.fabric,
            batch_size=batch_size,
            first_step=first,
            last_step=total,
            workers=self.config.workers,
            seed=self.config.seed,
        )
        bar, status = self.bar(total, what, "step", first), self.status(total, what, "step", first)
        try:
            for number, batch in enumerate(loader, first + 1):
                numbers.append({key: value.detach() for key, value in step(batch, number).items()})
                self.position.step = number
                if bar is not None:
                    bar.update(1)
                ended = False
                if number % every == 0 or number == total:
                    means = self._means(numbers)
                    numbers.clear()
                    rates = {f"{name}_rate": item.rate for name, item in learners.items() if isinstance(item, Learner)}
                    with folder_errors(self.folder):
                        ended = at_checkpoint(number, means)
                        self.record.add(what, number, self.seconds, means | rates)
                    if "val_psnr" in means:
                        status.validation = f"validation {means['val_psnr']:.2f} dB"
                    if ended:
                        self.position.notes["ended"] = True
                    self._save(learners, numbers)
                if ended:
                    break
                halted = on_any_rank(self.fabric, self.stop.is_set())
                if halted or self.is_save_due():
                    self._save(learners, numbers)
                if halted:
                    raise Halted(f"step {number} of {total}")
                status.at(number, partial(_values, numbers))
        finally:
            if bar is not None:
                bar.close()

    def bar(self, total: int, what: str, unit: str, initial: int = 0) -> Any:
        """Give a progress bar, or None where nobody looks."""
        if self._progress is None:
            return None
        return self._progress(total=total, desc=what, unit=unit, initial=initial)

    def status(self, total: int, what: str, unit: str, initial: int = 0) -> StatusLog:
        """Return what logs a line a minute; on the first process only, it writes one."""
        status = StatusLog(what, total, initial, unit)
        status.is_silent = not self.fabric.is_global_zero
        return status

    def is_save_due(self) -> bool:
        """Whether the last checkpoint is older than the settings ask for."""
        return self._timer.is_due()

    def save_place(self, step: int) -> None:
        """Write a checkpoint within a phase that trains nothing, after item `step`."""
        self.position.step = step
        self._save({}, [])

    def end_phase(self) -> None:
        """Go on to the next phase."""
        self.position = Position(self.position.phase + 1)
        self._save({}, [])

    def _save(self, learners: Mapping[str, Remembers], numbers: list[dict[str, Tensor]]) -> None:
        """Write the checkpoint, from which the run goes on bit for bit."""
        if not self.fabric.is_global_zero:
            return
        state = {
            "settings": self._plain,
            "runtime": self.runtime,
            "phase": self.position.phase,
            "step": self.position.step,
            "notes": self.position.notes,
            "history": self.history,
            "seconds": self.seconds,
            "generator": self.generator.state_dict(),
            "critic": self.critic.state_dict(),
            "learners": {name: learner.state() for name, learner in learners.items()},
            "numbers": numbers,
            "precision": self.fabric.strategy.precision.state_dict(),
            "rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state(self.fabric.device) if self.fabric.device.type == "cuda" else None,
        }
        save_checkpoint(self.folder / "checkpoint.pt", state)
        self._timer.restart()

    def resume(self) -> None:
        """Take everything from the folder's checkpoint; call it inside `threads_put_back`."""
        state = load_checkpoint(self.folder / "checkpoint.pt", self._plain)
        self.runtime = take_up_runtime(state.get("runtime"), self.fabric.device)
        self.generator.load_state_dict(state["generator"])
        self.critic.load_state_dict(state["critic"])
        self.position = Position(state["phase"], state["step"], dict(state["notes"]))
        self.history = state["history"]
        self._waiting = state if state["learners"] else None
        self.fabric.strategy.precision.load_state_dict(state["precision"])
        self._set_rng_state(state)
        self._started -= state["seconds"]
        self.record.forget_after(self.seconds)

    def _set_rng_state(self, state: Mapping[str, Any]) -> None:
        torch.set_rng_state(state["rng"])
        if state["cuda_rng"] is not None and self.fabric.device.type == "cuda":
            torch.cuda.set_rng_state(state["cuda_rng"], self.fabric.device)

    def mean(self, value: Tensor) -> float:
        """Average over the processes, so that all of them decide alike."""
        return float(self.fabric.all_reduce(value.detach(), reduce_op="mean"))

    def _means(self, numbers: list[dict[str, Tensor]]) -> dict[str, float]:
        keys = sorted({key for entry in numbers for key in entry})
        return {key: self.mean(torch.stack([entry[key] for entry in numbers if key in entry]).mean()) for key in keys}


def _values(numbers: Sequence[Mapping[str, Tensor]]) -> dict[str, float]:
    """Return the last value of each number since the last checkpoint."""
    return {key: float(value) for entry in numbers for key, value in entry.items()}
