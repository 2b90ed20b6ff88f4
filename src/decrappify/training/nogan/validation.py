"""Validation of the generator through all phases of a NoGAN run, on the patches of supervised training."""

from __future__ import annotations

import logging
import math
from typing import Any

from decrappify.datasets import Sample
from decrappify.training.engine.processes import folder_errors
from decrappify.training.engine.validation import ValidationScore, Validator
from decrappify.training.engine.validation_patches import CANDIDATES, ValidationPatches, draw_patches
from decrappify.training.nogan.run import NoganRun
from decrappify.training.supervised.outputs import save_preview
from decrappify.training.supervised.report import card_entry, warning

log = logging.getLogger(__name__)
report = logging.getLogger("decrappify.training.supervised.report")  # shown by the command line

PREVIEW = "pretrained.png"
_BATCH = 8


class GeneratorValidation:
    """Validation of a run's generator; of colorizers, which have no background, on plain patches.

    Parameters
    ----------
    run : NoganRun
        The run; the last score is part of its history, as the entry ``validation`` of the model card.
    samples : list of Sample
        The plain held-out patches.
    data_range : float
        Data range in network units.
    """

    def __init__(self, run: NoganRun, samples: list[Sample], data_range: float) -> None:
        self._run = run
        self._patches: ValidationPatches | None = None
        if run.config.task == "restoration":
            self._patches = draw_patches(run.data.held_out(CANDIDATES, run.config.seed + 1), run.generator)
            if run.trainer.is_first:
                report.info("%s", self._patches)
        self._validator = Validator(self._patches or samples, _BATCH, data_range)

    def score(self, *, preview_at: int | None = None, second_draw: bool = True) -> dict[str, float]:
        """Score the current weights; return the values for the log, and write images at a step of the pretraining."""
        run = self._run
        score = self._validator.score(run.generator, run.fabric.device, second_draw=second_draw)
        if self._patches is not None:
            run.history["validation"] = card_entry(score.values(), self._patches)
        if preview_at is not None:
            self._save_preview(preview_at, score)
        return {f"val_{name}": value for name, value in score.values().items() if math.isfinite(value)}

    def warn(self) -> None:
        """Log a warning if the pretrained generator is not better than its input or the best Gaussian."""
        entry: dict[str, Any] = self._run.history.get("validation", {})
        if self._run.trainer.is_first and entry:
            names = ("psnr", "psnr_source", "psnr_gaussian")
            line = warning({name: entry[f"{name}_db"] for name in names}, images=PREVIEW)
            if line is not None:
                log.warning("pretraining: %s", line)

    def _save_preview(self, step: int, score: ValidationScore) -> None:
        if self._run.trainer.is_first and score.previews:
            with folder_errors(self._run.folder):
                save_preview(self._run.folder / PREVIEW, step, score.previews)
