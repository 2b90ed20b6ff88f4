"""NoGAN schedule as a list of phases, and the function that runs them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from decrappify.datasets import Sample
from decrappify.normalization import IMAGENET
from decrappify.training.config.nogan import NoganConfig
from decrappify.training.engine.processes import folder_errors
from decrappify.training.engine.trainer import Stopped
from decrappify.training.nogan.critic_files import save_critic
from decrappify.training.nogan.critic_training import train_critic
from decrappify.training.nogan.gan import gan_phase, gan_steps
from decrappify.training.nogan.generated import save_generated
from decrappify.training.nogan.pretraining import pretrain
from decrappify.training.nogan.run import NoganRun
from decrappify.training.nogan.selection import CheckpointSelection
from decrappify.training.nogan.validation import GeneratorValidation

log = logging.getLogger(__name__)

_COLOR_RANGE = 3 / sum(IMAGENET.std)  # black to white in ImageNet-normalized units
PRETRAINED_CRITIC = "pretrained_critic.safetensors"


@dataclass(frozen=True, slots=True)
class PlannedPhase:
    """One entry of the schedule: ``pretrain``, ``save images``, ``critic`` or ``GAN``, in its cycle (from 1)."""

    kind: str
    cycle: int = 0
    index: int = 0
    of: int = 1

    def __str__(self) -> str:
        number = f" {self.index + 1}/{self.of}" if self.of > 1 else ""
        return f"cycle {self.cycle}: {self.kind}{number}" if self.cycle else f"{self.kind}{number}"


def plan(config: NoganConfig) -> list[PlannedPhase]:
    """Return the schedule as a flat list.

    Examples
    --------
    >>> from decrappify.training.config.presets import nogan_preset
    >>> [str(phase) for phase in plan(nogan_preset("microscopy"))]
    ['pretrain', 'cycle 1: save images', 'cycle 1: critic', 'cycle 1: GAN']
    """
    phases = [PlannedPhase("pretrain", 0, index, len(config.pretrain)) for index in range(len(config.pretrain))]
    for cycle in range(1, config.cycles + 1):
        critics = len(critic_steps(config, cycle))
        phases.append(PlannedPhase("save images", cycle))
        phases += [PlannedPhase("critic", cycle, index, critics) for index in range(critics)]
        phases.append(PlannedPhase("GAN", cycle))
    return phases


def critic_steps(config: NoganConfig, cycle: int) -> tuple[Any, ...]:
    """Return the steps of the critic in a cycle."""
    return (*config.first_critic, *config.critic_steps) if cycle == 1 else config.critic_steps


def run_phases(run: NoganRun, describe: Callable[[str], Any]) -> None:
    """Run the remaining phases; a cancelled run ends early, with `unfinished` set."""
    config = run.config
    is_color = config.task == "colorization"
    data_range = _COLOR_RANGE if is_color else 1.0
    samples = _held_out(run)
    validation = GeneratorValidation(run, samples, data_range)
    phases = plan(config)
    selection: CheckpointSelection | None = None
    try:
        while run.trainer.position.phase < len(phases):
            phase = phases[run.trainer.position.phase]
            log.info("%s", phase)
            images = run.folder / "images" / f"cycle_{phase.cycle}"
            if phase.kind == "pretrain":
                pretrain(run, config.pretrain[phase.index], str(phase), validation)
                if phase.index == phase.of - 1:
                    validation.warn()
            elif phase.kind == "save images":
                save_generated(run, images, str(phase))
            elif phase.kind == "critic":
                train_critic(run, critic_steps(config, phase.cycle)[phase.index], images, str(phase))
            else:
                if "rows" not in run.history:
                    validation.score()  # for the card of the pretrained generator
                    if run.trainer.is_first:
                        with folder_errors(run.folder):
                            save_critic(run.critic, run.folder / PRETRAINED_CRITIC)
                selection = selection or CheckpointSelection(run, samples, data_range, describe)
                if not _gan(run, selection, validation, str(phase)):
                    break
            run.trainer.end_phase()
            with folder_errors(run.folder):
                run.log.plot(final=False)
    except Stopped as stopped:
        run.unfinished = f"stopped in {phases[run.trainer.position.phase]} at {stopped}"
        log.info("%s", run.unfinished)
        if selection is not None and selection.rows:
            selection.choose()  # the best so far; a finished phase has already selected its checkpoint
            validation.score()
    if run.trainer.is_first:
        with folder_errors(run.folder):
            if not run.unfinished:
                save_critic(run.critic, run.folder / "critic.safetensors")
            run.log.plot()


def _gan(run: NoganRun, selection: CheckpointSelection, validation: GeneratorValidation, name: str) -> bool:
    """Run one GAN phase and load its best checkpoint; return whether another cycle may improve on it."""
    selection.begin_cycle()
    total, every = gan_steps(run)
    selection.check_space(-(-(total - run.trainer.position.step) // every))

    def evaluate(step: int, images: int) -> tuple[dict[str, float], bool]:
        # First, as it is part of the card of the checkpoint; the monitors compare noise draws.
        scores = validation.score(second_draw=False)
        return scores, selection.evaluate(step, images)

    gan_phase(run, evaluate, name)
    with folder_errors(run.folder):
        verdict = selection.choose()
    validation.score()
    log.info("%s", verdict.reason)
    return verdict.index is not None and verdict.index >= run.trainer.position.notes["first_row"]


def _held_out(run: NoganRun) -> list[Sample]:
    """Return held-out samples with fixed noise, large enough for the monitors."""
    count = run.config.validation_patches
    size = max(run.config.gan.size, 32)
    dataset = run.data.held_out(count, run.config.seed + 1, size)
    return [dataset[index] for index in range(count)]
