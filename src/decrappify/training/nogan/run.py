"""State shared by the phases of a NoGAN run: the trainer, both networks, the data and the log."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from decrappify._common.plotting import new_figure
from decrappify.losses import content_loss
from decrappify.training.config.nogan import NoganConfig
from decrappify.training.data.training_data import TrainingData
from decrappify.training.engine.processes import folder_errors
from decrappify.training.engine.trainer import Phase, Trainer, learning_rates
from decrappify.training.engine.training_log import Row, TrainingLog
from decrappify.training.engine.validation import SCORES

COLUMNS = (
    "phase",
    "step",
    "seconds",
    "content",
    "stability",
    "adversarial",
    "critic",
    "accuracy",
    *(f"val_{name}" for name in SCORES),
    "val_accuracy",
    "generator_steps",
    "generator_rate",
    "critic_rate",
)
_PLOTTED = (("content", "content loss"), ("critic", "critic loss"), ("val_psnr", "validation PSNR (dB)"))


class NoganRun:
    """One NoGAN run.

    Parameters
    ----------
    trainer : Trainer
        Trainer of the networks ``generator`` and ``critic``, with a run folder.
    config : NoganConfig
        The schedule.
    data : TrainingData
        Training and held-out data.
    items : int
        Number of items that count as all of the data.
    resume : bool
        Whether to resume the trainer and the log from the run folder.

    Attributes
    ----------
    unfinished : str
        Position at which the run was cancelled; empty otherwise.
    """

    def __init__(
        self, trainer: Trainer, config: NoganConfig, data: TrainingData, items: int, *, resume: bool = False
    ) -> None:
        self.trainer, self.config, self.data, self.items = trainer, config, data, items
        self.unfinished = ""
        value_range = "normalized" if config.task == "colorization" else "unit"
        self.content_loss = content_loss(config.content_loss, vgg_weights=config.vgg_weights, data=value_range)
        if resume:  # after all draws from the random generator, since it restores its state
            trainer.resume()
        seconds = trainer.seconds
        self.log = TrainingLog(
            trainer.folder,
            COLUMNS,
            plot_log,
            texts=("phase",),
            keep=(lambda row: bool(row["seconds"]) and float(row["seconds"]) <= seconds) if resume else None,
            writes=trainer.is_first,
        )

    @property
    def generator(self) -> Any:
        """Generator, on the device of the run."""
        return self.trainer.networks["generator"]

    @property
    def critic(self) -> Any:
        """Critic, on the device of the run."""
        return self.trainer.networks["critic"]

    @property
    def fabric(self) -> Any:
        """Fabric of the trainer."""
        return self.trainer.fabric

    @property
    def history(self) -> dict[str, Any]:
        """History of the trainer."""
        return self.trainer.history

    @property
    def folder(self) -> Path:
        """Run folder."""
        if self.trainer.folder is None:
            raise ValueError("a NoGAN run needs a folder")
        return self.trainer.folder

    def steps(self, share: float, batch_size: int) -> int:
        """Return the number of steps for `share` of the data."""
        return max(1, round(self.items * share / (batch_size * self.trainer.n_processes)))

    def seed(self) -> int:
        """Return the seed of the data of the current phase: phases have different patches and noise."""
        return self.config.seed * 1000 + self.trainer.position.phase

    def run(self, phase: Phase) -> None:
        """Run a phase; each evaluation adds a row to the log."""
        self.trainer.run(replace(phase, evaluate=self._logged(phase)))

    def _logged(self, phase: Phase) -> Callable[[int, dict[str, float]], bool]:
        def evaluate(number: int, means: dict[str, float]) -> bool:
            with folder_errors(self.trainer.folder):
                ended = phase.evaluate(number, means)
                # Rounded down: a resumed run keeps the rows up to the time of its checkpoint.
                seconds = f"{math.floor(self.trainer.seconds * 1000) / 1000:.3f}"
                place = {"phase": phase.name, "step": number, "seconds": seconds}
                self.log.add(place | means | learning_rates(phase.stateful))
            return ended

        return evaluate


def plot_log(rows: Sequence[Row], folder: Path) -> None:
    """Plot losses and validation of each phase against time, as ``log.png``."""
    figure = new_figure(11, 3.2)
    figure.subplots_adjust(left=0.055, right=0.99, bottom=0.145, top=0.9, wspace=0.26)
    phases = list(dict.fromkeys(row["phase"] for row in rows))
    for axes, (key, label) in zip(figure.subplots(1, len(_PLOTTED)), _PLOTTED, strict=True):
        for phase in phases:
            chosen = [row for row in rows if row["phase"] == phase and row[key]]
            if chosen:
                minutes = [float(row["seconds"]) / 60 for row in chosen]
                axes.plot(minutes, [float(row[key]) for row in chosen], ".-", label=phase)
        if key == "val_psnr":
            _draw_compared(axes, rows)
        axes.set(xlabel="minutes", title=label)
        if axes.lines:
            axes.legend(fontsize=7)
    figure.savefig(folder / "log.png", dpi=120)


def _draw_compared(axes: Any, rows: Sequence[Row]) -> None:
    """Draw the PSNR of the source and of the best Gaussian filter as horizontal lines."""
    for key, label, style in (("val_psnr_gaussian", "best Gaussian", "-."), ("val_psnr_source", "source", "--")):
        values = [float(row[key]) for row in rows if row[key]]
        if values:
            label = f"{label}, {values[-1]:.1f} dB"
            axes.axhline(values[-1], color="0.45", linestyle=style, linewidth=1.1, label=label)
