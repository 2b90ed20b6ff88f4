"""Phase (iv) of NoGAN: critic until its loss is under the threshold, one generator step, and so on, watched."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from decrappify.datasets import Sample
from decrappify.losses import critic_loss, generator_adversarial_loss, tuple_loss
from decrappify.networks.groups import freeze_encoder
from decrappify.training.engine.optimization import Learner
from decrappify.training.engine.trainer import NoganRun

_FURTHEST = 100  # steps between two checkpoints, at most
_BETAS = (0.0, 0.9)

# The step and the images seen in this phase, to the validation PSNR and whether to stop.
Watch = Callable[[int, int], tuple[float, bool]]


def gan_steps(run: NoganRun) -> tuple[int, int]:
    """Count the steps of a GAN phase and those between two of its checkpoints."""
    gan = run.config.gan
    images_a_step = gan.batch_size * run.fabric.world_size
    every = max(1, min(_FURTHEST, round(run.items * run.config.checkpoint_share / images_a_step)))
    return run.steps(gan.share, gan.batch_size), every


def gan_phase(run: NoganRun, watch: Watch, what: str) -> None:
    """Run one GAN phase, and call `watch` at each checkpoint.

    One stream of batches serves both networks: a step is the critic's or the generator's. The network whose step it is
    is in training mode, the other in evaluation mode and left alone. The critic goes first, and its turn lasts until a
    critic loss, averaged over the processes, is under the threshold; the generator's turn is one step.
    """
    config, gan = run.config, run.config.gan
    freeze_encoder(run.generator, gan.freeze_encoder)
    run.critic.requires_grad_(True)
    generator, critic = (
        Learner(run.fabric, network, (rate,), betas=_BETAS, weight_decay=config.weight_decay)
        for network, rate in ((run.generator, gan.learning_rate), (run.critic, gan.learning_rate * gan.critic_factor))
    )
    images_a_step = gan.batch_size * run.fabric.world_size
    total, every = gan_steps(run)
    dataset = run.material.training(gan.size, total * images_a_step, run.seed())
    notes = run.position.notes  # part of every checkpoint: whose turn it is
    notes.setdefault("turn", "critic")
    notes.setdefault("generator_steps", 0)

    def take_step(batch: Sample, number: int) -> dict[str, Tensor]:
        where = f"step {number} of {what}"
        if notes["turn"] == "generator":
            notes["turn"] = "critic"
            notes["generator_steps"] += 1
            return _generator_step(run, generator, batch, where)
        numbers = _critic_step(run, critic, batch, where)
        if run.mean(numbers["critic"]) < gan.threshold:
            notes["turn"] = "generator"
        return numbers

    def look(number: int, numbers: dict[str, float]) -> bool:
        numbers["val_psnr"], stop = watch(number, number * images_a_step)
        numbers["generator_steps"] = notes["generator_steps"]
        return stop

    learners = {"generator": generator, "critic": critic}
    run.loop(what, dataset, gan.batch_size, total, learners, take_step, every=every, at_checkpoint=look)
    freeze_encoder(run.generator, False)


def _critic_step(run: NoganRun, critic: Learner, batch: Sample, where: str) -> dict[str, Tensor]:
    """Let the critic learn from real targets and from what the generator makes of their sources."""
    run.generator.eval()
    run.critic.train().requires_grad_(True)
    with torch.no_grad(), run.fabric.autocast():
        generated = run.generator(batch["source"]).float()
    # One pass for both, so that their spectral norms are the same.
    on_real, on_generated = critic.network(torch.cat([batch["target"], generated])).chunk(2)
    loss = critic_loss(on_real, on_generated, run.config.gan.adversarial)
    critic.learn(loss, where)
    return {"critic": loss}


def _generator_step(run: NoganRun, generator: Learner, batch: Sample, where: str) -> dict[str, Tensor]:
    """Let the generator learn to convince the critic and to stay close to the target, stability loss included."""
    config, gan = run.config, run.config.gan
    run.generator.train()
    run.critic.eval().requires_grad_(False)
    target, pair = batch["target"], "source_2" in batch
    sources = torch.cat([batch["source"], batch["source_2"]]) if pair else batch["source"]
    predictions = generator.network(sources).float()
    first, second = predictions.chunk(2) if pair else (predictions, None)
    content, stability = tuple_loss(
        first, target, run.content, prediction_2=second, stability_weight=config.stability_weight
    )
    with run.fabric.autocast():
        judged = run.critic(predictions).float()
    adversarial = generator_adversarial_loss(judged, gan.adversarial)
    generator.learn(gan.adversarial_weight * adversarial + gan.content_weight * content, where)
    return {"content": content, "stability": stability, "adversarial": adversarial}
