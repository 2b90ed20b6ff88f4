"""Trainer of all phases of a run on Lightning Fabric, with checkpoints that resume bit for bit."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from decrappify._common.argument_names import setting
from decrappify._common.processes.processor import present_runtime, take_up_runtime
from decrappify._common.progress import Bar, Progress, progress_bar
from decrappify.errors import Cancelled, InputError
from decrappify.training.config.options import RunSettings
from decrappify.training.engine.checkpoint import FREE_SETTINGS, load_checkpoint, save_checkpoint
from decrappify.training.engine.launched import process_errors, process_settings, rejoin
from decrappify.training.engine.optimization import OptimizedNetwork
from decrappify.training.engine.processes import check_device, fabric_precision, on_any_rank, quiet_fabric
from decrappify.training.engine.run_folder import STOPPED_EARLY
from decrappify.training.engine.sampler import prefetched, step_loader
from decrappify.training.engine.status import StatusLog, Timer

log = logging.getLogger(__name__)

# Function of a batch and its number (from 1) that makes one optimizer step and returns named scalars.
Step = Callable[[Any, int], dict[str, Tensor]]


class Stateful(Protocol):
    """An object with a state that is part of a checkpoint; the protocol of torch."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state as tensors and plain values."""
        ...

    def load_state_dict(self, state: dict[str, Any], /) -> Any:
        """Restore the state."""
        ...


class Stopped(Exception):
    """The run was cancelled, and its checkpoint is written.

    Attributes
    ----------
    step : int
        Steps of the phase that are done.
    means : mapping
        Means of the named scalars since the last evaluation.
    """

    def __init__(self, where: str, step: int = 0, means: Mapping[str, float] | None = None) -> None:
        super().__init__(where)
        self.step, self.means = step, dict(means or {})


@dataclass
class Position:
    """Phase of a run, steps done within it, and the phase's own state."""

    phase: int = 0
    step: int = 0
    notes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One loop over batches.

    Attributes
    ----------
    name : str
        Name in logs and on the progress bar.
    dataset : Dataset
        Read in order, ``total * batch_size`` items per process.
    batch_size, total : int
        Items per step and process; number of steps.
    stateful : mapping
        Objects that the steps change, by name; saved and restored with each checkpoint.
    step : callable
        One optimizer step.
    every : int
        Steps between evaluations, each followed by a checkpoint; the last step is also evaluated.
    evaluate : callable
        Called with the number of the step and the means of the scalars since the last evaluation, to which it may add
        values; returning True ends the phase early.
    """

    name: str
    dataset: Dataset[Any]
    batch_size: int
    total: int
    stateful: Mapping[str, Stateful]
    step: Step
    every: int
    evaluate: Callable[[int, dict[str, float]], bool]


class Trainer:
    """Runner of the phases of one training run.

    Parameters
    ----------
    config : RunSettings
        Device, precision, seed and other settings.
    networks : mapping
        Networks that all phases share, by name; moved to the device and part of every checkpoint.
    folder : Path, optional
        Run folder; without it nothing is saved.
    settings : mapping
        Settings that a resumed run must share.
    progress : callable, optional
        Such as ``tqdm``.
    cancel : threading.Event, optional
        Set it to save and stop after the current step; before the first step, see `check_start`.

    Attributes
    ----------
    fabric : lightning_fabric.Fabric
        Handles devices, precision and gradients across processes.
    position : Position
        Position in the run; replaced in each phase.
    history : dict
        Data for later phases and the model card; plain values, part of every checkpoint.
    """

    def __init__(
        self,
        config: RunSettings,
        networks: Mapping[str, nn.Module],
        folder: Path | None,
        *,
        settings: Mapping[str, Any],
        progress: Progress | None = None,
        cancel: threading.Event | None = None,
    ) -> None:
        from lightning_fabric import Fabric

        check_device(config)
        with quiet_fabric():
            self.fabric: Any = Fabric(
                accelerator=config.device, precision=fabric_precision(config), **process_settings(config.n_devices)
            )
        with process_errors(config.n_devices):
            rejoin(self.fabric.device.type == "cuda")
            self.fabric.launch()
        self.config, self.folder = config, folder
        self.networks = {name: network.to(self.fabric.device) for name, network in networks.items()}
        self.cancel = cancel or threading.Event()
        self.position, self.history = Position(), dict[str, Any]()
        self.runtime = present_runtime(self.fabric.device)
        self._settings = {key: value for key, value in settings.items() if key not in FREE_SETTINGS}
        self._progress = progress if self.is_first else None
        self._restored: dict[str, Any] | None = None  # a checkpoint, until its phase has restored its part
        self._started = time.monotonic()
        self._timer = Timer(60 * config.checkpoint_minutes)

    @property
    def is_first(self) -> bool:
        """Return whether this process is the one that writes files."""
        return bool(self.fabric.is_global_zero)

    @property
    def n_processes(self) -> int:
        """Number of processes, one per device."""
        return int(self.fabric.world_size)

    @property
    def seconds(self) -> float:
        """Time spent on the run, including earlier parts of a resumed run."""
        return time.monotonic() - self._started

    def run(self, phase: Phase) -> int:
        """Run the remaining steps of a phase and return the number of its last step.

        Raises
        ------
        Stopped
            After the step in which `cancel` was set.
        """
        scalars = self._restore(phase)
        first = self.position.step
        if self.position.notes.get("ended"):  # early, before the run was resumed
            return first
        loader = step_loader(
            phase.dataset,
            self.fabric,
            batch_size=phase.batch_size,
            first_step=first,
            last_step=phase.total,
            workers=self.config.workers,
            seed=self.config.seed,
        )
        latest: dict[str, Tensor] = {}
        with ExitStack() as stack:
            stack.enter_context(process_errors(self.n_processes))
            bar, status = self.reporting(stack, phase.name, phase.total, "step", first)
            batches = stack.enter_context(closing(prefetched(loader)))
            for number, batch in enumerate(batches, first + 1):
                scalars.append({key: value.detach() for key, value in phase.step(batch, number).items()})
                latest |= scalars[-1]
                self.position.step = number
                bar.update(1)
                cancelled = on_any_rank(self.fabric, self.cancel.is_set())
                is_due = number % phase.every == 0 or number == phase.total
                if is_due and self._evaluate(phase, number, scalars, bar, status):
                    break
                if not is_due and (cancelled or self.is_save_due()):
                    self._save(phase.stateful, scalars)
                if cancelled:
                    raise Stopped(f"step {number} of {phase.total}", number, self._means(scalars))
                status.at(number, partial(_floats, latest))
        return self.position.step

    def _evaluate(
        self, phase: Phase, number: int, scalars: list[dict[str, Tensor]], bar: Bar, status: StatusLog
    ) -> bool:
        """Evaluate, and save a checkpoint; return whether the phase ends early."""
        means = self._means(scalars)
        scalars.clear()
        ended = phase.evaluate(number, means)
        if "val_psnr" in means:
            status.validation = f"validation {means['val_psnr']:.2f} dB"
            if hasattr(bar, "set_postfix_str"):
                loss = f"loss {means['loss']:.4f}, " if "loss" in means else ""
                bar.set_postfix_str(f"{loss}val {means['val_psnr']:.2f} dB")
        if ended:
            self.position.notes["ended"] = True
        self._save(phase.stateful, scalars)
        return ended

    def reporting(self, stack: ExitStack, name: str, total: int, unit: str, initial: int = 0) -> tuple[Bar, StatusLog]:
        """Return a progress bar that `stack` closes, and the log of status lines."""
        bar = stack.enter_context(progress_bar(self._progress, total=total, desc=name, unit=unit, initial=initial))
        status = StatusLog(name, total, initial, unit)
        status.is_silent = not self.is_first
        return bar, status

    def check_start(self) -> None:
        """Raise Cancelled on all processes if the run was cancelled, on any of them, before its first step.

        All processes must call it equally often.
        """
        if self.position.phase or self.position.step:
            return
        with process_errors(self.n_processes):
            if on_any_rank(self.fabric, self.cancel.is_set()):
                raise Cancelled(STOPPED_EARLY)

    def is_save_due(self) -> bool:
        """Return whether a checkpoint is due by `checkpoint_minutes`."""
        return self._timer.is_due()

    def save_at(self, step: int) -> None:
        """Write a checkpoint within a phase without training, after item `step`."""
        self.position.step = step
        self._save({}, [])

    def end_phase(self) -> None:
        """Advance to the next phase, and save a checkpoint."""
        self.position = Position(self.position.phase + 1)
        self._save({}, [])

    def resume(self) -> None:
        """Restore the run from the folder's checkpoint; call it inside `threads_put_back`.

        Raises
        ------
        InputError
            Without a run folder, or if a setting differs from the checkpoint's.
        MissingFileError, ModelFileError
            If there is no checkpoint that can be read.
        """
        if self.folder is None:
            raise InputError("cannot resume without a run folder; pass the output folder of the first run")
        state = load_checkpoint(self.folder / "checkpoint.pt", self._settings)
        if "stateful" not in state:
            raise InputError(
                f"the checkpoint in {self.folder} was written by an earlier version of decrappify and cannot be "
                f"resumed; start the run again with {setting('overwrite', True)}"
            )
        self.runtime = take_up_runtime(state.get("runtime"), self.fabric.device)
        for name, network in self.networks.items():
            network.load_state_dict(state["networks"][name])
        self.position = Position(state["phase"], state["step"], dict(state["notes"]))
        self.history = state["history"]
        self._restored = state if state["stateful"] else None
        self.fabric.strategy.precision.load_state_dict(state["precision"])
        self._set_rng_state(state)
        self._started -= state["seconds"]

    def mean(self, value: Tensor) -> float:
        """Average over the processes, so that all of them make the same decision."""
        return float(self.fabric.all_reduce(value.detach(), reduce_op="mean"))

    def _restore(self, phase: Phase) -> list[dict[str, Tensor]]:
        """Load the state of a resumed phase; return the scalars since its last evaluation."""
        state, self._restored = self._restored, None
        if state is None:
            return []
        for name, stateful in phase.stateful.items():
            stateful.load_state_dict(state["stateful"][name])
        # Restored last, as objects created before the steps of a phase may also draw from the generator.
        self._set_rng_state(state)
        device = self.fabric.device
        return [{key: value.to(device) for key, value in entry.items()} for entry in state["scalars"]]

    def _save(self, stateful: Mapping[str, Stateful], scalars: list[dict[str, Tensor]]) -> None:
        """Write the checkpoint, from which the run resumes bit for bit."""
        if self.folder is None or not self.is_first:
            return
        device = self.fabric.device
        state = {
            "settings": self._settings,
            "runtime": self.runtime,
            "phase": self.position.phase,
            "step": self.position.step,
            "notes": self.position.notes,
            "history": self.history,
            "seconds": self.seconds,
            "networks": {name: network.state_dict() for name, network in self.networks.items()},
            "stateful": {name: each.state_dict() for name, each in stateful.items()},
            "scalars": scalars,
            "precision": self.fabric.strategy.precision.state_dict(),
            "rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        }
        save_checkpoint(self.folder / "checkpoint.pt", state)
        self._timer.restart()

    def _set_rng_state(self, state: Mapping[str, Any]) -> None:
        torch.set_rng_state(state["rng"])
        if state["cuda_rng"] is not None and self.fabric.device.type == "cuda":
            torch.cuda.set_rng_state(state["cuda_rng"], self.fabric.device)

    def _means(self, scalars: Sequence[Mapping[str, Tensor]]) -> dict[str, float]:
        keys = sorted({key for entry in scalars for key in entry})
        return {key: self.mean(torch.stack([entry[key] for entry in scalars if key in entry]).mean()) for key in keys}


def learning_rates(stateful: Mapping[str, Stateful]) -> dict[str, float]:
    """Return the current learning rate of each network among `stateful`, as ``NAME_rate``."""
    networks: Iterable[tuple[str, Stateful]] = stateful.items()
    return {f"{name}_rate": each.learning_rate for name, each in networks if isinstance(each, OptimizedNetwork)}


def _floats(scalars: Mapping[str, Tensor]) -> dict[str, float]:
    return {key: float(value) for key, value in scalars.items()}
