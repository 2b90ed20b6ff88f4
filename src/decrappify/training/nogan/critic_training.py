"""Phase (iii) of NoGAN: the critic learns to tell saved generated images from real ones, as a plain classifier."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import default_collate

from decrappify.losses import critic_loss, patch_accuracy
from decrappify.training.nogan.generated import Judged, JudgedDataset
from decrappify.training.engine.optimization import Learner
from decrappify.training.config.nogan import CriticStep
from decrappify.training.engine.trainer import NoganRun

# Held-out crops that the accuracy is measured on.
_CHECKED = 64


def train_critic(run: NoganRun, step: CriticStep, images: Path, what: str) -> None:
    """Run one critic step on the images of `save_generated`, until its epochs or its accuracy are reached."""
    half = max(1, step.batch_size // 2)  # a batch holds as many real as generated images
    n_images = JudgedDataset(images, step.size, 1, 0).n_images
    epoch = max(1, round(n_images / (2 * half * run.fabric.world_size)))
    total = epoch * step.epochs
    run.critic.train().requires_grad_(True)
    learner = Learner(
        run.fabric,
        run.critic,
        (step.learning_rate,),
        weight_decay=run.config.weight_decay,
        one_cycle=(total, 0.3),
    )
    dataset = JudgedDataset(images, step.size, total * half * run.fabric.world_size, run.seed())
    checked = _held_out(images, step.size, run)

    def take_step(batch: Judged, number: int) -> dict[str, Tensor]:
        real, generated = learner.network(torch.cat([batch["real"], batch["generated"]])).chunk(2)
        loss = critic_loss(real, generated, run.config.gan.adversarial)
        learner.learn(loss, f"step {number} of {what}")
        return {"critic": loss, "accuracy": patch_accuracy(real, generated)}

    def look(_: int, numbers: dict[str, float]) -> bool:
        numbers["val_accuracy"] = accuracy = run.mean(_accuracy(run, checked))
        run.history["critic_accuracy"] = accuracy
        return accuracy >= step.accuracy and step.accuracy < 1

    run.loop(what, dataset, half, total, {"critic": learner}, take_step, every=epoch, at_checkpoint=look)


def _held_out(images: Path, size: int, run: NoganRun) -> list[Judged]:
    dataset = JudgedDataset(images, size, _CHECKED, run.config.seed, held_out=True)
    samples = [dataset[index] for index in range(_CHECKED)]
    return [default_collate(samples[start : start + 8]) for start in range(0, _CHECKED, 8)]


@torch.no_grad()
def _accuracy(run: NoganRun, batches: list[Judged]) -> Tensor:
    """Share of held-out patches that the critic judges rightly; it is left in training mode."""
    run.critic.eval()
    right: list[Any] = []
    for batch in batches:
        real, generated = (run.critic(batch[kind].to(run.fabric.device)) for kind in ("real", "generated"))
        right.append(patch_accuracy(real, generated))
    run.critic.train()
    return torch.stack(right).mean()
