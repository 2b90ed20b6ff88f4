"""Phase (iii) of NoGAN: the critic is trained to classify saved images as generated or real."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import default_collate

from decrappify.losses import critic_loss, patch_accuracy
from decrappify.training.config.nogan import CriticStep
from decrappify.training.engine.optimization import OptimizedNetwork
from decrappify.training.engine.trainer import Phase
from decrappify.training.nogan.generated import CriticDataset, CriticSample
from decrappify.training.nogan.run import NoganRun

_HELD_OUT_CROPS = 64  # for the accuracy


def train_critic(run: NoganRun, step: CriticStep, images: Path, name: str) -> None:
    """Run one critic step on the images of `save_generated`, until its epochs or its accuracy are reached."""
    half = max(1, step.batch_size // 2)  # a batch contains as many real as generated images
    n_images = CriticDataset(images, step.size, 1, 0).n_images
    epoch = max(1, round(n_images / (2 * half * run.trainer.n_processes)))
    total = epoch * step.epochs
    run.critic.train().requires_grad_(True)
    critic = OptimizedNetwork(
        run.fabric,
        run.critic,
        (step.learning_rate,),
        weight_decay=run.config.weight_decay,
        one_cycle=(total, 0.3),
    )
    dataset = CriticDataset(images, step.size, total * half * run.trainer.n_processes, run.seed())
    checked = _held_out(images, step.size, run)

    def take_step(batch: CriticSample, number: int) -> dict[str, Tensor]:
        real, generated = critic.network(torch.cat([batch["real"], batch["generated"]])).chunk(2)
        loss = critic_loss(real, generated, run.config.gan.adversarial)
        critic.step(loss, f"step {number} of {name}")
        return {"critic": loss, "accuracy": patch_accuracy(real, generated)}

    def evaluate(_: int, means: dict[str, float]) -> bool:
        means["val_accuracy"] = accuracy = run.trainer.mean(_accuracy(run, checked))
        run.history["critic_accuracy"] = accuracy
        return accuracy >= step.accuracy and step.accuracy < 1

    phase = Phase(
        name=name,
        dataset=dataset,
        batch_size=half,
        total=total,
        stateful={"critic": critic},
        step=take_step,
        every=epoch,
        evaluate=evaluate,
    )
    run.run(phase)


def _held_out(images: Path, size: int, run: NoganRun) -> list[CriticSample]:
    dataset = CriticDataset(images, size, _HELD_OUT_CROPS, run.config.seed, held_out=True)
    samples = [dataset[index] for index in range(_HELD_OUT_CROPS)]
    return [default_collate(samples[start : start + 8]) for start in range(0, _HELD_OUT_CROPS, 8)]


@torch.no_grad()
def _accuracy(run: NoganRun, batches: list[CriticSample]) -> Tensor:
    """Return the share of held-out patches that the critic, afterwards in training mode, classifies correctly."""
    run.critic.eval()
    correct: list[Any] = []
    for batch in batches:
        real, generated = (run.critic(batch[kind].to(run.fabric.device)) for kind in ("real", "generated"))
        correct.append(patch_accuracy(real, generated))
    run.critic.train()
    return torch.stack(correct).mean()
